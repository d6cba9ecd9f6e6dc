/**
 * The health of one uplink in one family, from its probes: in use until several in a row have failed,
 * back with the first answer, out at once when the link is gone. Has no clock: what comes, comes in
 * order. Round trips, jitter and loss are those of the recent probes.
 */
import { Rtt } from "../../lib/protocol/path/rtt.ts";

/** Failures in a row that take an uplink out. */
export const FAILURES_MAX = 3;
/** Probes the loss is taken of. */
const LOSS_WINDOW = 20;
/** A jitter or a round trip of this much halves, or takes a quarter off, the score. */
const JITTER_HALF_MS = 50;
const ROUND_TRIP_QUARTER_MS = 900;

type HealthState =
  | { name: "healthy"; failures: number }
  | { name: "unanswered" }
  | { name: "link down" };

export interface HealthReport {
  state: HealthState["name"];
  /** Smoothed, in milliseconds; null before the first answer. */
  rttMs: number | null;
  jitterMs: number | null;
  /** Of the recent probes, 0 to 1. */
  loss: number;
  /** 0 to 100: how steadily the uplink answers. */
  score: number;
  /** Probes since the uplink came, at most those the loss is taken of. */
  probes: number;
}

export class Health {
  readonly #rtt = new Rtt();
  readonly #answered: boolean[] = [];
  #state: HealthState = { name: "healthy", failures: 0 };

  get isHealthy(): boolean {
    return this.#state.name === "healthy";
  }

  get state(): HealthState["name"] {
    return this.#state.name;
  }

  /** Takes the round trip of a probe, null when none came. Returns whether the state has changed. */
  probed(roundTripMs: number | null): boolean {
    const before = this.#state.name;
    // A probe sent before the link went down may still be answered.
    if (before === "link down") return false;
    this.#answered.push(roundTripMs !== null);
    if (this.#answered.length > LOSS_WINDOW) this.#answered.shift();
    if (roundTripMs !== null) {
      this.#rtt.add(roundTripMs);
      this.#state = { name: "healthy", failures: 0 };
    } else if (this.#state.name === "healthy") {
      const failures = this.#state.failures + 1;
      this.#state = failures < FAILURES_MAX
        ? { name: "healthy", failures }
        : { name: "unanswered" };
    }
    return this.#state.name !== before;
  }

  /** The link, its address or its gateway is gone. Returns whether that is new. */
  linkDown(): boolean {
    const isNew = this.#state.name !== "link down";
    this.#state = { name: "link down" };
    return isNew;
  }

  /** Takes the uplink to work until it is seen not to: for the start, when nothing is known. */
  assumeUp(): void {
    if (this.#state.name === "link down") this.#state = { name: "healthy", failures: 0 };
  }

  /** The link is there again, maybe leading elsewhere: it is used once a probe is answered. */
  linkUp(): void {
    if (this.#state.name !== "link down") return;
    this.#rtt.reset();
    this.#answered.length = 0;
    this.#state = { name: "unanswered" };
  }

  report(): HealthReport {
    const lost = this.#answered.filter((answered) => !answered).length;
    const loss = this.#answered.length === 0 ? 0 : lost / this.#answered.length;
    const { smoothedMs: rttMs, jitterMs } = this.#rtt;
    return {
      state: this.#state.name,
      rttMs,
      jitterMs,
      loss,
      score: stabilityScore({ rttMs, jitterMs, loss }),
      probes: this.#answered.length,
    };
  }
}

/** 100 for an uplink that answers always and at once; loss weighs most, then jitter. */
export function stabilityScore(
  { rttMs, jitterMs, loss }: Pick<HealthReport, "rttMs" | "jitterMs" | "loss">,
): number {
  const steady = JITTER_HALF_MS / (JITTER_HALF_MS + (jitterMs ?? 0));
  const near = ROUND_TRIP_QUARTER_MS / (ROUND_TRIP_QUARTER_MS + (rttMs ?? 0) / 3);
  return Math.round(100 * (1 - loss) ** 2 * steady * near);
}
