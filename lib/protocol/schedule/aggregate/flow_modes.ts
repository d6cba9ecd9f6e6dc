/**
 * How each flow uses the paths. All begin `single`, on the fastest path. One whose packets have to
 * wait is `ordered`: spread over the paths such that its packets arrive in order. A sender that paces
 * itself by a model of its path (BBR) then finds the round trip longer than it believes, and slows
 * down more and more though nobody told it to: by that it is known, and spread `loose` (see
 * spread_plan.ts). When that gives less than before, it was another kind, and is ordered for good.
 */
import { FLOWS } from "./fair_queue.ts";

type FlowMode = "single" | "ordered" | "loose";

/** A flow whose packets wait so long for a path is spread. */
const SPREAD_AFTER_MS = 8;
/** Such a sender looks for the least delay every 10 s: it must not change in between. */
const SPREAD_FOR_MS = 15_000;
/** A packet that waited less found no queue. */
const QUEUED_MS = 1;
const UNQUEUED_SHARE = 0.5;
/** A packet is on its way for less. */
const AWAY_MS = 400;
const WINDOW_MS = 400;
const WINDOW_PACKETS_MIN = 20;
/** So long nobody told the flow to slow down. */
const CALM_MS = 1000;
/** Of the most that the flow sent in one window: less is slow, and so many windows are no pause. */
const SLOW_SHARE = 0.65;
const SLOW_WINDOWS = 2;
/** Windows until the sender knows its path again, and how much more it must then send than before. */
const TRIAL_WINDOWS = 6;
const TRIAL_GAIN = 1.1;

const MODES: readonly FlowMode[] = ["single", "ordered", "loose"];
const SINGLE = 0;
const ORDERED = 1;
const LOOSE = 2;
/** So often a flow has to slow down before it is taken for paced. */
const COLLAPSES = 1;
/** In place of a count of collapses: loose was worse, or the flow fills queues. */
const NEVER_LOOSE = 255;

export class FlowModes {
  readonly #mode = new Uint8Array(FLOWS);
  readonly #spreadUntil = new Float64Array(FLOWS).fill(-Infinity);
  /** When a packet last got a path as one of a spread flow. */
  readonly #spreadAt = new Float64Array(FLOWS).fill(-Infinity);
  /** Since when nobody told the flow to slow down. */
  readonly #calmSince = new Float64Array(FLOWS);
  readonly #windowAt = new Float64Array(FLOWS);
  readonly #packets = new Uint32Array(FLOWS);
  readonly #unqueued = new Uint32Array(FLOWS);
  /** Packets of the fullest window, and of the one before the trial. */
  readonly #most = new Uint32Array(FLOWS);
  readonly #before = new Uint32Array(FLOWS);
  readonly #collapses = new Uint8Array(FLOWS);
  /** Slow ones in a row when ordered, all when loose. */
  readonly #windows = new Uint8Array(FLOWS);

  /** Hot. The mode of a flow whose next packet has waited for `waitedMs`. */
  mode(flow: number, waitedMs: number, now: number): FlowMode {
    if (waitedMs > SPREAD_AFTER_MS) {
      this.#spreadUntil[flow] = now + SPREAD_FOR_MS;
      if (this.#mode[flow] === SINGLE) this.#spread(flow, now);
    } else if (this.#mode[flow] !== SINGLE && now > this.#spreadUntil[flow]!) {
      this.#mode[flow] = SINGLE;
    }
    return MODES[this.#mode[flow]!]!;
  }

  #spread(flow: number, now: number): void {
    this.#mode[flow] = ORDERED;
    this.#calmSince[flow] = this.#windowAt[flow] = now;
    this.#packets[flow] =
      this.#unqueued[flow] =
      this.#most[flow] =
      this.#windows[flow] =
        0;
  }

  /** Hot. Whether packets of the flow may still be on other paths than the fastest. */
  wasSpread(flow: number, now: number): boolean {
    return now - this.#spreadAt[flow]! < AWAY_MS;
  }

  /** Hot. A packet of a spread flow has got a path. */
  placed(flow: number, waitedMs: number, now: number): void {
    this.#spreadAt[flow] = now;
    this.#packets[flow]!++;
    if (waitedMs < QUEUED_MS) this.#unqueued[flow]!++;
    const elapsed = now - this.#windowAt[flow]!;
    if (elapsed < WINDOW_MS) return;
    const packets = Math.round(this.#packets[flow]! * WINDOW_MS / elapsed);
    const isUnqueued = this.#unqueued[flow]! > UNQUEUED_SHARE * this.#packets[flow]!;
    this.#windowAt[flow] = now;
    this.#packets[flow] = this.#unqueued[flow] = 0;
    if (this.#mode[flow] === LOOSE) this.#try(flow, packets);
    else this.#watch(flow, packets, isUnqueued && now - this.#calmSince[flow]! >= CALM_MS);
  }

  #watch(flow: number, packets: number, isCalm: boolean): void {
    if (packets > this.#most[flow]!) this.#most[flow] = packets;
    this.#windows[flow] = isCalm ? this.#windows[flow]! + 1 : 0;
    if (this.#windows[flow]! < SLOW_WINDOWS) return;
    const isSlow = packets >= WINDOW_PACKETS_MIN && packets < SLOW_SHARE * this.#most[flow]!;
    if (!isSlow) {
      this.#mode[flow] = SINGLE;
      return;
    }
    const mayBeLoose = this.#collapses[flow] !== NEVER_LOOSE &&
      ++this.#collapses[flow]! > COLLAPSES;
    this.#mode[flow] = mayBeLoose ? LOOSE : SINGLE;
    this.#before[flow] = packets;
    this.#windows[flow] = 0;
  }

  #try(flow: number, packets: number): void {
    if (this.#windows[flow]! >= TRIAL_WINDOWS) return;
    if (++this.#windows[flow]! < TRIAL_WINDOWS) return;
    if (packets >= TRIAL_GAIN * this.#before[flow]!) return;
    this.#mode[flow] = ORDERED;
    this.#windows[flow] = 0;
    this.#collapses[flow] = NEVER_LOOSE;
  }

  /** A packet of the flow was dropped: it fills what it is given. */
  dropped(flow: number, now: number): void {
    this.#calmSince[flow] = now;
    this.#collapses[flow] = NEVER_LOOSE;
    if (this.#mode[flow] !== LOOSE) return;
    this.#mode[flow] = ORDERED;
    this.#windows[flow] = 0;
  }
}
