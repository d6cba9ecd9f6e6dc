/**
 * What is known of the session in use, and of the one that is to replace it: which paths answer, and
 * whether it is lost.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { EngineEvent } from "../../lib/net/engine.ts";
import type { PathState } from "../../lib/protocol/path/liveness.ts";
import { isInsideTls } from "../../lib/status/bond_status.ts";
import { pause } from "./pause.ts";

/** The server is silent on every path for so long: the session is taken for lost. */
const LOST_AFTER_MS = 1000;

const log = getLogger([LOG_CATEGORY, "client"]);

type SessionEvent = Exclude<
  EngineEvent,
  { kind: "fault" | "path MTU" | "asked to leave" | "volume" | "thread ended" }
>;

/** One session, as the events of the engine tell of it. */
class PathStates {
  readonly states = new Map<number, PathState>();
  isOver = false;

  constructor(readonly id: number) {}

  /** Whether at least one path works. */
  get isUp(): boolean {
    return !this.isOver && [...this.states.values()].includes("up");
  }
}

export class LiveSession {
  readonly #isExpectedDown: (path: string) => boolean;
  #current: PathStates | null = null;
  /** One that has been opened, and of which no path has answered yet. */
  #candidate: PathStates | null = null;
  #isRenewalWanted = false;
  #changed = Promise.withResolvers<void>();
  #interruption: AbortController | null = null;

  /** `isExpectedDown`: whether the path of that name ends for a reason that was told, or that is good. */
  constructor(isExpectedDown: (path: string) => boolean = () => false) {
    this.#isExpectedDown = isExpectedDown;
  }

  get id(): number | null {
    return this.#current?.id ?? null;
  }

  /** The session that paths are made for: the one to come, if there is one. */
  get latestId(): number | null {
    return this.#candidate?.id ?? this.id;
  }

  /** Whether at least one path works. */
  get isUp(): boolean {
    return this.#current?.isUp ?? false;
  }

  /** Whether the server has ended it, or it fell silent altogether: it does not come back. */
  get isOver(): boolean {
    return this.#current?.isOver ?? false;
  }

  /**
   * Whether there is a session, in use or to come, that the server has not ended as far as is known:
   * where it has, no path is answered, and that says nothing of the paths.
   */
  get isHeld(): boolean {
    const session = this.#candidate ?? this.#current;
    return session !== null && !session.isOver;
  }

  /** Whether the path of that id works, in the session that paths are made for. */
  isPathUp(id: number): boolean {
    const session = this.#candidate ?? this.#current;
    return session !== null && !session.isOver && session.states.get(id) === "up";
  }

  /** The session of that id has been closed for good: the one in use, or the one that is tried out. */
  end(id: number): void {
    if (this.#current?.id === id) this.#current = null;
    if (this.#candidate?.id === id) this.#candidate = null;
  }

  /** `id` is about to be opened, and in use as soon as it is proven. */
  expect(id: number): void {
    this.#candidate = new PathStates(id);
  }

  /**
   * Waits until a path of the expected session works, which then is the one in use. After
   * `timeoutMs`, or when it is over before, nothing has changed. Returns whether it is in use.
   */
  async provenWithin(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const candidate = this.#candidate;
    if (candidate === null) throw new RangeError("Cannot wait for a session that is not expected");
    const deadline = performance.now() + timeoutMs;
    while (!candidate.isUp && !candidate.isOver && !signal.aborted) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) break;
      await pause(leftMs, signal, this.#changed.promise);
    }
    this.#candidate = null;
    if (!candidate.isUp) return false;
    this.#current = candidate;
    this.#wake();
    return true;
  }

  /** The session is to be renewed now, though it is not due. */
  renewNow(): void {
    this.#isRenewalWanted = true;
    this.#wake();
  }

  note(event: SessionEvent): void {
    const session = [this.#current, this.#candidate].find((one) => one?.id === event.session);
    if (session === undefined || session === null || session.isOver) return;
    if (event.kind === "path changed") {
      const before = session.states.get(event.path);
      const wasNeverUp = before === undefined || before === "down";
      // One inside TLS stands in for a path by UDP, and that this one is down has been told.
      const isTold = event.state === "down" &&
        (this.#isExpectedDown(event.name) || (isInsideTls(event) && wasNeverUp));
      // What goes on as before, in the session to come, is no news.
      const isSame = session !== this.#current &&
        this.#current?.states.get(event.path) === event.state;
      const level = isTold || isSame ? "debug" : levelOf(event.state, before);
      session.states.set(event.path, event.state);
      log[level](`link ${event.name}: path is ${event.state}`);
    } else {
      session.isOver = true;
      if (session === this.#current) log.warn(`${endOf(event)}: asking for a new one`);
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

  /** Waits until the session is lost, `renewalMs` have passed, or `signal` is aborted. */
  async lostOr(renewalMs: number, signal: AbortSignal): Promise<"lost" | "due" | "stopped"> {
    const deadline = performance.now() + renewalMs;
    for (;;) {
      if (signal.aborted) return "stopped";
      if (this.isOver) return "lost";
      if (!this.isUp && !await this.#upWithin(LOST_AFTER_MS, signal)) {
        return signal.aborted ? "stopped" : "lost";
      }
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || this.#isRenewalWanted) {
        this.#isRenewalWanted = false;
        return "due";
      }
      await pause(leftMs, signal, this.#changed.promise);
    }
  }

  async #upWithin(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!this.isUp && !this.isOver && !signal.aborted) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) break;
      await pause(leftMs, signal, this.#changed.promise);
    }
    return this.isUp;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}

function endOf(event: Exclude<SessionEvent, { kind: "path changed" }>): string {
  switch (event.kind) {
    case "bye":
      return "the server ended the session";
    case "idle":
      return "the session fell silent";
    case "session failed":
      return `the session cannot go on (${event.message})`;
    default:
      return event satisfies never;
  }
}

/** A doubt that passes is for -v only: a link that loses packets has one every second, for hours. */
function levelOf(state: PathState, before: PathState | undefined): "debug" | "info" | "warn" {
  if (state === "suspect" || (state === "up" && before === "suspect")) return "debug";
  return state === "down" ? "warn" : "info";
}
