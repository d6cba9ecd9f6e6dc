/**
 * What arrives on one path, counted for the feedback to its sender (x1): how much of what was sent,
 * and how evenly. Clocks of two machines are never compared: only how their difference changes
 * matters, so offset cancels out, and drift does within the window of the base delay.
 */
import { US_PER_MS } from "../wire/units.ts";
import type { PathFeedback } from "../wire/path_feedback.ts";
import { areVanishing, isQueueFilled } from "./congestion.ts";
import { WindowedMinimum } from "./windowed_minimum.ts";

/** The least delay of so long is the delay of the empty path. */
const BASE_BUCKET_MS = 10_000;
const BASE_BUCKETS = 6;
/** RFC 3550, 6.4.1. */
const JITTER_GAIN = 1 / 16;
/** Of the 256 that the wire tells apart: a path may be away for many, those further on are past. */
const EPOCHS_AHEAD_MAX = 127;
/** Twice the longest round trip believed: a larger jump is a clock that was set, or stood still. */
const DEVIATION_MAX_US = 20_000_000;

export class ReceiveStatistics {
  #received = 0;
  #expected = 0;
  #bytes = 0;
  /** Of the newest key epoch: -1 before the first record. */
  #epoch = -1;
  #highest = 0;
  #jitterUs = 0;
  #sendTime = 0;
  #arrivedAt = -Infinity;
  /** Delays are kept relative to the first one, so that they stay far from where 2^32 wraps. */
  #origin = 0;
  #relativeUs = 0;
  #leastUs = Infinity;
  /** As of the last feedback. */
  #told = { received: 0, expected: 0 };
  #isQueued = false;
  #isVanishing = false;
  readonly #base = new WindowedMinimum(BASE_BUCKET_MS, BASE_BUCKETS);

  /** Mean deviation of the one-way delay in ms; null before the second sending. */
  get delayVariationMs(): number | null {
    return this.#received < 2 ? null : this.#jitterUs / US_PER_MS;
  }

  /** All that has come so far, and what was sent until then; bytes as records. Modulo 2^32. */
  get arrivedSoFar(): { records: number; expected: number; bytes: number; isQueued: boolean } {
    return {
      records: this.#received >>> 0,
      expected: this.#expected >>> 0,
      bytes: this.#bytes >>> 0,
      isQueued: this.#isQueued,
    };
  }

  /** Whether much of what was sent before the last feedback is gone, though no queue was filled. */
  get isVanishing(): boolean {
    return this.#isVanishing;
  }

  /**
   * Hot. An authentic record has come.
   * @param epoch low 8 bits of the key's, as on the wire.
   * @param sendTime the sender's clock, microseconds modulo 2^32.
   */
  arrived(epoch: number, counter: number, bytes: number, sendTime: number, now: number): void {
    this.#received++;
    this.#bytes += bytes;
    if (epoch === this.#epoch) {
      if (counter > this.#highest) {
        this.#expected += counter - this.#highest;
        this.#highest = counter;
      }
    } else if (this.#epoch === -1) {
      this.#expected++;
      this.#epoch = epoch;
      this.#highest = counter;
    } else if (((epoch - this.#epoch) & 0xff) <= EPOCHS_AHEAD_MAX) {
      this.#expected += counter;
      this.#epoch = epoch;
      this.#highest = counter;
    }
    // Records of one turn of the sender bear one time: what they queued behind each other is not
    // the path's doing, so the first of them speaks for all.
    if (sendTime !== this.#sendTime || this.#arrivedAt === -Infinity) this.#measure(sendTime, now);
  }

  #measure(sendTime: number, now: number): void {
    const delay = Math.round(now * US_PER_MS) - sendTime;
    if (this.#arrivedAt === -Infinity) this.#origin = delay;
    const relativeUs = (delay - this.#origin) | 0;
    const deviationUs = Math.abs(relativeUs - this.#relativeUs);
    if (deviationUs >= DEVIATION_MAX_US) {
      this.forgetDelay();
    } else if (this.#arrivedAt !== -Infinity) {
      this.#jitterUs += JITTER_GAIN * (deviationUs - this.#jitterUs);
    }
    this.#relativeUs = relativeUs;
    this.#sendTime = sendTime;
    this.#arrivedAt = now;
    if (relativeUs < this.#leastUs) this.#leastUs = relativeUs;
  }

  /** The path leads elsewhere, or a clock was set: what the delay was says nothing any more. */
  forgetDelay(): void {
    this.#base.reset();
    this.#leastUs = Infinity;
  }

  /** The feedback for the sender, or null when nothing has arrived yet. */
  feedback(now: number): PathFeedback | null {
    if (this.#arrivedAt === -Infinity) return null;
    const leastUs = Math.min(this.#leastUs, this.#relativeUs);
    this.#leastUs = Infinity;
    this.#base.add(leastUs, now);
    const queueDelay = leastUs - this.#base.least(now);
    this.#noteLoss(queueDelay);
    return {
      received: this.#received >>> 0,
      expected: this.#expected >>> 0,
      bytes: this.#bytes >>> 0,
      echo: this.#sendTime,
      hold: Math.round((now - this.#arrivedAt) * US_PER_MS) >>> 0,
      clock: Math.round(now * US_PER_MS) >>> 0,
      queueDelay,
      jitter: Math.round(this.#jitterUs),
    };
  }

  #noteLoss(queueDelayUs: number): void {
    const wasQueued = this.#isQueued;
    this.#isQueued = isQueueFilled(queueDelayUs / US_PER_MS, this.#jitterUs / US_PER_MS);
    const sent = this.#expected - this.#told.expected;
    const lost = sent - (this.#received - this.#told.received);
    this.#isVanishing = !wasQueued && !this.#isQueued && areVanishing(sent, lost);
    this.#told = { received: this.#received, expected: this.#expected };
  }
}
