/**
 * The quality of one path, as its sender sees it: round trips and lost heartbeats measured here, and
 * between x1 peers the feedback of the receiver (`PathFeedback`). Pure.
 *
 * A path that is full looks bad: its queue adds delay and drops packets. Avoiding it for that would
 * move its flows to another path, which would then be full, and so on for ever. So what happens
 * while the queue of a path that carries our own load is filled does not count against it.
 */
import { US_PER_MS } from "../wire/units.ts";
import type { PathFeedback } from "../wire/path_feedback.ts";
import { ArrivalRate } from "./arrival_rate.ts";
import { areVanishing, isQueueFilled } from "./congestion.ts";
import { LossWindow } from "./loss_window.ts";
import type { ReceiveStatistics } from "./receive_statistics.ts";
import { Rtt } from "./rtt.ts";
import { WindowedMinimum } from "./windowed_minimum.ts";

const BASE_BUCKET_MS = 5000;
const BASE_BUCKETS = 12;
/** Bytes a second, both ways: above, delay on the path may be of our own making. */
const LOADED_RATE = 50_000;
/** Bytes a second: no path that is slower is worth knowing the rate of. */
const FULL_RATE = 125_000;
const LOAD_INTERVAL_MS = 250;
/** What a path carried shows in its delay for so long: a queue has to drain first. */
const LOAD_KEPT_MS = 1000;
/** Records after which the jitter of a loaded path is forgotten (gain 1/16, RFC 3550). */
const JITTER_SETTLED_COUNT = 16;
/** A longer queueing delay is not of our making: the path got slow. */
const OWN_QUEUE_MAX_MS = 300;
/** The delivery rate is the highest of a window. */
const RATE_BUCKET_MS = 5000;
const RATE_BUCKETS = 6;
/**
 * A rate that was low for a while gives the path little, so that it is not filled again, which alone
 * would tell that it is faster: so it is forgotten in the end.
 */
export const RATE_KEPT_MS = 600_000;
/** Shorter intervals between two feedbacks say little about a rate. */
const RATE_INTERVAL_MIN_MS = 50;
/** Heartbeats whose answer is waited for; older ones count as lost. */
const HEARTBEATS_MAX = 32;
const HEARTBEAT_LOST_MS = 1000;
const HEARTBEAT_LOST_ROUND_TRIPS = 3;

/** Loss, jitter and round trip that halve the score (loss) or a factor of it. */
const SCORE_LOSS_ZERO = 0.2;
const SCORE_JITTER_HALF_MS = 50;
const SCORE_RTT_HALF_MS = 400;

export class PathQuality {
  readonly rtt = new Rtt();
  /** Arrivals of what is sent on the path, from feedback; empty without feedback. */
  readonly arrivals = new ArrivalRate();
  readonly #base = new WindowedMinimum(BASE_BUCKET_MS, BASE_BUCKETS);
  /** All that was lost, and what was lost though no queue was filled. */
  readonly #loss = new LossWindow();
  readonly #randomLoss = new LossWindow();
  /** Rates are kept negative: a maximum is the least of those. */
  readonly #rate = new WindowedMinimum(RATE_BUCKET_MS, RATE_BUCKETS);
  #heartbeats: number[] = [];
  #feedback: PathFeedback | null = null;
  #feedbackAt = -Infinity;
  /** The next feedback covers a time that does not count. */
  #skipsNext = false;
  #isQueued = false;
  #isVanishing = false;
  #jitterMs: number | null = null;
  #knownRate: number | null = null;
  #rateAt = -Infinity;
  #carried = { sent: 0, received: 0, at: -Infinity };
  /** Whether so much has been carried since then that the rates of before are no longer true. */
  #isBusy = false;
  /** Until then round trips may show a queue of our own. */
  #loadedUntil = -Infinity;
  /** Smoothed over round trips of the idle path only; null when it was loaded since. */
  #idleRttMs: number | null = null;
  /** From so many records on, jitter is no more that of a queue of ours. */
  #jitterCountsFrom = -Infinity;
  #sentRate = 0;
  #receivedRate = 0;

  /** A heartbeat went out that bears the clock `now`. */
  heartbeatSent(now: number): void {
    const patienceMs = Math.max(
      HEARTBEAT_LOST_MS,
      HEARTBEAT_LOST_ROUND_TRIPS * (this.rtt.smoothedMs ?? 0),
    );
    const waiting = this.#heartbeats.filter((clock) => now - clock < patienceMs);
    this.#countHeartbeats(this.#heartbeats.length - waiting.length, now);
    this.#heartbeats = [...waiting.slice(1 - HEARTBEATS_MAX), now];
  }

