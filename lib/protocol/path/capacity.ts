/**
 * What a path carries, in bytes a millisecond, found out by what arrives and how late. While
 * records queue in the network, what arrives is exactly what the path carries; while none do, the
 * path may carry more, so the rate is raised a little at a time. A queue is let run empty within one
 * interval by sending less for so long.
 *
 * Delay alone is no proof of a queue: it varies on a radio link, and more packets meet more of it.
 * So the estimate is lowered only when the delay also grew while the records of one interval came
 * in; and when a queue does not go away though less is sent, it is none: the delay of the empty path
 * is measured anew. Under lasting load that delay would rise with the queue, so every few seconds
 * the queue is let run empty for a moment ("drain"). Loss alone lowers nothing below what a policer
 * takes: it comes of radio links as well.
 */
import { WindowedMinimum } from "./windowed_minimum.ts";

const RATE_MIN = 125;
const RATE_MAX = 12_500_000;
/** What a path is believed to carry that nothing is known of: 20 Mbit/s. */
const RATE_INITIAL = 2500;

const INTERVAL_MS_MIN = 60;
const INTERVAL_MS_MAX = 400;
const INTERVAL_JITTERS = 8;
const BASE_BUCKET_MS = 4000;
const BASE_BUCKETS = 4;
const DRAIN_EVERY_MS = 3500;
const DRAIN_GAIN = 0.85;
/** Less queue than that is none; more by the jitter of the path. */
const QUEUE_MS = 1.5;
const QUEUE_JITTERS = 1.5;
/** Delay grows when it grew by more while the records of one interval came in. */
const GROWTH_MS = 0.4;
const GROWTH_JITTERS = 0.5;
/** An idle path shows less delay than a busy one, by the jitter. */
const IDLE_JITTERS = 2;
const STARTUP_PACE = 2;
/** Below, a path that shows a queue was not filled by us, unless the queue is long. */
const USED = 0.65;
const STARTUP_USED = 0.9;
const STANDING_MS = 15;
/** No jitter looks like that: the queue is as long as it can get, and need not grow. */
const FLOODED_MS = 40;
const FLOODED_JITTERS = 4;
/** A queue beside much loss: it overflows. */
const OVERFLOW_MS = 10;
/** One may be chance. */
const GROWING_INTERVALS = 2;
const LOWER_MIN = 0.5;
const STARTUP_FULL = 0.9;
/** Startup ends, too, when in so many intervals no more arrived: the sender has no more. */
const STARTUP_INTERVALS = 12;
const STARTUP_GROWTH = 1.1;
const STEP_MIN = 0.015;
const STEP_MAX = 0.25;
const STEP_GROWTH = 1.6;
/** Of the estimate, from which on the path counts as used in full. */
const FULL = 0.97;
const FULL_JITTER = 0.3;
const FULL_MIN = 0.8;
/** Random loss is below, a policer above. */
const POLICED_LOSS = 0.08;
const GAIN_MIN = 0.5;
/** Fewer say nothing of a queue. */
const RECORDS_MIN = 8;
/** A queue that has not shrunk by so much of what was not sent is none. */
const DRAINED_SHARE = 0.3;
const DRAINED_MS_MIN = 12;

/** What the records of one interval showed. */
interface PathSample {
  readonly records: number;
  /** Payload and overhead of those that arrived. */
  readonly bytes: number;
  /** Between the first and the last, as they were sent, and as they arrived. */
  readonly sentMs: number;
  readonly arrivedMs: number;
  /** Share of the records that did not arrive. */
  readonly loss: number;
  /** Least delay, in ms of clocks that are not compared. */
  readonly delayMs: number;
  readonly jitterMs: number;
}

export class Capacity {
  #estimate: number;
  #ceiling: number;
  #isStarting = true;
  #startedFrom = 0;
  #startupIntervals = 0;
  #step = STEP_MIN;
  #queueMs = 0;
  #gain = 1;
  #growing = 0;
  /** How much the queue should have shrunk since it was noticed, and what it was then. */
  #drainedMs = 0;
  #queueBeforeMs = 0;
  #drainAt = Infinity;
  #drainUntil = -Infinity;
  readonly #base = new WindowedMinimum(BASE_BUCKET_MS, BASE_BUCKETS);

