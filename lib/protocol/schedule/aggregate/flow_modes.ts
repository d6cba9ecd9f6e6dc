/**
 * How each flow uses the paths. All begin `single`, on the fastest path. One whose packets have to
 * wait is `spread` over the paths such that its packets arrive in order. So is one that takes all of
 * the fastest path and makes no queue: its sender paces itself by a model of its path (BBR), and would
 * never ask for more. A spread flow that neither queues nor is slowed down by losses, but sends less
 * than the fastest path alone carries, is better off there: it is `single` again for a while.
 */
import { FLOWS } from "./fair_queue.ts";

type FlowMode = "single" | "spread";

/** A flow whose packets wait so long for a path is spread, when they did for a while. */
const SPREAD_AFTER_MS = 8;
const SPREAD_AFTER_WAITING_MS = 20;
/**
 * A young flow whose queue runs empty is on the fastest path again, once: BBR drains what it made while
 * it started, and cannot tell the delay of other paths from a queue.
 */
const YOUNG_MS = 3000;
/**
 * Longer than the acknowledgements stay away of a flow that was just spread: CUBIC would stop growing
 * where it is if the delay changed once more.
 */
const EMPTY_MS = 150;
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
/** The same of a flow that was told to before. */
const CALM_AGAIN_MS = 300;
/** Of what the fastest path carries: flows that send so much use it in full, and so many windows. */
const FULL_SHARE = 0.8;
const FULL_WINDOWS = 4;
/** A spread flow that sends less for so many windows is on the fastest path again. */
const WORSE_WINDOWS = 5;
/** For so long a flow that makes no queue is not spread again; twice that the next time, and so on. */
const ALONE_MS = 20_000;
const ALONE_MS_MAX = 320_000;

const SINGLE = 0;
const SPREAD = 1;

export class FlowModes {
  readonly #mode = new Uint8Array(FLOWS);
  /** Since when its packets wait too long, and when the flow began. */
  readonly #waitsSince = new Float64Array(FLOWS);
  readonly #bornAt = new Float64Array(FLOWS);
  /** Whether it went back to the fastest path when it was young: it does so once. */
  readonly #wasYoung = new Uint8Array(FLOWS);
  readonly #spreadUntil = new Float64Array(FLOWS).fill(-Infinity);
  /** When a packet last got a path, and when one of a spread flow did. */
  readonly #placedAt = new Float64Array(FLOWS).fill(-Infinity);
  readonly #spreadAt = new Float64Array(FLOWS).fill(-Infinity);
  /** When a packet last found a queue. */
  readonly #queuedAt = new Float64Array(FLOWS).fill(-Infinity);
  /** Since when nobody told the flow to slow down, and whether anybody ever did. */
  readonly #calmSince = new Float64Array(FLOWS);
  readonly #wasTold = new Uint8Array(FLOWS);
  readonly #droppedAt = new Float64Array(FLOWS).fill(-Infinity);
  readonly #windowAt = new Float64Array(FLOWS);
  /** Bytes of the present window, and those of packets that found no queue. */
  readonly #bytes = new Float64Array(FLOWS);
  readonly #unqueued = new Float64Array(FLOWS);
  /** Until when a flow that makes no queue stays on the fastest path, and how long the next time. */
  readonly #aloneUntil = new Float64Array(FLOWS).fill(-Infinity);
  readonly #aloneMs = new Float64Array(FLOWS).fill(ALONE_MS);
  /** Windows in a row that point to another mode. */
  readonly #windows = new Uint8Array(FLOWS);
  /** Of all flows, in the present window, and bytes a ms in the last one. */
  #allBytes = 0;
  #allSince = 0;
  #allRate = 0;

