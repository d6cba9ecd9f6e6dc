/**
 * Lets a spread flow of TCP arrive in bursts now and then. BBR keeps twice as much in flight as fits
 * into the least delay it ever saw, which is that of the fastest path, so it could never fill paths
 * whose delay is more than twice that. But it allows for acknowledgements that come in bursts, as on
 * Wi-Fi: what they brought at once, over the last five to ten round trips, it keeps in flight besides.
 * So one packet in so many round trips is withheld, and the receiver delivers what came behind it
 * together with it. A flow that queues needs no more in flight, and is left alone.
 */
import { FLOWS } from "./fair_queue.ts";
import { NO_SLOT, type PacketSlots } from "./packet_slots.ts";
import { ReleasedQueue } from "./released_queue.ts";

/** Bursts count for five round trips at least, and for ten at most. */
const ROUND_TRIPS = 5;
/** A burst makes up for what is missing, and for itself. */
const BEYOND_MS = 30;
/** BBR counts no more. */
const BURST_MS_MAX = 100;
/** Window that is there besides what is needed at least. */
const SPARE_MS = 10;
/** Paths that are apart by less need nothing, however short they are. */
const HOLD_MS_MIN = 2;

export class Bursts {
  readonly #withheld: ReleasedQueue;
  readonly #nextAt = new Float64Array(FLOWS);
  readonly #slots: PacketSlots;

  constructor(slots: PacketSlots) {
    this.#slots = slots;
    this.#withheld = new ReleasedQueue(slots);
  }

  /**
   * Hot. Withholds the packet in `slot`, if its turn has come. False: it is not withheld.
   * @param roundTripMs of the fastest path.
   * @param holdMs the delay beyond that which the flow sees.
   */
  withhold(slot: number, roundTripMs: number, holdMs: number, now: number): boolean {
    const missingMs = holdMs - roundTripMs;
    const flow = this.#slots.flow[slot]!;
    if (holdMs < HOLD_MS_MIN || missingMs < -SPARE_MS || now < this.#nextAt[flow]!) return false;
    const burstMs = Math.min(BURST_MS_MAX, missingMs + BEYOND_MS);
    this.#nextAt[flow] = now + ROUND_TRIPS * (roundTripMs + holdMs);
    const releaseAt = now + holdMs + burstMs;
    this.#withheld.push(slot, releaseAt, releaseAt);
    return true;
  }

  /** When `take` has something next; Infinity when nothing is withheld. */
  get releaseAt(): number {
    return this.#withheld.releaseAt;
  }

  /** Hot. A packet that was withheld for long enough, or NO_SLOT. */
  take(now: number): number {
    return this.#withheld.releaseAt <= now ? this.#withheld.shift() : NO_SLOT;
  }
}
