/**
 * Whether one path works, told from what was sent and heard on it; it sends nothing and has no
 * clock.
 *
 *     probing   nothing heard yet                      no data
 *     up        heard, or nothing asked since          data
 *     suspect   too long without an answer             no new data
 *     down      longer still, or the link is down      probes only
 *
 * A path becomes suspect only when something sent on it goes unanswered, so an idle path stays up. Any
 * authentic record brings it up again, unless its link is down: what arrives then was sent before.
 * Times are milliseconds of any origin, never backwards.
 */

import { Rtt } from "./rtt.ts";

/** A path is suspect after 3 smoothed round trips, this, and the grace. */
export const SUSPECT_AFTER_MS = 100;
const SUSPECT_AFTER_ROUND_TRIPS = 3;
/** Down this long after it could be suspect. */
export const DOWN_AFTER_SUSPECT_MS = 1000;
/**
 * Taken for the round trip until one is measured: with the above, about the 1 s RFC 6298 starts
 * from.
 */
export const RTT_UNMEASURED_MS = 300;

/**
 * The first round trip of a link includes finding the neighbour and whatever else wakes up. The
 * average takes so many measurements to forget it; until then the least one is the better guess, but
 * one of more than RTT_UNMEASURED_MS is no better than none.
 */
const RTT_SETTLED_COUNT = 8;

export const PATH_STATES = ["probing", "up", "suspect", "down"] as const;

export type PathState = typeof PATH_STATES[number];

type State = Exclude<PathState, "down"> | "silent" | "link down";

interface LivenessOptions {
  /**
   * Added to the time an answer may take, 0 unless told: the peer's heartbeat period on the side
   * whose packets are not answered one by one.
   */
  readonly graceMs?: number;
  /** Round trips of the path, measured elsewhere; none unless told. */
  readonly rtt?: Rtt;
}

export class Liveness {
  readonly #graceMs: number;
  /** Measured by whoever sends: its owner resets it when the path leads elsewhere. */
  readonly rtt: Rtt;
  #state: State = "probing";
  /** When the first of what has been sent since the path was last heard went out. */
  #unansweredSince = Infinity;

  /** Throws RangeError for a grace that is not 0 or more. */
  constructor(options: LivenessOptions = {}) {
    const { graceMs = 0, rtt = new Rtt() } = options;
    if (!(graceMs >= 0 && graceMs < Infinity)) {
      throw new RangeError("Cannot watch a path: use a grace of 0 ms or more");
    }
    this.#graceMs = graceMs;
    this.rtt = rtt;
  }

  /** As of the last call of any kind: poll() first when time has passed. */
  get state(): PathState {
    return this.#state === "silent" || this.#state === "link down" ? "down" : this.#state;
  }

  /** Something that wants an answer went out on the path. Hot. */
  sent(now: number): void {
    if (this.#unansweredSince === Infinity && this.#state !== "link down") {
      this.#unansweredSince = now;
    }
  }

  /** An authenticated packet came in on the path. Hot. */
  heard(_now: number): void {
    if (this.#state === "link down") return;
    this.#unansweredSince = Infinity;
    this.#state = "up";
  }

  /** The interface is gone or has no carrier: down at once. */
  linkDown(_now: number): void {
    this.#state = "link down";
    this.#unansweredSince = Infinity;
  }

  /** The interface is back, and may lead elsewhere. Changes nothing unless the link was down. */
  linkUp(_now: number): void {
    if (this.#state !== "link down") return;
    this.#state = "probing";
  }

  /** Lets time pass. Answers the state. */
  poll(now: number): PathState {
    if (this.#isWaiting()) {
      if (now >= this.#downAt()) this.#state = "silent";
      else if (now >= this.#suspectAt() && this.#state === "up") this.#state = "suspect";
    }
    return this.state;
  }

  /**
   * When poll() may change the state next; Infinity: not before something is sent, heard or the
   * link changes. May be past already.
   */
  nextDeadline(): number {
    if (!this.#isWaiting()) return Infinity;
    return this.#state === "up" ? this.#suspectAt() : this.#downAt();
  }

  #isWaiting(): boolean {
    return this.#unansweredSince !== Infinity && this.#state !== "silent";
  }

  #suspectAt(): number {
    const rtt = this.rtt;
    const roundTripMs = rtt.count < RTT_SETTLED_COUNT
      ? Math.min(rtt.minimumMs ?? RTT_UNMEASURED_MS, RTT_UNMEASURED_MS)
      : rtt.smoothedMs!;
    const patienceMs = SUSPECT_AFTER_ROUND_TRIPS * roundTripMs + SUSPECT_AFTER_MS + this.#graceMs;
    return this.#unansweredSince + patienceMs;
  }

  #downAt(): number {
    return this.#suspectAt() + DOWN_AFTER_SUSPECT_MS;
  }
}
