/**
 * Holds the packets of one direction of a client to a rate. What would go beyond waits in a short
 * queue and passes at the rate; what finds the queue full is dropped. A gate that only dropped would
 * keep UDP to its rate as well, but TCP would stay far below: it loses a window whenever it meets the
 * limit, and learns of it by loss alone.
 */
import { Pacer } from "../../protocol/path/pacer.ts";
import type { PacketMemory } from "./memory.ts";
import type { PacketCells } from "./packet_cells.ts";
import { NO_SLOT, PacketStore, STORED_PACKETS_MAX } from "./packet_store.ts";

/** What was missed while the engine slept or had nothing to carry may be caught up with for so long. */
const BURST_MS = 10;
/** What may wait, in ms at the rate, and in bytes at the least: what one read may bring. */
const QUEUE_MS = 100;
const QUEUE_BYTES_MIN = 65_536;
/** Packets that wait are looked at no more often: by then several may pass. */
const WAKE_MS = 1;

export class RateGate {
  readonly #pacer = new Pacer(BURST_MS);
  readonly #store: PacketStore;
  /** Slots of what waits, as a ring; made with the first that does. */
  #ring: Uint16Array | null = null;
  #head = 0;
  #count = 0;
  #bytes = 0;
  /** Bytes a millisecond; Infinity: all pass. */
  #rate: number;
  droppedPackets = 0;

  /** @param rate bytes a second. */
  constructor(rate: number, cells: PacketCells) {
    this.#rate = rate / 1000;
    this.#store = new PacketStore(cells);
  }

  /** @param rate bytes a second; null: no limit from now on, also for what waits. */
  setRate(rate: number | null): void {
    const perMs = rate === null ? Infinity : rate / 1000;
    if (perMs === this.#rate) return;
    this.#rate = perMs;
    // What was let pass at another rate does not hold back what comes.
    this.#pacer.forget();
  }

  /** Packets that wait. */
  get waiting(): number {
    return this.#count;
  }

  /** Hot. Whether a packet passes at once; if so, it counts. Else it is to be held. */
  pass(bytes: number, now: number): boolean {
    if (this.#count > 0 || !this.#pacer.mayDepart(now)) return false;
    this.#pacer.departed(bytes, this.#rate, now);
    return true;
  }

  /** Hot. Keeps a copy of a packet until its turn. False: there is no room, and it is dropped. */
  hold(memory: PacketMemory, packet: number, length: number, flags: number): boolean {
    const most = Math.max(QUEUE_BYTES_MIN, QUEUE_MS * this.#rate);
    const slot = this.#bytes + length > most
      ? NO_SLOT
      : this.#store.put(memory, packet, length, flags, 0, 0);
    if (slot === NO_SLOT) {
      this.droppedPackets++;
      return false;
    }
    const ring = this.#ring ??= new Uint16Array(STORED_PACKETS_MAX);
    ring[(this.#head + this.#count++) % STORED_PACKETS_MAX] = slot;
    this.#bytes += length;
    return true;
  }

  /** Hot. The slot of a packet whose turn has come, which counts as passed; NO_SLOT: none. */
  take(now: number): number {
    if (this.#count === 0 || !this.#pacer.mayDepart(now)) return NO_SLOT;
    const slot = this.#ring![this.#head]!;
    const { length } = this.#store.get(slot);
    this.#pacer.departed(length, this.#rate, now);
    this.#head = (this.#head + 1) % STORED_PACKETS_MAX;
    this.#count--;
    this.#bytes -= length;
    return slot;
  }

  /** Hot. The packet that `take` gave, until it is released. */
  get(slot: number): ReturnType<PacketStore["get"]> {
    return this.#store.get(slot);
  }

  /** Hot. Nothing reads the packet any more. */
  release(slot: number): void {
    this.#store.release(slot);
  }

  /** When `take` is to be called next; Infinity: nothing waits. */
  nextAt(now: number): number {
    return this.#count === 0 ? Infinity : Math.max(this.#pacer.nextAt, now + WAKE_MS);
  }

  /** Gives up what waits. */
  free(): void {
    this.#store.free();
    this.#head = this.#count = this.#bytes = 0;
  }
}