  /** The answer to the heartbeat that bore `clock` is here. */
  heartbeatAnswered(clock: number, now: number): void {
    const index = this.#heartbeats.indexOf(clock);
    if (index < 0) return;
    this.#heartbeats.splice(index, 1);
    // Feedback counts every record, and in one direction: it replaces loss of heartbeats.
    if (this.#feedback === null) this.#addLoss(1, 0, now);
  }

  #countHeartbeats(lost: number, now: number): void {
    if (lost > 0 && this.#feedback === null) this.#addLoss(lost, lost, now);
  }

  #addLoss(sent: number, lost: number, now: number): void {
    this.#loss.add(sent, lost, now);
    this.#randomLoss.add(sent, this.#isQueued ? 0 : lost, now);
  }

  /** A round trip was measured. One out of range is ignored. */
  rttMeasured(roundTripMs: number, now: number): void {
    if (!this.rtt.add(roundTripMs)) return;
    this.#base.add(roundTripMs, now);
    if (this.#feedback === null) {
      this.#isQueued = isQueueFilled(roundTripMs - this.#base.least(now), 0);
      this.#noteJitter();
    }
    if (now < this.#loadedUntil) this.#idleRttMs = null;
    else this.#idleRttMs = smoothed(this.#idleRttMs, roundTripMs);
  }

  /** What a queue of our own does to the jitter is in its average for a while. */
  #noteJitter(): void {
    if (!this.#isQueued || !this.isLoaded) return;
    this.#jitterCountsFrom = this.#jitterSamples + JITTER_SETTLED_COUNT;
  }

  /** Records, or else round trips, behind {@link jitterMs}. */
  get #jitterSamples(): number {
    return this.#feedback?.received ?? this.rtt.count;
  }

