/**
 * Whether flows avoid a working path for its quality. A path is left soon and trusted again slowly, so
 * that flows do not flap. Pure.
 */

/** `mtu`: it does not carry the packets every IPv6 host may send (RFC 8200, 5). */
export type Fault = "mtu" | "rtt" | "jitter" | "loss";
/** `recovering`: has been good, or up, for too short a time to be trusted. */
export type Reason = Fault | "recovering";

/** What a path is judged by. Null is unknown, and never counts against it. */
export interface PathMeasure {
  readonly rttMs: number | null;
  readonly jitterMs: number | null;
  readonly loss: number | null;
  readonly lostCount: number;
  /** Whether it does not carry what is needed of every path. */
  readonly isNarrow: boolean;
}

/** Beyond these a path is bad. */
export interface Limits {
  readonly jitterMs: number;
  /** A path is bad whose round trip is longer than the best's by this factor and this much. */
  readonly rttFactor: number;
  readonly rttSlackMs: number;
  readonly loss: number;
}

const RTT_FACTOR = 1.5;
const LOSS = 0.02;
/** Fewer packets lost than this are chance, whatever share they are. */
const LOST_MIN = 3;
const JITTER_SHARE = 0.3;
const JITTER_MIN_MS = 10;
const JITTER_MAX_MS = 25;
const SLACK_MIN_MS = 10;

/** A shorter fault does not count: the start of a large transfer may cause one. */
export const CONFIRM_MS = 1000;
/** A path that was down carries flows again after this. */
export const RETURN_MS = 1000;
/** Good for so long, and a path is trusted again. */
export const PROBATION_MS = 2000;
/** Probation doubles, up to this, for a path that soon turns bad again. */
export const PROBATION_MAX_MS = 32_000;
const RELAPSE_MS = 60_000;

/**
 * The limits that go with a reorder buffer that waits for `flushTimeoutMs`. Disorder up to that is
 * mended, so a round trip may be that much longer than the best's.
 */
export function limitsFor(flushTimeoutMs: number): Limits {
  const jitterMs = JITTER_SHARE * flushTimeoutMs;
  return {
    jitterMs: Math.min(JITTER_MAX_MS, Math.max(JITTER_MIN_MS, jitterMs)),
    rttFactor: RTT_FACTOR,
    rttSlackMs: Math.max(SLACK_MIN_MS, flushTimeoutMs),
    loss: LOSS,
  };
}

/** What is wrong with a path beside one whose round trip is `bestRttMs`, or null. */
export function faultOf(path: PathMeasure, bestRttMs: number | null, limits: Limits): Fault | null {
  if (path.isNarrow) return "mtu";
  if (path.loss !== null && path.loss > limits.loss && path.lostCount >= LOST_MIN) return "loss";
  if (path.jitterMs !== null && path.jitterMs > limits.jitterMs) return "jitter";
  if (path.rttMs === null || bestRttMs === null) return null;
  const isFar = path.rttMs > limits.rttFactor * bestRttMs &&
    path.rttMs > bestRttMs + limits.rttSlackMs;
  return isFar ? "rtt" : null;
}

export class Eligibility {
  #reason: Reason | null = null;
  #faultyAt = Infinity;
  #goodAgainAt = Infinity;
  #probationMs = PROBATION_MS;
  #leftAt = -Infinity;
  #wasFar = false;

  /** Why the path is avoided, or null: it is good. */
  get reason(): Reason | null {
    return this.#reason;
  }

  /**
   * Whether the path is avoided for its round trip only, or was until a moment ago: it serves flows
   * that would have to share a full path else.
   */
  get isFar(): boolean {
    return this.#reason === "rtt" || this.#reason === "recovering" && this.#wasFar;
  }

  /** When {@link judge} may change its mind though nothing else does; Infinity: not before. */
  get nextDeadline(): number {
    return Math.min(this.#goodAgainAt, this.#faultyAt);
  }

  /**
   * Takes the verdict of `now`.
   * @param isCertain whether a fault counts at once; others have to last.
   */
  judge(fault: Fault | null, now: number, isCertain = false): void {
    if (fault === null) this.#faultyAt = Infinity;
    if (fault !== null && !this.#isFaulty) return this.#suspect(fault, now, isCertain);
    if (fault !== null) {
      this.#setFault(fault);
      this.#goodAgainAt = Infinity;
    } else if (this.#reason !== null) {
      if (this.#goodAgainAt === Infinity) this.#goodAgainAt = now + this.#probationMs;
      this.#reason = now >= this.#goodAgainAt ? null : "recovering";
      if (this.#reason === null) this.#goodAgainAt = Infinity;
    }
  }

  get #isFaulty(): boolean {
    return this.#reason !== null && this.#reason !== "recovering";
  }

  #suspect(fault: Fault, now: number, isCertain: boolean): void {
    if (this.#faultyAt === Infinity) this.#faultyAt = now + CONFIRM_MS;
    this.#goodAgainAt = Infinity;
    if (!isCertain && now < this.#faultyAt) return;
    this.#faultyAt = Infinity;
    // A long round trip is no relapse: it does not extend later probation.
    if (fault === "rtt") this.#probationMs = PROBATION_MS;
    else this.#leave(now);
    this.#setFault(fault);
  }

  #setFault(fault: Fault): void {
    this.#reason = fault;
    this.#wasFar = fault === "rtt";
  }

  /** The path works again after it was down. That it was is no matter of its quality. */
  recovered(now: number): void {
    if (this.#isFaulty) return;
    const isOnProbation = this.#reason === "recovering" && this.#goodAgainAt < Infinity;
    this.#reason = "recovering";
    this.#wasFar = false;
    const goodAgainAt = now + RETURN_MS;
    this.#goodAgainAt = isOnProbation ? Math.max(this.#goodAgainAt, goodAgainAt) : goodAgainAt;
  }

  #leave(now: number): void {
    const isRelapse = now - this.#leftAt < RELAPSE_MS;
    this.#probationMs = isRelapse
      ? Math.min(PROBATION_MAX_MS, 2 * this.#probationMs)
      : PROBATION_MS;
    this.#leftAt = now;
  }
}
