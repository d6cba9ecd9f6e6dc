/**
 * Finds the server's addresses by its name. The machine's own DNS is asked first. Where it does not
 * answer, as when it is reached through the tunnel and the tunnel is dead, the links' own DNS servers
 * are asked over the links, and the kill switch lets these questions pass for as long.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { Libc } from "../../lib/ffi/libc/libc.ts";
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import { lookUpOverLinks } from "../../lib/host/dns/link_lookup.ts";
import { LinkResolvers } from "../../lib/host/dns/link_resolvers.ts";
import { listInterfaces } from "../../lib/host/links/network_interface.ts";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import { askSystem, type LookUp, type ServerAddress } from "../control/resolve_server.ts";
import type { LinkSet } from "./link_set.ts";
import type { Protection } from "./protection.ts";

/** So long the machine's own DNS is waited for alone. */
const HEAD_START_MS = 2000;

const log = getLogger([LOG_CATEGORY, "client"]);

interface ServerLookUpParts {
  readonly libc: Libc;
  readonly runner: CommandRunner;
  readonly protection: Pick<Protection, "allowLookUps">;
  /** Whether the machine's DNS servers are ours while the tunnel is up. */
  readonly changesDns: boolean;
  readonly askSystem?: LookUp;
  readonly resolvers?: LinkResolvers;
}

export class ServerLookUp {
  readonly #parts: ServerLookUpParts;
  readonly #resolvers: LinkResolvers;
  #links: Pick<LinkSet, "controlRoutes"> | null = null;
  /** By name. The system's resolver cannot be interrupted, and is asked once at a time. */
  readonly #asked = new Map<string, Promise<readonly ServerAddress[]>>();

  /** The kill switch is opened for one name after the other. */
  readonly #queue = new SerialQueue();

  constructor(parts: ServerLookUpParts) {
    this.#parts = parts;
    this.#resolvers = parts.resolvers ?? new LinkResolvers();
  }

  /** Reads whom the machine asks; to be called before its DNS is changed. */
  async remember(): Promise<void> {
    await this.#resolvers.remember();
  }

  /** From now on names may be asked for over these, too. */
  follow(links: Pick<LinkSet, "controlRoutes">): void {
    this.#links = links;
  }

  /** Takes seconds where DNS is dead. @throws Error of the system's resolver. */
  async find(name: string, signal: AbortSignal): Promise<readonly ServerAddress[]> {
    const system = this.#askSystem(name);
    const early = await this.#within(HEAD_START_MS, system, signal);
    if (early !== null || signal.aborted) return early ?? await system;
    const found = await this.#queue.run(() => this.#askLinks(name, signal));
    return found.length > 0 ? found : await system;
  }

  #askSystem(name: string): Promise<readonly ServerAddress[]> {
    const { askSystem: ask = askSystem } = this.#parts;
    const asked = this.#asked.getOrInsertComputed(
      name,
      () => ask(name).finally(() => this.#asked.delete(name)),
    );
    asked.catch(() => {}); // it may fail when the links have answered
    return asked;
  }

  /** Null when there is no answer in time, or none at all. */
  async #within(
    timeoutMs: number,
    asked: Promise<readonly ServerAddress[]>,
    signal: AbortSignal,
  ): Promise<readonly ServerAddress[] | null> {
    const { promise, resolve } = Promise.withResolvers<null>();
    const timer = setTimeout(() => resolve(null), timeoutMs);
    const onAbort = () => resolve(null);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([asked, promise]);
    } catch {
      return null;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #askLinks(name: string, signal: AbortSignal): Promise<readonly ServerAddress[]> {
    const { libc, runner, protection, changesDns } = this.#parts;
    const routes = this.#links?.controlRoutes().filter(({ link }) => link !== "lo") ?? [];
    if (routes.length === 0) return [];
    try {
      if (!changesDns) await this.#resolvers.remember();
      const interfaces = await listInterfaces(runner);
      const links = [...new Set(routes.map(({ nextHop }) => nextHop.device))].map((device) => ({
        device,
        index: interfaces.find(({ name }) => name === device)?.index ?? 0,
        gateways: routes.flatMap(({ nextHop }) =>
          nextHop.device === device ? nextHop.gateway?.address ?? [] : []
        ),
      }));
      const resolvers = await this.#resolvers.of(links);
      await protection.allowLookUps(resolvers);
      try {
        const found = await lookUpOverLinks(libc, resolvers, name, signal);
        log.debug("{name} is {found} by the links' own DNS", {
          name,
          found: found.map(({ address }) => address).join(", ") || "unknown",
        });
        return found;
      } finally {
        await protection.allowLookUps([]);
      }
    } catch (error) {
      log.debug("cannot ask for {name} over the links: {error}", { name, error });
      return [];
    }
  }
}
