/** The data plane inside TLS, as links use it: which of them do, where it leads, and what is said of it. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { PathReport } from "../../lib/net/engine.ts";
import { isInsideTls, type LinkTransport } from "../../lib/status/bond_status.ts";
import { PathCarriage } from "../transport/path_carriage.ts";
import type { ThrottleVerdict } from "../transport/throttled_udp.ts";
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
  /** By link, what its two paths carry. */
  readonly #carriage = new Map<string, { udp: PathCarriage; tls: PathCarriage }>();
  /** By link, through which network it leads. */
  readonly #places = new Map<string, string>();

  constructor(parts: LinkStreamsParts) {
    this.#parts = parts;
    this.transport = parts.transport;
    this.choice = parts.choice;
  }

  /** As TransportChoice.look(), and says what changes. Returns whether something does. */
  look(link: string, isUdpUp: boolean, nowMs: number, isTlsUp: boolean): boolean {
    const change = this.choice.look(link, isUdpUp, nowMs, isTlsUp);
    if (change === "to TLS") log.debug("link {link}: UDP gets no answer: trying TLS", { link });
    if (change === "TLS not needed") log.debug("link {link}: UDP is answered", { link });
    if (change === "to UDP") log.info("link {link}: UDP is answered again", { link });
    return change !== null;
  }

  /**
   * Looks at what the paths of all links have carried, about once a second, and says what comes of it.
   * `streamOf` tells the path of a link that is inside TLS. Returns whether something changes.
   */
  lookAtPaths(
    links: readonly Pick<Link, "id" | "name">[],
    streamOf: (link: string) => number | null,
    paths: readonly PathReport[],
    nowMs: number,
  ): boolean {
    const changes = links.map(({ id, name }) => {
      const stream = streamOf(name);
      const udp = paths.find((path) => path.id === id && !isInsideTls(path)) ?? null;
      const tls = paths.find((path) => path.id === stream && isInsideTls(path)) ?? null;
      return this.#look(name, udp, tls, nowMs);
    });
    return changes.includes(true);
  }

  #look(link: string, udp: PathReport | null, tls: PathReport | null, nowMs: number): boolean {
    const paths = this.#carriage.getOrInsertComputed(
      link,
      () => ({ udp: new PathCarriage(), tls: new PathCarriage() }),
    );
    const [byUdp, byTls] = [paths.udp.look(udp, nowMs), paths.tls.look(tls, nowMs)];
    const heldBack = this.choice.heldBack(link);
    const verdict = this.choice.carried(link, byUdp, byTls, nowMs);
    if (verdict !== null) say(link, verdict);
    return verdict !== null || this.choice.heldBack(link) !== heldBack;
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
    this.#notePlace(name, inUse);
    if (!this.choice.wantsTls(name)) {
      this.#addresses.delete(name);
      return null;
    }
    const { endpoints } = this.#parts;
    const why = this.choice.reason(name);
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
    const tls = { link: name, device, source, address, server: host, why };
    return { tls, via: route };
  }

  /** Where a link leads through another network, what was seen of the one before is no more true. */
  #notePlace(link: string, { nextHop: { device, gateway, source } }: LinkRoute): void {
    const place = `${device} via ${gateway?.address ?? "no gateway"} from ${source ?? "any"}`;
    const before = this.#places.get(link);
    this.#places.set(link, place);
    if (before !== undefined && before !== place) this.choice.movedElsewhere(link);
  }
}

function say(link: string, { kind, udpRate, tlsRate }: ThrottleVerdict): void {
  const rates = { link, udp: megabits(udpRate), tls: megabits(tlsRate) };
  switch (kind) {
    case "tries TLS":
      return log.debug("link {link}: UDP loses packets ({udp} arrive): trying TLS", rates);
    case "to TLS":
      return log.info("link {link}: UDP is slowed down ({udp}, inside TLS {tls})", rates);
    case "stays by UDP":
      return log.debug("link {link}: TLS gets no more than UDP ({tls}, by UDP {udp})", rates);
    case "tries UDP":
      return log.debug("link {link}: trying whether UDP carries {tls}, too", rates);
    case "to UDP":
      return log.info("link {link}: UDP is not slowed down any more ({udp})", rates);
    case "stays by TLS":
      return log.debug("link {link}: UDP is still slowed down ({udp}, inside TLS {tls})", rates);
    default:
      kind satisfies never;
  }
}

/** As in `1.2 Mbit/s`. */
function megabits(bytesPerSecond: number): string {
  return `${(bytesPerSecond * 8 / 1e6).toFixed(1)} Mbit/s`;
}
