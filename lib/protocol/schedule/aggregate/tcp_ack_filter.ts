/**
 * Spares acknowledgements of TCP that a newer one makes needless, as the ACK filter of CAKE does. A
 * download of 100 Mbit/s is acknowledged several thousand times a second, and each of those costs a
 * record: where something else wants to be sent in that direction, too, they take a quarter of
 * 20 Mbit/s. So those of a flow leave one after the other in an interval, which is a small part of a
 * round trip, and what comes meanwhile waits for its end, the newest in place of the ones before.
 *
 * Only what says nothing but how much has arrived may wait: what tells of gaps (SACK) or repeats a
 * number makes the sender repeat something.
 */
import { FLOWS } from "./fair_queue.ts";
import { NO_SLOT } from "./packet_slots.ts";

const INTERVAL_MS_MAX = 2;
const ROUND_TRIP_SHARE = 0.1;
/** A shorter wait spares nothing. */
const INTERVAL_MS_MIN = 0.3;
const MASK = FLOWS - 1;

export class TcpAckFilter {
  readonly #held = new Int32Array(FLOWS).fill(NO_SLOT);
  /** When the next one of the flow may leave. */
  readonly #nextAt = new Float64Array(FLOWS).fill(-Infinity);
  /** Flows of which something is held, in the order in which it may leave; each once. */
  readonly #row = new Uint16Array(FLOWS);
  /** As of the last one that left at once. */
  #interval = 0;
  #head = 0;
  #count = 0;

  /**
   * Hot. One of the flow has come. Returns NO_SLOT: it leaves at once; `slot` itself: it is held; or the
   * slot of the one before, in whose place it is held.
   * @param roundTripMs of the fastest path.
   * @param isLoaded whether other packets wait.
   */
  take(flow: number, slot: number, roundTripMs: number, isLoaded: boolean, now: number): number {
    const before = this.#held[flow]!;
    if (before !== NO_SLOT) {
      this.#held[flow] = slot;
      return before;
    }
    if (isLoaded && now < this.#nextAt[flow]!) {
      this.#held[flow] = slot;
      this.#row[(this.#head + this.#count++) & MASK] = flow;
      return slot;
    }
    const interval = Math.min(INTERVAL_MS_MAX, ROUND_TRIP_SHARE * roundTripMs);
    this.#interval = interval < INTERVAL_MS_MIN ? 0 : interval;
    this.#nextAt[flow] = now + this.#interval;
    return NO_SLOT;
  }

  /** Hot. What is held of the flow, which something follows that must not overtake it, or NO_SLOT. */
  flush(flow: number): number {
    const slot = this.#held[flow]!;
    if (slot !== NO_SLOT) this.#remove(flow);
    return slot;
  }

  #remove(flow: number): void {
    this.#held[flow] = NO_SLOT;
    let at = 0;
    while (this.#row[(this.#head + at) & MASK] !== flow) at++;
    for (; at > 0; at--) {
      this.#row[(this.#head + at) & MASK] = this.#row[(this.#head + at - 1) & MASK]!;
    }
    this.#head = (this.#head + 1) & MASK;
    this.#count--;
  }

  /** When `release` has something next; Infinity when nothing is held. */
  get releaseAt(): number {
    return this.#count === 0 ? Infinity : this.#nextAt[this.#row[this.#head]!]!;
  }

  /** Hot. One that was held for long enough, or NO_SLOT. The next one waits as long. */
  release(now: number): number {
    if (this.#count === 0) return NO_SLOT;
    const flow = this.#row[this.#head]!;
    if (this.#nextAt[flow]! > now) return NO_SLOT;
    const slot = this.#held[flow]!;
    this.#held[flow] = NO_SLOT;
    this.#nextAt[flow] = now + this.#interval;
    this.#head = (this.#head + 1) & MASK;
    this.#count--;
    return slot;
  }
}
