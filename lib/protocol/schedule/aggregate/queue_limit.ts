/**
 * When a packet that waits is to be dropped, so that its sender slows down. A burst may wait for a
 * while: what counts is the least that waited over {@link INTERVAL_MS}, as in CoDel (RFC 8289). The
 * longer too much waits, the more often one is dropped. A burst that is too large altogether is cut
 * at once. Where a round trip is longer than that, senders are given as long to answer.
 */
import { WindowedMinimum } from "../../path/windowed_minimum.ts";

const INTERVAL_MS = 100;
const BUCKETS = 5;

export class QueueLimit {
  readonly #least = new WindowedMinimum(INTERVAL_MS / BUCKETS, BUCKETS);
  #startedAt = -Infinity;
  #dropAt = -Infinity;
  #drops = 0;

  /** Hot. So much waits now. */
  note(bytes: number, now: number): void {
    if (this.#startedAt === -Infinity || bytes === 0) this.#startedAt = now;
    this.#least.add(bytes, now);
  }

  /**
   * Hot. Whether one packet is to be dropped now.
   * @param standingMax what may always wait.
   * @param burstMax what may wait for a moment.
   * @param answerMs until a sender that was told to slow down has done so.
   */
  mustDrop(
    bytes: number,
    standingMax: number,
    burstMax: number,
    answerMs: number,
    now: number,
  ): boolean {
    if (bytes > burstMax) return true;
    if (bytes <= standingMax || now - this.#startedAt < INTERVAL_MS) return false;
    if (this.#least.least(now) <= standingMax) {
      this.#drops = 0;
      return false;
    }
    if (now < this.#dropAt) return false;
    this.#drops++;
    this.#dropAt = now + Math.max(INTERVAL_MS, answerMs) / Math.sqrt(this.#drops);
    return true;
  }
}
