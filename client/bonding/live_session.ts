/** What is known of the session in use: which paths answer, and whether it is lost. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { EngineEvent } from "../../lib/net/engine.ts";
import type { PathState } from "../../lib/protocol/path/liveness.ts";
import { pause } from "./pause.ts";

/** The server is silent on every path for so long: the session is taken for lost. */
const LOST_AFTER_MS = 1000;

const log = getLogger([LOG_CATEGORY, "client"]);

export class LiveSession {
  readonly #isUnusable: (link: string) => boolean;
  #id: number | null = null;
  readonly #states = new Map<number, PathState>();
  #isOver = false;
  #changed = Promise.withResolvers<void>();
  #interruption: AbortController | null = null;

  /** `isUnusable`: whether it was told that the link of that name cannot be used, and why. */
  constructor(isUnusable: (link: string) => boolean = () => false) {
    this.#isUnusable = isUnusable;
  }

  get id(): number | null {
    return this.#id;
  }

  /** Whether at least one path works. */
  get isUp(): boolean {
    return !this.#isOver && [...this.#states.values()].includes("up");
  }

  /** Whether the server has ended it, or it fell silent altogether: it does not come back. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether the path of that id works. */
  isPathUp(id: number): boolean {
    return !this.#isOver && this.#states.get(id) === "up";
  }

  /** `id` is the session in use from now on. */
  begin(id: number): void {
    this.#id = id;
    this.#states.clear();
    this.#isOver = false;
    this.#wake();
  }

  note(event: Exclude<EngineEvent, { kind: "fault" | "path MTU" }>): void {
    if (event.session !== this.#id || this.#isOver) return;
    if (event.kind === "path changed") {
      const isTold = event.state === "down" && this.#isUnusable(event.name);
      const level = isTold ? "debug" : levelOf(event.state, this.#states.get(event.path));
      this.#states.set(event.path, event.state);
      log[level](`link ${event.name}: path is ${event.state}`);
    } else {
      this.#isOver = true;
      const what = event.kind === "bye"
        ? "the server ended the session"
        : event.kind === "idle"
        ? "the session fell silent"
        : `the session cannot go on (${event.message})`;
      log.warn(`${what}: asking for a new one`);
    }
    this.#wake();
    if (this.isUp) this.#interruption?.abort();
  }

  /** The links have changed: whatever waits for the server should try again. */
  nudge(): void {
    this.#interruption?.abort();
  }

  /** Aborted at the next nudge, or when a path works. */
  interruption(): AbortSignal {
    this.#interruption = new AbortController();
    return this.#interruption.signal;
  }

  /** Waits until a path works, at most `timeoutMs`. Returns whether one does. */
  async upWithin(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!this.isUp && !signal.aborted) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) break;
      await pause(leftMs, signal, this.#changed.promise);
    }
    return this.isUp;
  }

  /** Waits until the session is lost, `renewalMs` have passed, or `signal` is aborted. */
  async lostOr(renewalMs: number, signal: AbortSignal): Promise<"lost" | "due" | "stopped"> {
    const deadline = performance.now() + renewalMs;
    for (;;) {
      if (signal.aborted) return "stopped";
      if (this.#isOver) return "lost";
      if (!this.isUp && !await this.upWithin(LOST_AFTER_MS, signal)) {
        return signal.aborted ? "stopped" : "lost";
      }
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return "due";
      await pause(leftMs, signal, this.#changed.promise);
    }
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}

/** A doubt that passes is for -v only: a link that loses packets has one every second, for hours. */
function levelOf(state: PathState, before: PathState | undefined): "debug" | "info" | "warn" {
  if (state === "suspect" || (state === "up" && before === "suspect")) return "debug";
  return state === "down" ? "warn" : "info";
}
