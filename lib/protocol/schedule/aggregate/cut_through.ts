/**
 * Whether packets leave as they come, on one path, as with `flow`: neither kept, nor paced, nor
 * numbered. Where links carry more than this machine moves, that is what limits all flows, and to
 * keep each packet costs as much as to seal it. Whether a path carries so much is found out by a
 * trial: it ends at the first long queue or lasting loss, and the next one is later each time.
 */
import type { PathLane } from "./path_lane.ts";

const WINDOW_MS = 50;
/** From so many bytes a ms on, one way or the other, packets are let through: 320 Mbit/s; */
const ENTER_RATE = 40_000;
/** below so many, for a second, they are kept again. */
const LEAVE_RATE = 10_000;
const SLOW_MS = 1000;
/** A path with less queue may be tried, and with more a trial ends: a busy machine makes a few ms. */
const ENTER_QUEUE_MS = 5;
const LEAVE_QUEUE_MS = 20;
/** A trial ends, too, when such a share gets lost for so long: senders that start make a moment of it. */
const LEAVE_LOSS = 0.02;
const LOSSY_MS = 200;
/** Until the next trial; longer each time, unless the last one lasted. */
const RETRY_MS = 1000;
const RETRY_MS_MAX = 600_000;
const RETRY_GROWTH = 4;
const LASTED_MS = 10_000;

export class CutThrough {
  readonly #lanes: readonly PathLane[];
  readonly #receivedBytes: () => number;
  #received = 0;
  #lane: PathLane | null = null;
  #bytes = 0;
  #since = -Infinity;
  /** When packets last came fast enough. */
  #fastAt = -Infinity;
  #enteredAt = -Infinity;
  /** Since when much gets lost; Infinity: it does not. */
  #lossySince = Infinity;
  #retryAt = -Infinity;
  #retryMs = RETRY_MS;

  /** @param receivedBytes tells how much has come so far, on all paths. */
  constructor(lanes: readonly PathLane[], receivedBytes: () => number = () => 0) {
    this.#lanes = lanes;
    this.#receivedBytes = receivedBytes;
  }

  /**
   * Hot. `bytes` are about to be offered. Returns the path on which all packets may leave at once, or
   * null: they wait their turn.
   */
  laneFor(bytes: number, now: number): PathLane | null {
    this.#bytes += bytes;
    const elapsed = now - this.#since;
    if (elapsed >= WINDOW_MS) {
      const received = this.#receivedBytes();
      const most = Math.max(this.#bytes, received - this.#received);
      // What came in one read after a rest is no rate.
      this.#judge(elapsed < 2 * WINDOW_MS ? most / elapsed : 0, now);
      this.#bytes = 0;
      this.#received = received;
      this.#since = now;
    }
    const lane = this.#lane;
    if (lane === null || lane.isOpen) return lane;
    this.#leave();
    return null;
  }

  #judge(rate: number, now: number): void {
    if (rate >= LEAVE_RATE) this.#fastAt = now;
    if (this.#lane !== null) {
      if (now - this.#fastAt > SLOW_MS) this.#leave();
    } else if (rate >= ENTER_RATE && now >= this.#retryAt) {
      const lane = this.#nearest();
      if (lane !== null) this.#enter(lane, now);
    }
  }

  /** The path of the least delay that may be tried. */
  #nearest(): PathLane | null {
    let nearest: PathLane | null = null;
    for (const lane of this.#lanes) {
      const { capacity, delayMs, isOpen } = lane;
      if (!isOpen || capacity.isLimited || capacity.queueMs > ENTER_QUEUE_MS) continue;
      if (nearest === null || delayMs < nearest.delayMs) nearest = lane;
    }
    return nearest;
  }

  #enter(lane: PathLane, now: number): void {
    this.#lane = lane;
    this.#enteredAt = now;
    this.#lossySince = Infinity;
    // What waits leaves first.
    for (const each of this.#lanes) each.pace(false);
  }

  #leave(): void {
    this.#lane = null;
    for (const each of this.#lanes) each.pace(true);
  }

  /** News of `lane` has come. */
  heard(lane: PathLane, now: number): void {
    if (lane !== this.#lane) return;
    this.#lossySince = lane.loss <= LEAVE_LOSS ? Infinity : Math.min(this.#lossySince, now);
    const isLossy = now - this.#lossySince >= LOSSY_MS;
    if (lane.capacity.queueMs <= LEAVE_QUEUE_MS && !isLossy) return;
    const hasLasted = now - this.#enteredAt >= LASTED_MS;
    this.#retryMs = hasLasted ? RETRY_MS : Math.min(RETRY_MS_MAX, RETRY_GROWTH * this.#retryMs);
    this.#retryAt = now + this.#retryMs;
    this.#leave();
  }
}
