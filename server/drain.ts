/**
 * Moves the clients away before a server stops: it takes no new sessions and asks those that are
 * connected to go to another server, again and again until they have, or the operator thinks better of
 * it. A client that knows no other server stays until the server stops.
 */
import type { Engine } from "../lib/net/engine.ts";
import type { LiveSession } from "./sessions/session_registry.ts";

/** The message may get lost, so it is said again. */
const ASK_EVERY_MS = 1_000;

interface DrainParts {
  readonly engine: Pick<Engine, "askToLeave">;
  readonly sessions: () => Iterable<Pick<LiveSession, "id">>;
  /** The other servers are told, too. */
  readonly changed: (isDraining: boolean) => void;
}

export class Drain implements Disposable {
  readonly #parts: DrainParts;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(parts: DrainParts) {
    this.#parts = parts;
  }

  get isDraining(): boolean {
    return this.#timer !== null;
  }

  /** Nothing happens when it drains already. */
  start(): void {
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => this.#ask(), ASK_EVERY_MS);
    this.#parts.changed(true);
    this.#ask();
  }

  /** The server takes clients again. */
  stop(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#parts.changed(false);
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #ask(): void {
    for (const { id } of this.#parts.sessions()) this.#parts.engine.askToLeave(id);
  }
}
