/**
 * How each flow uses the paths. All begin `single`, on the fastest path. One whose packets have to
 * wait is `ordered`: spread over the paths such that its packets arrive in order.
 *
 * A sender that paces itself by a model of its path (BBR) keeps no more in flight than twice what
 * fits into the least delay it saw. On the fastest path alone it makes no queue, so it would not be
 * spread; when it is spread in order, it finds the round trip longer than it believes, and slows down
 * though nobody told it to. By one or the other it is known as `paced`. It is spread `loose` (see
 * spread_plan.ts) where that gives more than the fastest path alone, else it keeps to that. Such a
 * sender measures its delay anew ten seconds after its handshake: for that it is ordered, so that it
 * learns the delay of all paths together, and then gets the sum of them.
 */
import { FLOWS } from "./fair_queue.ts";

type FlowMode = "single" | "ordered" | "loose";

/** A flow whose packets wait so long for a path is spread. */
const SPREAD_AFTER_MS = 8;
/** One that never waits again is on the fastest path again. */
const SPREAD_FOR_MS = 15_000;
/** What is known of a flow that was silent for so long is forgotten: it is another one. */
const FORGET_MS = 10_000;
/** A packet that waited less found no queue. */
const QUEUED_MS = 1;
const UNQUEUED_SHARE = 0.5;
/** A packet is on its way for less. */
const AWAY_MS = 400;
const WINDOW_MS = 400;
const WINDOW_BYTES_MIN = 28_000;
/** So long nobody told the flow to slow down. */
const CALM_MS = 1000;
/** Of the most that the flow sent in one window: less is slow, and so many windows are no pause. */
const SLOW_SHARE = 0.65;
/** The same of a flow that filled the fastest path: it does not share with others. */
const SLOW_SHARE_ALONE = 0.85;
const SLOW_WINDOWS = 2;
/** Of what the fastest path carries: a flow that sends so much uses it in full, and so many windows. */
const FULL_SHARE = 0.8;
const FULL_WINDOWS = 4;
/** Loose is no better when in so many windows all sent less than this, of what the fastest carries. */
const TRIAL_WINDOWS = 6;
const TRIAL_SHARE = 1.03;
/** Such a sender believes the least delay for 10 s; when it measures anew, all packets are as late. */
const LEAST_DELAY_MS = 9700;
/** It has done so after this time; then it sends as much as before, or it has not. */
const MEASURING_MS = 1500;
const MEASURED_SHARE = 0.8;

const MODES: readonly FlowMode[] = ["single", "ordered", "loose"];
const SINGLE = 0;
const ORDERED = 1;
const LOOSE = 2;

export class FlowModes {
  readonly #mode = new Uint8Array(FLOWS);
  readonly #spreadUntil = new Float64Array(FLOWS).fill(-Infinity);
  /** When a paced flow is to be spread loosely, when it measures its delay, and until when it may. */
  readonly #looseAt = new Float64Array(FLOWS).fill(Infinity);
  readonly #measureAt = new Float64Array(FLOWS).fill(Infinity);
  readonly #measuredBy = new Float64Array(FLOWS).fill(Infinity);
  /** When a packet last got a path, and when one of a spread flow did. */
  readonly #placedAt = new Float64Array(FLOWS).fill(-Infinity);
  readonly #spreadAt = new Float64Array(FLOWS).fill(-Infinity);
  /** Since when nobody told the flow to slow down. */
  readonly #calmSince = new Float64Array(FLOWS);
  readonly #windowAt = new Float64Array(FLOWS);
  /** Bytes of the present window, and those of packets that found no queue. */
  readonly #bytes = new Float64Array(FLOWS);
  readonly #unqueued = new Float64Array(FLOWS);
  /** Bytes a ms of the fullest window, and of the last one before the mode changed. */
  readonly #most = new Float64Array(FLOWS);
  readonly #before = new Float64Array(FLOWS);
  readonly #isPaced = new Uint8Array(FLOWS);
  /** The flow fills queues, or loose was no better. */
  readonly #isNeverLoose = new Uint8Array(FLOWS);
  /** Of all flows, in the present window, and bytes a ms in the last one. */
  #allBytes = 0;
  #allSince = 0;
  #allRate = 0;
  /** Windows in a row that point to another mode. */
  readonly #windows = new Uint8Array(FLOWS);

