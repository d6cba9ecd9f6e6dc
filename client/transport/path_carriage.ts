/** What a path has carried from one look at its counters to the next. */
import type { Arrived, PathReport } from "../../lib/net/engine.ts";
import type { Arriving, Carried } from "./throttled_udp.ts";

type Counters = Pick<PathReport, "state" | "arrived" | "arrivedThere">;

const NOTHING: Arriving = { rate: 0, loss: 0, isQueued: false };

export class PathCarriage {
  #before: Counters | null = null;
  #atMs = -Infinity;

  /** Null: the path does not work, or was not there at the last look. */
  look(path: Counters | null, nowMs: number): Carried | null {
    const before = this.#before;
    const elapsedMs = nowMs - this.#atMs;
    const isUp = path?.state === "up" || path?.state === "suspect";
    this.#before = isUp ? path : null;
    this.#atMs = nowMs;
    if (!isUp || before === null || elapsedMs <= 0) return null;
    const down = between(before.arrived, path.arrived, elapsedMs);
    const up = between(before.arrivedThere, path.arrivedThere, elapsedMs);
    return up === null || down === null ? null : { up, down };
  }
}

/** Null: it was counted anew meanwhile. */
function between(one: Arrived | null, other: Arrived | null, elapsedMs: number): Arriving | null {
  if (one === null || other === null) return NOTHING;
  const sent = (other.expected - one.expected) | 0;
  const came = (other.records - one.records) | 0;
  const bytes = (other.bytes - one.bytes) | 0;
  if (sent < 0 || came < 0 || bytes < 0) return null;
  const loss = sent === 0 ? 0 : Math.max(0, sent - came) / sent;
  return { rate: 1000 * bytes / elapsedMs, loss, isQueued: other.isQueued };
}