  /** Hot. The mode of a flow whose next packet has waited for `waitedMs`. */
  mode(flow: number, waitedMs: number, now: number): FlowMode {
    if (now - this.#placedAt[flow]! > FORGET_MS) this.#forget(flow, now);
    if (waitedMs > SPREAD_AFTER_MS) {
      this.#spreadUntil[flow] = now + SPREAD_FOR_MS;
      const hasWaited = now - this.#waitsSince[flow]! >= SPREAD_AFTER_WAITING_MS;
      if (hasWaited && this.#mode[flow] === SINGLE) this.#enter(flow, SPREAD);
    } else {
      this.#waitsSince[flow] = now;
      if (this.#mode[flow] === SPREAD) this.#leaveIfIdle(flow, now);
    }
    return this.#mode[flow] === SPREAD ? "spread" : "single";
  }

  #leaveIfIdle(flow: number, now: number): void {
    const isYoung = this.#wasYoung[flow] === 0 && now - this.#bornAt[flow]! < YOUNG_MS;
    const isEmptying = isYoung && now - this.#queuedAt[flow]! > EMPTY_MS;
    if (isEmptying) this.#wasYoung[flow] = 1;
    if (isEmptying || now > this.#spreadUntil[flow]!) this.#enter(flow, SINGLE);
  }

  #forget(flow: number, now: number): void {
    this.#enter(flow, SINGLE);
    this.#wasTold[flow] = this.#wasYoung[flow] = 0;
    this.#bornAt[flow] = this.#waitsSince[flow] = now;
    this.#placedAt[flow] = this.#windowAt[flow] = this.#calmSince[flow] = now;
    this.#bytes[flow] = this.#unqueued[flow] = 0;
    this.#aloneUntil[flow] = this.#queuedAt[flow] = -Infinity;
    this.#aloneMs[flow] = ALONE_MS;
  }

  #enter(flow: number, mode: number): void {
    this.#mode[flow] = mode;
    this.#windows[flow] = 0;
  }

  /** Hot. Whether packets of the flow may still be on other paths than the fastest. */
  wasSpread(flow: number, now: number): boolean {
    return now - this.#spreadAt[flow]! < AWAY_MS;
  }

  /** Hot. Whether the flow's packets found no queue for `forMs`, though nothing slows its sender down. */
  isHeldBack(flow: number, forMs: number, now: number): boolean {
    const calmMs = this.#wasTold[flow] === 1 ? CALM_AGAIN_MS : 0;
    return now - this.#queuedAt[flow]! >= forMs && now - this.#calmSince[flow]! >= calmMs;
  }

  /**
   * Hot. A packet of `bytes` that waited for `waitedMs` has got a path.
   * @param fastest bytes a ms that the fastest path carries, as far as is known.
   */
  placed(flow: number, bytes: number, waitedMs: number, fastest: number, now: number): void {
    this.#placedAt[flow] = now;
    if (this.#mode[flow] === SPREAD) this.#spreadAt[flow] = now;
    this.#countAll(bytes, now);
    this.#bytes[flow]! += bytes;
    if (waitedMs < QUEUED_MS) this.#unqueued[flow]! += bytes;
    else this.#queuedAt[flow] = now;
    const elapsed = now - this.#windowAt[flow]!;
    if (elapsed < WINDOW_MS) return;
    const all = Math.max(this.#bytes[flow]! / elapsed, this.#allRate);
    const isUnqueued = this.#unqueued[flow]! > UNQUEUED_SHARE * this.#bytes[flow]!;
    const isMuch = this.#bytes[flow]! >= WINDOW_BYTES_MIN;
    this.#windowAt[flow] = now;
    this.#bytes[flow] = this.#unqueued[flow] = 0;
    const isPaced = isUnqueued && isMuch && now - this.#calmSince[flow]! >= CALM_MS;
    this.#judge(flow, isPaced, all >= FULL_SHARE * fastest, now);
  }

  #countAll(bytes: number, now: number): void {
    this.#allBytes += bytes;
    const elapsed = now - this.#allSince;
    if (elapsed < WINDOW_MS) return;
    this.#allRate = this.#allBytes / elapsed;
    this.#allBytes = 0;
    this.#allSince = now;
  }

  /** @param isFull whether all flows together send what the fastest path carries. */
  #judge(flow: number, isPaced: boolean, isFull: boolean, now: number): void {
    const isSpread = this.#mode[flow] === SPREAD;
    if (isSpread && isFull) this.#spreadUntil[flow] = now + SPREAD_FOR_MS;
    if (!isPaced || isSpread === isFull) this.#windows[flow] = 0;
    else if (++this.#windows[flow]! >= (isSpread ? WORSE_WINDOWS : FULL_WINDOWS)) {
      if (isSpread) this.#leaveAlone(flow, now);
      else if (now >= this.#aloneUntil[flow]!) {
        this.#wasYoung[flow] = 1;
        this.#spreadUntil[flow] = now + SPREAD_FOR_MS;
        this.#enter(flow, SPREAD);
      }
    }
  }

  #leaveAlone(flow: number, now: number): void {
    this.#enter(flow, SINGLE);
    this.#aloneUntil[flow] = now + this.#aloneMs[flow]!;
    this.#aloneMs[flow] = Math.min(ALONE_MS_MAX, 2 * this.#aloneMs[flow]!);
  }

  /** The flow's sender repeats something: it lost it, and has a reason to slow down. */
  repeated(flow: number, now: number): void {
    this.#calmSince[flow] = now;
    this.#wasTold[flow] = 1;
    this.#windows[flow] = 0;
  }

  /** Hot. Whether a packet of the flow was dropped within `withinMs`. */
  wasDropped(flow: number, withinMs: number, now: number): boolean {
    return now - this.#droppedAt[flow]! < withinMs;
  }

  /** A packet of the flow was dropped. */
  dropped(flow: number, now: number): void {
    this.#droppedAt[flow] = now;
    this.repeated(flow, now);
  }
}