  /** Hot. The mode of a flow whose next packet has waited for `waitedMs`. */
  mode(flow: number, waitedMs: number, now: number): FlowMode {
    if (now - this.#placedAt[flow]! > FORGET_MS) this.#forget(flow, now);
    const mode = this.#mode[flow]!;
    if (this.#isPaced[flow] === 1) {
      if (mode === SINGLE && now >= this.#looseAt[flow]!) this.#enterLoose(flow);
      else if (mode !== ORDERED && now >= this.#measureAt[flow]!) this.#measure(flow, now);
    } else if (waitedMs > SPREAD_AFTER_MS) {
      this.#spreadUntil[flow] = now + SPREAD_FOR_MS;
      if (mode === SINGLE) this.#enter(flow, ORDERED);
    } else if (mode === ORDERED && now > this.#spreadUntil[flow]!) {
      this.#enter(flow, SINGLE);
    }
    return MODES[this.#mode[flow]!]!;
  }

  #forget(flow: number, now: number): void {
    this.#enter(flow, SINGLE);
    this.#isPaced[flow] = this.#isNeverLoose[flow] = 0;
    this.#looseAt[flow] = this.#measureAt[flow] = this.#measuredBy[flow] = Infinity;
    this.#placedAt[flow] = this.#windowAt[flow] = now;
    this.#calmSince[flow] = now;
    this.#bytes[flow] = this.#unqueued[flow] = 0;
  }

  #enter(flow: number, mode: number): void {
    this.#mode[flow] = mode;
    this.#most[flow] = this.#windows[flow] = 0;
  }

  /** The flow paces itself; it sent `rate` bytes a ms in the last window. */
  #pace(flow: number, rate: number, now: number): void {
    this.#isPaced[flow] = 1;
    this.#measuredBy[flow] = Infinity;
    if (now >= this.#measureAt[flow]!) this.#measureAt[flow] = now + LEAST_DELAY_MS;
    this.#enter(flow, SINGLE);
    this.#before[flow] = rate;
    // What is on its way is to arrive in order, and by then it has.
    if (this.#isNeverLoose[flow] === 0) this.#looseAt[flow] = this.#spreadAt[flow]! + AWAY_MS;
  }

  #enterLoose(flow: number): void {
    this.#looseAt[flow] = Infinity;
    this.#enter(flow, LOOSE);
  }

  /** The sender will measure its delay: it is to be the one of all paths. */
  #measure(flow: number, now: number): void {
    this.#enter(flow, ORDERED);
    this.#measuredBy[flow] = this.#calmSince[flow] = now + MEASURING_MS;
  }

  /** Hot. Whether packets of the flow may still be on other paths than the fastest. */
  wasSpread(flow: number, now: number): boolean {
    return now - this.#spreadAt[flow]! < AWAY_MS;
  }

  /**
   * Hot. A packet of `bytes` that waited for `waitedMs` has got a path.
   * @param isSoon whether it leaves as soon as it may, on the fastest path.
   * @param fastest bytes a ms that the fastest path carries, as far as is known.
   * @param isKnown whether it may not carry far more.
   */
  placed(
    flow: number,
    bytes: number,
    waitedMs: number,
    isSoon: boolean,
    fastest: number,
    isKnown: boolean,
    now: number,
  ): void {
    const mode = this.#mode[flow]!;
    this.#placedAt[flow] = now;
    if (mode !== SINGLE) this.#spreadAt[flow] = now;
    if (isSoon && waitedMs < QUEUED_MS) this.#measureAt[flow] = now + LEAST_DELAY_MS;
    this.#countAll(bytes, now);
    this.#bytes[flow]! += bytes;
    if (waitedMs < QUEUED_MS) this.#unqueued[flow]! += bytes;
    const elapsed = now - this.#windowAt[flow]!;
    if (elapsed < WINDOW_MS) return;
    const rate = this.#bytes[flow]! / elapsed;
    const isUnqueued = this.#unqueued[flow]! > UNQUEUED_SHARE * this.#bytes[flow]!;
    const isMuch = this.#bytes[flow]! >= WINDOW_BYTES_MIN;
    this.#windowAt[flow] = now;
    this.#bytes[flow] = this.#unqueued[flow] = 0;
    const isCalm = isUnqueued && now - this.#calmSince[flow]! >= CALM_MS;
    const all = Math.max(rate, this.#allRate);
    const isFull = all >= FULL_SHARE * fastest;
    if (mode === LOOSE) this.#try(flow, rate, all < TRIAL_SHARE * fastest);
    else if (this.#measuredBy[flow]! < Infinity) this.#measured(flow, rate, now);
    else if (mode === ORDERED) this.#watch(flow, rate, isCalm && isMuch, fastest, isKnown, now);
    else if (isCalm && isMuch && isFull) this.#watchFull(flow, rate, now);
    else this.#windows[flow] = 0;
  }

  #countAll(bytes: number, now: number): void {
    this.#allBytes += bytes;
    const elapsed = now - this.#allSince;
    if (elapsed < WINDOW_MS) return;
    this.#allRate = this.#allBytes / elapsed;
    this.#allBytes = 0;
    this.#allSince = now;
  }

  /** On the fastest path alone: it takes all of it, makes no queue, and so would never be spread. */
  #watchFull(flow: number, rate: number, now: number): void {
    if (this.#isPaced[flow] === 1 || ++this.#windows[flow]! < FULL_WINDOWS) return;
    this.#pace(flow, rate, now);
  }

  #watch(
    flow: number,
    rate: number,
    isCalm: boolean,
    fastest: number,
    isKnown: boolean,
    now: number,
  ): void {
    if (rate > this.#most[flow]!) this.#most[flow] = rate;
    this.#windows[flow] = isCalm ? this.#windows[flow]! + 1 : 0;
    if (this.#windows[flow]! < SLOW_WINDOWS) return;
    this.#windows[flow] = 0;
    const isAlone = this.#most[flow]! >= FULL_SHARE * fastest;
    const slow = isAlone ? SLOW_SHARE_ALONE : SLOW_SHARE;
    if (isKnown && rate >= FULL_SHARE * fastest) this.#spreadUntil[flow] = now + SPREAD_FOR_MS;
    else if (rate < slow * this.#most[flow]!) this.#pace(flow, rate, now);
    else this.#enter(flow, SINGLE);
  }

  /** Whether the sender now believes the delay of all paths: it sends as much as before. */
  #measured(flow: number, rate: number, now: number): void {
    if (now < this.#measuredBy[flow]!) return;
    this.#measuredBy[flow] = Infinity;
    if (rate < MEASURED_SHARE * this.#before[flow]!) this.#pace(flow, this.#before[flow]!, now);
  }

  /** Whether all flows together get more than the fastest path alone would carry. */
  #try(flow: number, rate: number, isNoMore: boolean): void {
    this.#before[flow] = rate;
    this.#windows[flow] = isNoMore ? this.#windows[flow]! + 1 : 0;
    if (this.#windows[flow]! < TRIAL_WINDOWS) return;
    this.#enter(flow, SINGLE);
    this.#isNeverLoose[flow] = 1;
  }

  /** The flow's sender repeats something: it lost it, and has a reason to slow down. */
  repeated(flow: number, now: number): void {
    this.#calmSince[flow] = now;
    if (this.#mode[flow] !== LOOSE) this.#most[flow] = this.#windows[flow] = 0;
  }

  /** A packet of the flow was dropped: it fills what it is given. */
  dropped(flow: number, now: number): void {
    this.#calmSince[flow] = now;
    this.#isNeverLoose[flow] = 1;
    this.#isPaced[flow] = 0;
    this.#measuredBy[flow] = Infinity;
    if (this.#mode[flow] === LOOSE) this.#enter(flow, ORDERED);
  }
}