  /** The receiver of the path has told what arrived. */
  feedbackReceived(feedback: PathFeedback, now: number): void {
    const before = this.#feedback;
    const intervalMs = before === null ? 0 : ((feedback.clock - before.clock) | 0) / US_PER_MS;
    // One that was overtaken by a later one says nothing new.
    if (before !== null && intervalMs <= 0) return;
    const jitterMs = feedback.jitter / US_PER_MS;
    const wasQueued = this.#isQueued;
    this.#isQueued = isQueueFilled(feedback.queueDelay / US_PER_MS, jitterMs);
    this.#feedback = feedback;
    this.#feedbackAt = now;
    this.#jitterMs = jitterMs;
    if (before === null) this.#jitterCountsFrom = -Infinity;
    this.#noteJitter();
    const isSkipped = before === null || this.#skipsNext;
    this.#skipsNext = false;
    if (isSkipped) return;
    const expected = (feedback.expected - before.expected) | 0;
    const received = (feedback.received - before.received) | 0;
    // Counts only grow: the peer has made the path anew.
    if (expected < 0 || received < 0) return;
    const isCongested = wasQueued || this.#isQueued;
    this.#loss.add(expected, expected - received, now);
    this.#randomLoss.add(expected, isCongested ? 0 : expected - received, now);
    const bytes = (feedback.bytes - before.bytes) >>> 0;
    const lost = expected - received;
    this.#isVanishing = !isCongested && areVanishing(expected, lost);
    const rate = 1000 * bytes / intervalMs;
    this.arrivals.add(bytes, intervalMs, wasQueued && this.#isQueued, now);
    // A queue all the time, and a rate that is one: what little else there is may wait for other
    // reasons, and must not be taken for all that the path carries.
    const isFull = wasQueued && this.#isQueued && rate >= FULL_RATE;
    if (isFull && intervalMs >= RATE_INTERVAL_MIN_MS) {
      this.#rate.add(-rate, now);
      this.#knownRate = -this.#rate.least(now);
      this.#rateAt = now;
    }
  }

  /** The bytes carried in all; to be told several times a second. */
  noteCarried(sent: number, received: number, now: number): void {
    if (now - this.#rateAt >= RATE_KEPT_MS) this.#knownRate = null;
    const before = this.#carried;
    const elapsedMs = now - before.at;
    const carried = sent - before.sent + received - before.received;
    this.#isBusy = carried >= LOADED_RATE * LOAD_INTERVAL_MS / 1000;
    if (elapsedMs >= LOAD_INTERVAL_MS) {
      this.#isBusy = false;
      this.#sentRate = 1000 * (sent - before.sent) / elapsedMs;
      this.#receivedRate = 1000 * (received - before.received) / elapsedMs;
      this.#carried = { sent, received, at: now };
    }
    if (this.isLoaded) this.#loadedUntil = now + LOAD_KEPT_MS;
  }

  /** Bytes a second that we sent lately. */
  get sentRate(): number {
    return this.#sentRate;
  }

  /** Whether delay may be of our own making; a round trip has two ways. */
  get isLoaded(): boolean {
    return this.#isBusy || this.#sentRate + this.#receivedRate >= LOADED_RATE;
  }

  /**
   * The round trip to judge the path by, in ms: without the queue that our own load makes, and that
   * it leaves behind.
   */
  judgedRttMs(now: number): number | null {
    const smoothedMs = this.rtt.smoothedMs;
    if (smoothedMs === null) return null;
    if (!this.isLoaded && this.#idleRttMs !== null) return this.#idleRttMs;
    const baseMs = Math.min(smoothedMs, this.#base.least(now));
    return this.isLoaded && smoothedMs - baseMs > OWN_QUEUE_MAX_MS ? smoothedMs : baseMs;
  }

  /** The jitter to judge the path by, in ms. */
  get judgedJitterMs(): number | null {
    const isOwn = this.#isQueued && this.isLoaded || this.#jitterSamples < this.#jitterCountsFrom;
    return isOwn ? null : this.jitterMs;
  }

  /** The loss to judge the path by, 0 to 1. */
  judgedLoss(now: number): number | null {
    return this.#randomLoss.share(now);
  }

  /** Packets behind {@link judgedLoss}. */
  judgedLostCount(now: number): number {
    return this.#randomLoss.lostCount(now);
  }

  /** Mean deviation: of the one-way delay where the peer tells it, else of the round trip; ms. */
  get jitterMs(): number | null {
    return this.#jitterMs ?? this.rtt.jitterMs;
  }

  /** Share of what was sent lately that did not arrive, 0 to 1. */
  loss(now: number): number | null {
    return this.#loss.share(now);
  }

  /** What arrived when the path was full, bytes per second; null until it was. */
  get deliveryRate(): number | null {
    return this.#knownRate;
  }

  /** As ReceiveStatistics.arrivedSoFar of the receiver, as it told last; null before. */
  get arrivedThere(): ReceiveStatistics["arrivedSoFar"] | null {
    if (this.#feedback === null) return null;
    const { received: records, expected, bytes } = this.#feedback;
    return { records, expected, bytes, isQueued: this.#isQueued };
  }

  /** When the receiver was last heard of; -Infinity before. */
  get feedbackAt(): number {
    return this.#feedbackAt;
  }

  /** Whether much of what was sent last is gone, though no queue was filled. */
  get isVanishing(): boolean {
    return this.#isVanishing;
  }

  /** 0 (useless) to 100: how steady the path is; null before the first round trip. */
  score(now: number): number | null {
    const rttMs = this.judgedRttMs(now);
    if (rttMs === null) return null;
    const arriving = Math.max(0, 1 - (this.loss(now) ?? 0) / SCORE_LOSS_ZERO);
    const even = SCORE_JITTER_HALF_MS / (SCORE_JITTER_HALF_MS + (this.judgedJitterMs ?? 0));
    const near = SCORE_RTT_HALF_MS / (SCORE_RTT_HALF_MS + rttMs);
    return Math.round(100 * arriving * even * near);
  }

  /** Forgets everything, for a link that leads elsewhere than before. */
  reset(): void {
    this.rtt.reset();
    this.#base.reset();
    this.#loss.reset();
    this.#randomLoss.reset();
    this.#rate.reset();
    this.arrivals.reset();
    this.#heartbeats = [];
    this.#idleRttMs = null;
    this.#jitterCountsFrom = -Infinity;
    this.#feedback = null;
    this.#feedbackAt = -Infinity;
    this.#isQueued = this.#isVanishing = false;
    this.#jitterMs = null;
    this.#knownRate = null;
  }

  /** The path was silent for a while: what was lost then is no property of it. */
  forgetLoss(): void {
    this.#loss.reset();
    this.#randomLoss.reset();
    this.#heartbeats = [];
    this.#isVanishing = false;
    this.#skipsNext = true;
  }
}

/** RFC 6298, section 2. */
function smoothed(before: number | null, value: number): number {
  return before === null ? value : before + (value - before) / 8;
}