  /**
   * @param initial bytes a millisecond; null when nothing is known.
   * @param ceiling of the operator; it always wins.
   */
  constructor(initial: number | null = null, ceiling = Infinity) {
    this.#ceiling = ceiling;
    this.#estimate = Math.min(initial ?? RATE_INITIAL, this.#ceiling);
  }

  /** The operator has prescribed another ceiling; while nothing is known, the path is taken to carry it. */
  limit(ceiling: number): void {
    if (ceiling === this.#ceiling) return;
    this.#ceiling = ceiling;
    if (this.#isStarting && ceiling < Infinity) this.#estimate = ceiling;
    this.#clamp();
  }

  /** What the path is believed to carry, in bytes a millisecond. */
  get estimate(): number {
    return this.#estimate;
  }

  /** Whether records never queued yet, so that the path may carry far more. */
  get isStarting(): boolean {
    return this.#isStarting;
  }

  /** Whether it was told what the path carries at most. */
  get isLimited(): boolean {
    return this.#ceiling < Infinity;
  }

  /** At which rate to send now, in bytes a millisecond. */
  rate(now: number): number {
    // Records leave faster than the estimate, so that there is something to follow.
    if (this.#isStarting) return Math.min(STARTUP_PACE * this.#estimate, this.#ceiling);
    const drain = now < this.#drainUntil ? DRAIN_GAIN : 1;
    return Math.max(this.#least, this.#estimate * Math.min(this.#gain, drain));
  }

  /** What the path carried before: believed as long as nothing was measured. */
  startFrom(rate: number): void {
    if (!this.#isStarting || this.#startupIntervals > 0) return;
    this.#estimate = rate;
    this.#clamp();
  }

  /**
   * Nothing was sent on the path for long, since so little would be of no use: it may carry that much by
   * now.
   */
  trust(rate: number): void {
    this.#estimate = Math.max(this.#estimate, rate);
    this.#clamp();
  }

  /** What records last waited in the network at the least, in ms. */
  get queueMs(): number {
    return this.#queueMs;
  }

  /** How long samples should be. */
  static intervalMs(roundTripMs: number, jitterMs: number): number {
    const longest = Math.max(INTERVAL_MS_MIN, roundTripMs, INTERVAL_JITTERS * jitterMs);
    return Math.min(INTERVAL_MS_MAX, longest);
  }

  /** @param intervalMs how long the next sample will be. */
  update(sample: PathSample, intervalMs: number, now: number): void {
    if (sample.records < RECORDS_MIN || sample.arrivedMs <= 0 || sample.sentMs <= 0) {
      this.#base.add(sample.delayMs + IDLE_JITTERS * sample.jitterMs, now);
      this.#queueMs = 0;
      this.#gain = 1;
      return;
    }
    this.#base.add(sample.delayMs, now);
    const queueBefore = this.#queueMs;
    this.#queueMs = sample.delayMs - this.#base.least(now);
    const isPoliced = sample.loss > POLICED_LOSS;
    // Random loss takes nothing from what the path carries; a queue that overflows does.
    const arrived = sample.bytes / (isPoliced ? 1 : 1 - sample.loss) / sample.arrivedMs;
    const sent = sample.bytes / (1 - Math.min(0.99, sample.loss)) / sample.sentMs;
    const threshold = QUEUE_MS + QUEUE_JITTERS * sample.jitterMs;
    const grewMs = sample.arrivedMs - sample.sentMs;
    const growth = GROWTH_MS + GROWTH_JITTERS * sample.jitterMs;
    const isGrowing = grewMs > growth && this.#queueMs - queueBefore > growth / 2;
    const full = this.#isStarting
      ? STARTUP_FULL
      : Math.max(FULL_MIN, FULL - FULL_JITTER * sample.jitterMs) * Math.min(1, this.#gain);
    const isFull = sent >= full * this.#estimate;
    const used = this.#isStarting ? STARTUP_USED : USED;
    const isUsed = sent >= used * this.#estimate * Math.min(1, this.#gain);
    const isLong = this.#queueMs > threshold + STANDING_MS + 2 * sample.jitterMs;
    this.#growing = isGrowing && isUsed ? this.#growing + 1 : 0;
    const isFlooded = this.#queueMs > FLOODED_MS + FLOODED_JITTERS * sample.jitterMs;
    const isOverflowing = isPoliced && this.#queueMs > OVERFLOW_MS;
    const mayLower = isFlooded || isOverflowing || (isPoliced && isUsed) ||
      (isLong && isGrowing && (isUsed || !this.#isStarting)) ||
      this.#growing >= GROWING_INTERVALS;
    if (this.#queueMs > threshold || isOverflowing) {
      const least = isFlooded && this.#isStarting ? 0 : LOWER_MIN * this.#estimate;
      this.#drainQueue(mayLower, arrived, least, intervalMs, now, sample);
    } else if (isPoliced && isFull) this.#lower(arrived, LOWER_MIN * this.#estimate);
    else this.#noQueue(isFull && now >= this.#drainUntil, arrived);
    this.#clamp();
    this.#planDrain(isFull, intervalMs, now);
  }

  #drainQueue(
    isGrowing: boolean,
    arrived: number,
    least: number,
    intervalMs: number,
    now: number,
    sample: PathSample,
  ): void {
    if (isGrowing) this.#lower(arrived, least);
    if (this.#drainedMs === 0) this.#queueBeforeMs = this.#queueMs;
    if (this.#drainedMs >= DRAINED_MS_MIN && !isGrowing) {
      const shrunk = this.#queueBeforeMs - this.#queueMs;
      if (shrunk < DRAINED_SHARE * this.#drainedMs) {
        this.#base.reset();
        this.#base.add(sample.delayMs, now);
        this.#queueMs = 0;
        return this.#noQueue(false, arrived);
      }
    }
    if (isGrowing) this.#drainedMs = 0;
    this.#gain = Math.max(GAIN_MIN, 1 - (this.#queueMs - QUEUE_MS / 2) / intervalMs);
    this.#drainedMs += (1 - this.#gain) * intervalMs;
  }

  /**
   * Not by more than a half at once, since what arrived may be less than what was wanted to; but a path
   * that is flooded while it starts carries exactly that.
   */
  #lower(arrived: number, least: number): void {
    this.#isStarting = false;
    this.#step = STEP_MIN;
    this.#estimate = Math.min(this.#estimate, Math.max(arrived, least));
  }

  #noQueue(mayRaise: boolean, arrived: number): void {
    this.#gain = 1;
    this.#drainedMs = 0;
    if (!mayRaise) return;
    if (this.#isStarting) {
      if (arrived > STARTUP_GROWTH * this.#startedFrom) {
        this.#startedFrom = arrived;
        this.#startupIntervals = 0;
      }
      if (++this.#startupIntervals >= STARTUP_INTERVALS) this.#isStarting = false;
      this.#estimate = Math.max(this.#estimate, arrived);
    } else {
      this.#estimate = Math.max(
        this.#estimate,
        Math.min(this.#estimate * (1 + this.#step), arrived * 1.3),
      );
      this.#step = Math.min(STEP_MAX, this.#step * STEP_GROWTH);
    }
  }

  #clamp(): void {
    const bounded = Math.max(this.#least, Math.min(this.#estimate, this.#ceiling, RATE_MAX));
    this.#estimate = Number.isFinite(bounded) ? bounded : this.#least;
  }

  get #least(): number {
    return Math.min(RATE_MIN, this.#ceiling);
  }

  #planDrain(isFull: boolean, interval: number, now: number): void {
    if (now < this.#drainUntil) return;
    if (!isFull || this.#drainAt === Infinity) this.#drainAt = now + DRAIN_EVERY_MS;
    else if (now >= this.#drainAt) {
      this.#drainUntil = now + interval;
      this.#drainAt = now + DRAIN_EVERY_MS;
    }
  }
}
