/** Packets that leave in turn, but none before its release time. */
import { NO_SLOT, type PacketSlots, SlotQueue } from "./packet_slots.ts";

export class ReleasedQueue {
  readonly queue: SlotQueue;
  readonly #slots: PacketSlots;
  #finishAt = -Infinity;

  constructor(slots: PacketSlots) {
    this.#slots = slots;
    this.queue = new SlotQueue(slots);
  }

  /** Hot. When the last packet will have left. */
  get finishAt(): number {
    return this.#finishAt;
  }

  /** Hot. @param finishAt when the packet will have left. */
  push(slot: number, releaseAt: number, finishAt: number): void {
    this.#slots.releaseAt[slot] = releaseAt;
    this.#finishAt = finishAt;
    this.queue.push(slot);
  }

  /** Hot. When the first packet may leave; Infinity when there is none. */
  get releaseAt(): number {
    const { head } = this.queue;
    return head === NO_SLOT ? Infinity : this.#slots.releaseAt[head]!;
  }

  /** Hot. The first packet, which is taken out, or NO_SLOT. */
  shift(): number {
    const slot = this.queue.shift();
    if (this.queue.head === NO_SLOT) this.#finishAt = -Infinity;
    return slot;
  }
}
