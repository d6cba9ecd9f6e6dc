/**
 * Asks the servers that are not in use how they are, and moves to one that is better: by a renewal
 * whose session is that server's, so that the one in use goes on until the other works.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../../lib/cli/log.ts";
import type { ControlRoute, SessionRequests } from "../session_request.ts";
import type { LiveSession } from "../live_session.ts";
import type { ServerPool } from "./server_pool.ts";

/** A server that answers later than this is not waited for. */
const PROBE_TIMEOUT_MS = 3000;
/** The first session waits for the figures of all of them no longer than this. */
const FIRST_FIGURES_MS = 1500;

const log = getLogger([LOG_CATEGORY, "client"]);

interface ServerWatchParts {
  readonly pool: ServerPool;
  readonly requests: Pick<SessionRequests, "askStatus">;
  readonly session: Pick<LiveSession, "isUp" | "isPathUp" | "renewNow">;
  readonly links: {
    controlRoutes(): ControlRoute[];
    usable(): readonly { readonly id: number; readonly name: string }[];
  };
}

export class ServerWatch {
  readonly #parts: ServerWatchParts;
  readonly #ended = new AbortController();
  /** By server, its probe under way. */
  readonly #probes = new Map<number, Promise<void>>();

  constructor(parts: ServerWatchParts) {
    this.#parts = parts;
  }

  /** To be called regularly. */
  check(nowMs: number): void {
    const { pool, session } = this.#parts;
    if (pool.size === 1 || !session.isUp || this.#ended.signal.aborted) return;
    for (const index of pool.choice.probesDue(nowMs)) this.#probe(index, PROBE_TIMEOUT_MS);
    const better = pool.choice.better(nowMs);
    if (better === null) return;
    log.info("server {name} is well again: moving there", { name: pool.nameOf(better) });
    pool.choice.aimAt(better);
    session.renewNow();
  }

  /** Before the first session: asks all how they are, where that decides. Never rejects. */
  async measure(): Promise<void> {
    const { choice, size } = this.#parts.pool;
    if (!choice.needsFigures) return;
    for (let index = 0; index < size; index++) this.#probe(index, FIRST_FIGURES_MS);
    await Promise.all(this.#probes.values());
  }

  /** The server has said that it is about to stop. */
  askedToLeave(): void {
    const { pool: { choice, size, name }, session } = this.#parts;
    const { current } = choice;
    if (current === null || choice.mustLeave) return;
    choice.drains(current);
    if (size === 1) {
      log.warn("the server is about to stop, and there is no other one to go to (-servers)");
      return;
    }
    log.info("server {name} is about to stop: moving to another one", { name });
    session.renewNow();
  }

  /** Gives up what is under way. */
  async end(): Promise<void> {
    this.#ended.abort();
    await Promise.all(this.#probes.values());
  }

  #probe(index: number, timeoutMs: number): void {
    if (this.#probes.has(index)) return;
    const probe = this.#ask(index, timeoutMs).finally(() => this.#probes.delete(index));
    this.#probes.set(index, probe);
  }

  async #ask(index: number, timeoutMs: number): Promise<void> {
    const { pool, requests } = this.#parts;
    const route = this.#routeTo(index);
    try {
      if (route === null) throw new Error("no link leads there");
      const figures = await requests.askStatus(route, timeoutMs, this.#ended.signal);
      pool.choice.answered(index, figures, performance.now());
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      log.debug("server {name}: {error}", { name: pool.nameOf(index), error });
      pool.choice.silent(index, performance.now());
    }
  }

  /** Over a link that works, where there is one. */
  #routeTo(index: number): ControlRoute | null {
    const { pool, links, session } = this.#parts;
    const routes = links.controlRoutes().filter(({ endpoint }) => pool.indexOf(endpoint) === index);
    const up = new Set(
      links.usable().filter(({ id }) => session.isPathUp(id)).map(({ name }) => name),
    );
    return routes.find(({ link }) => up.has(link)) ?? routes[0] ?? null;
  }
}
