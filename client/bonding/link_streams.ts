/** The data plane inside TLS, as links use it: which of them do, where it leads, and what is said of it. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { LinkTransport } from "../../lib/status/bond_status.ts";
import type { TlsTransport } from "../transport/tls_transport.ts";
import type { TransportChoice } from "../transport/transport_choice.ts";
import type { StreamRoute, Streams } from "./link_paths.ts";
import type { Link } from "./link_selection.ts";
import type { LinkRoute, Surroundings } from "./link_state.ts";
import type { ServerPool } from "./servers/server_pool.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

/** Each time the link's path by UDP is made anew. */
const OTHERS_EVERY_MS = 30_000;

interface LinkStreamsParts {
  readonly transport: Pick<TlsTransport, "open">;
  readonly choice: TransportChoice;
  readonly endpoints: Pick<ServerPool, "control">;
  readonly isBehindProxy: boolean;
}

export class LinkStreams implements Streams {
  readonly transport: Pick<TlsTransport, "open">;
  readonly choice: TransportChoice;
  readonly #parts: LinkStreamsParts;
  /** By link, the address that its connection leads to. */
  readonly #addresses = new Map<string, string>();
  /** By link, when another address was tried by UDP last. */
  readonly #triedMs = new Map<string, number>();

  constructor(parts: LinkStreamsParts) {
    this.#parts = parts;
    this.transport = parts.transport;
    this.choice = parts.choice;
  }

  /** As TransportChoice.look(), and says what changes. Returns whether something does. */
  look(link: string, isUdpUp: boolean, nowMs: number): boolean {
    const change = this.choice.look(link, isUdpUp, nowMs);
    if (change === "to TLS") log.debug("link {link}: UDP gets no answer: trying TLS", { link });
    if (change === "to UDP") log.info("link {link}: UDP is answered again", { link });
    return change !== null;
  }

  transportOf(link: string): LinkTransport {
    const reason = this.choice.reason(link);
    if (reason === null) return { transport: "udp", reason };
    return { transport: "tls", reason: this.#parts.isBehindProxy ? "through a proxy" : reason };
  }

  /**
   * Whether another address of the server may be tried by UDP, though TLS carries the data of the link:
   * not too often, as nobody waits for it.
   */
  mayTryOthers(link: string, nowMs: number): boolean {
    if (nowMs - (this.#triedMs.get(link) ?? -Infinity) < OTHERS_EVERY_MS) return false;
    this.#triedMs.set(link, nowMs);
    return true;
  }

  /**
   * How the link leads to the control plane, or the proxy: where it did before, else at the address in
   * use for data if that is one of them. Null: TLS is not wanted, or nothing leads there.
   * @throws CommandError
   */
  async routeOf(
    { name, device, sourceAddress: source }: Link,
    inUse: LinkRoute,
    routes: readonly LinkRoute[],
    surroundings: Surroundings,
  ): Promise<StreamRoute | null> {
    if (!this.choice.wantsTls(name)) {
      this.#addresses.delete(name);
      return null;
    }
    const { endpoints } = this.#parts;
    const candidates = routes.flatMap((route) => {
      const endpoint = endpoints.control.find(({ address }) => address === route.server.address);
      return endpoint === undefined ? [] : [{ route, endpoint }];
    });
    const before = this.#addresses.get(name);
    const chosen = candidates.find(({ endpoint }) => endpoint.address === before) ??
      candidates.find(({ route }) => route === inUse) ?? candidates[0];
    if (chosen === undefined) return null;
    const { route, endpoint } = chosen;
    if (route !== inUse) {
      await endpoint.routes?.ensure(route.nextHop, surroundings.routes.get(endpoint.family));
    }
    const { address, host } = endpoint;
    this.#addresses.set(name, address);
    return { tls: { link: name, device, source, address, server: host }, via: route };
  }
}
