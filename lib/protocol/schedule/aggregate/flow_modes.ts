/**
 * How each flow uses the paths. All begin `single`, on the fastest path. One whose packets have to
 * wait is `ordered`: spread over the paths such that its packets arrive in order.
 *
 * A sender that paces itself by a model of its path (BBR) keeps no more in flight than twice what
 * fits into the least delay it saw. On the fastest path alone it makes no queue, so it is not spread;
 * when it is spread in order, it finds the round trip longer than it believes, and slows down more
 * and more though nobody told it to. By one or the other it is known, and spread `loose` (see
 * spread_plan.ts). When that gives no more than before, it was another kind. After ten seconds in
 * which no packet came as soon as the fastest path could bring it, such a sender measures the delay
 * anew: then it is ordered, for good as long as that goes well.
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
const SLOW_WINDOWS = 2;
/** Of what the fastest path carries: a flow that sends so much uses it in full, and so many windows. */
const FULL_SHARE = 0.8;
const FULL_WINDOWS = 4;
/** Windows until the sender knows its path again, and how much more it must then send than before. */
const TRIAL_WINDOWS = 6;
const TRIAL_GAIN = 1.1;
/**
 * Such a sender believes the least delay, mostly that of its handshake, for 10 s; when it measures
 * anew, all packets are to be as late.
 */
const LEAST_DELAY_MS = 9700;
const LOOSE_MS_MIN = 2500;
/** It sends next to nothing while it measures: that is no slowing down. */
const MEASURING_MS = 1500;

const MODES: readonly FlowMode[] = ["single", "ordered", "loose"];
const SINGLE = 0;
const ORDERED = 1;
const LOOSE = 2;

export class FlowModes {
  readonly #mode = new Uint8Array(FLOWS);
  readonly #spreadUntil = new Float64Array(FLOWS).fill(-Infinity);
  readonly #startedAt = new Float64Array(FLOWS);
  readonly #looseUntil = new Float64Array(FLOWS);
  /** When a packet last got a path, and when one of a spread flow did. */
  readonly #placedAt = new Float64Array(FLOWS).fill(-Infinity);
  readonly #spreadAt = new Float64Array(FLOWS).fill(-Infinity);
  /** Since when nobody told the flow to slow down. */
  readonly #calmSince = new Float64Array(FLOWS);
  readonly #windowAt = new Float64Array(FLOWS);
  /** Bytes of the present window, and those of packets that found no queue. */
  readonly #bytes = new Float64Array(FLOWS);
  readonly #unqueued = new Float64Array(FLOWS);
  /** Bytes a ms of the fullest window, and of the one before the trial. */
  readonly #most = new Float64Array(FLOWS);
  readonly #before = new Float64Array(FLOWS);
  /** The flow fills queues, or loose was no better. */
  readonly #isNeverLoose = new Uint8Array(FLOWS);
  /** Windows in a row that point to another mode; when loose, all. */
  readonly #windows = new Uint8Array(FLOWS);

  /** Hot. The mode of a flow whose next packet has waited for `waitedMs`. */
  mode(flow: number, waitedMs: number, now: number): FlowMode {
    if (now - this.#placedAt[flow]! > FORGET_MS) this.#forget(flow, now);
    if (waitedMs > SPREAD_AFTER_MS) {
      this.#spreadUntil[flow] = now + SPREAD_FOR_MS;
      if (this.#mode[flow] === SINGLE) this.#enter(flow, ORDERED);
    } else if (this.#mode[flow] === ORDERED && now > this.#spreadUntil[flow]!) {
      this.#enter(flow, SINGLE);
    }
    if (this.#mode[flow] === LOOSE && now >= this.#looseUntil[flow]!) {
      this.#enter(flow, ORDERED);
      this.#calmSince[flow] = now + MEASURING_MS;
      this.#spreadUntil[flow] = now + SPREAD_FOR_MS;
    }
    return MODES[this.#mode[flow]!]!;
  }

  #forget(flow: number, now: number): void {
    this.#enter(flow, SINGLE);
    this.#isNeverLoose[flow] = 0;
    this.#placedAt[flow] = this.#windowAt[flow] = now;
    this.#startedAt[flow] = this.#calmSince[flow] = now;
    this.#bytes[flow] = this.#unqueued[flow] = 0;
  }

  #enter(flow: number, mode: number): void {
    this.#mode[flow] = mode;
    this.#most[flow] = this.#windows[flow] = 0;
  }

  #enterLoose(flow: number, rate: number, now: number): void {
    this.#enter(flow, LOOSE);
    this.#before[flow] = rate;
    const due = this.#startedAt[flow]! + LEAST_DELAY_MS;
    this.#looseUntil[flow] = due > now + LOOSE_MS_MIN ? due : now + LEAST_DELAY_MS;
  }

  /** Hot. Whether packets of the flow may still be on other paths than the fastest. */
  wasSpread(flow: number, now: number): boolean {
    return now - this.#spreadAt[flow]! < AWAY_MS;
  }

  /**
   * Hot. A packet of `bytes` that waited for `waitedMs` has got a path.
   * @param fastest bytes a ms that the fastest path carries, as far as is known.
   * @param isKnown whether it may not carry far more.
   */
  placed(
    flow: number,
    bytes: number,
    waitedMs: number,
    fastest: number,
    isKnown: boolean,
    now: number,
  ): void {
    const mode = this.#mode[flow]!;
    this.#placedAt[flow] = now;
    if (mode !== SINGLE) this.#spreadAt[flow] = now;
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
    const isFull = rate >= FULL_SHARE * fastest;
    if (mode === LOOSE) this.#try(flow, rate);
    else if (mode === ORDERED) this.#watch(flow, rate, isCalm && isMuch, isFull && isKnown, now);
    else if (isCalm && isMuch && isFull) this.#watchFull(flow, rate, now);
    else this.#windows[flow] = 0;
  }

  /** On the fastest path alone: it takes all of it, makes no queue, and so would never be spread. */
  #watchFull(flow: number, rate: number, now: number): void {
    if (this.#isNeverLoose[flow] === 1 || ++this.#windows[flow]! < FULL_WINDOWS) return;
    this.#enterLoose(flow, rate, now);
  }

  #watch(flow: number, rate: number, isCalm: boolean, isFull: boolean, now: number): void {
    if (rate > this.#most[flow]!) this.#most[flow] = rate;
    this.#windows[flow] = isCalm ? this.#windows[flow]! + 1 : 0;
    if (this.#windows[flow]! < SLOW_WINDOWS) return;
    this.#windows[flow] = 0;
    if (rate >= SLOW_SHARE * this.#most[flow]!) {
      if (isFull) this.#spreadUntil[flow] = now + SPREAD_FOR_MS;
      else this.#enter(flow, SINGLE);
    } else if (this.#isNeverLoose[flow] === 1) this.#enter(flow, SINGLE);
    else this.#enterLoose(flow, rate, now);
  }

  #try(flow: number, rate: number): void {
    if (this.#windows[flow]! >= TRIAL_WINDOWS) return;
    if (++this.#windows[flow]! < TRIAL_WINDOWS || rate >= TRIAL_GAIN * this.#before[flow]!) return;
    this.#enter(flow, SINGLE);
    this.#isNeverLoose[flow] = 1;
  }

  /** A packet of the flow was dropped: it fills what it is given. */
  dropped(flow: number, now: number): void {
    this.#calmSince[flow] = now;
    this.#isNeverLoose[flow] = 1;
    if (this.#mode[flow] === LOOSE) this.#enter(flow, ORDERED);
  }
}
