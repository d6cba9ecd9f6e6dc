/**
 * Packets that no path has been chosen for yet, in a queue for each flow. Flows take turns by bytes
 * (deficit round robin), and a flow that had nothing waiting goes first, as in fq_codel (RFC 8290):
 * so what is sparse does not wait behind what is bulk. What is too much (`queue_limit.ts`) is taken
 * from the head of the fattest flow, whose sender learns of it soonest so.
 */
import { NO_SLOT, type PacketSlots, SLOT_TCP_REPEATED, SlotQueue } from "./packet_slots.ts";

export const FLOWS = 512;
const FLOW_MASK = FLOWS - 1;
/** What a flow may send in a turn: one packet, or more where paths carry much. */
const QUANTUM_MIN = 1600;
const QUANTUM_MAX = 65_536;
const NONE = -1;

const IDLE = 0;
const NEW = 1;
const OLD = 2;

/** Flow numbers in a row, linked through one array: a flow is in one row at a time. */
class FlowRow {
  head = NONE;
  tail = NONE;
  readonly #next: Int32Array;

  constructor(next: Int32Array) {
    this.#next = next;
  }

  push(flow: number): void {
    this.#next[flow] = NONE;
    if (this.tail === NONE) this.head = flow;
    else this.#next[this.tail] = flow;
    this.tail = flow;
  }

  shift(): number {
    const flow = this.head;
    this.head = this.#next[flow]!;
    if (this.head === NONE) this.tail = NONE;
    return flow;
  }
}

export class FairQueue {
  bytes = 0;
  packets = 0;
  /** That have something waiting, or had until it was their turn. */
  flows = 0;
  #quantum = QUANTUM_MIN;
  readonly #slots: PacketSlots;
  /** Made when a flow first has something waiting. */
  readonly #queues: (SlotQueue | null)[] = new Array(FLOWS).fill(null);
  readonly #row = new Uint8Array(FLOWS);
  readonly #deficit = new Int32Array(FLOWS);
  readonly #next = new Int32Array(FLOWS);
  readonly #payload = new Float64Array(FLOWS);
  readonly #sparedUntil = new Float64Array(FLOWS).fill(-Infinity);
  readonly #new = new FlowRow(this.#next);
  readonly #old = new FlowRow(this.#next);

  constructor(slots: PacketSlots) {
    this.#slots = slots;
  }

  static flowOf(hash: number): number {
    return (hash ^ (hash >>> 16)) & FLOW_MASK;
  }

  /**
   * A flow sends so many bytes in a turn, within bounds. What leaves together is cheap to send and to
   * deliver, and others wait for it.
   */
  set turnBytes(bytes: number) {
    this.#quantum = Math.max(QUANTUM_MIN, Math.min(bytes, QUANTUM_MAX));
  }

  /** Bytes of a flow that wait. */
  bytesOf(flow: number): number {
    return this.#queues[flow]?.bytes ?? 0;
  }

  /** Hot. What waits of a flow is not to be dropped: its sender believes that it repeated it. */
  spare(flow: number, now: number): void {
    this.#sparedUntil[flow] = now;
  }

  /** Hot. Bytes of payload of TCP that wait, without what its sender repeats. */
  payloadOf(flow: number): number {
    return this.#payload[flow]!;
  }

  /** Hot. */
  push(slot: number, now: number): void {
    const flow = this.#slots.flow[slot]!;
    this.#slots.arrivedAt[slot] = now;
    const queue = this.#queues[flow] ??= new SlotQueue(this.#slots);
    queue.push(slot);
    this.bytes += this.#slots.length[slot]!;
    this.packets++;
    if (!this.#isRepeated(slot)) this.#payload[flow]! += this.#slots.payload[slot]!;
    if (this.#row[flow] !== IDLE) return;
    this.#row[flow] = NEW;
    this.flows++;
    this.#deficit[flow] = this.#quantum;
    this.#new.push(flow);
  }

  /** Hot. Whose turn it is: the slot stays where it is. NO_SLOT when nothing waits. */
  peek(): number {
    for (;;) {
      const row = this.#new.head !== NONE ? this.#new : this.#old;
      const flow = row.head;
      if (flow === NONE) return NO_SLOT;
      const head = this.#queues[flow]!.head;
      if (head !== NO_SLOT && this.#deficit[flow]! > 0) return head;
      row.shift();
      if (head === NO_SLOT && (row === this.#old || this.#old.head === NONE)) {
        this.#row[flow] = IDLE;
        this.flows--;
        continue;
      }
      if (head !== NO_SLOT) this.#deficit[flow]! += this.#quantum;
      this.#row[flow] = OLD;
      this.#old.push(flow);
    }
  }

  /** Hot. Takes out what `peek` showed. */
  take(): number {
    const slot = this.peek();
    if (slot === NO_SLOT) return NO_SLOT;
    const flow = this.#slots.flow[slot]!;
    this.#queues[flow]!.shift();
    this.#deficit[flow]! -= this.#slots.length[slot]!;
    this.#count(slot);
    return slot;
  }

  /**
   * Takes the head of the flow that has the most bytes waiting; NO_SLOT when nothing waits.
   * @param isGentle takes none that a TCP sender repeats, or believes it did: it would wait for a
   * timeout.
   */
  dropFattest(isGentle = false): number {
    const fattest = this.#fatter(this.#old, this.#fatter(this.#new, NONE));
    if (fattest === NONE) return NO_SLOT;
    if (isGentle && this.#isSpared(this.#queues[fattest]!.head, fattest)) return NO_SLOT;
    const slot = this.#queues[fattest]!.shift();
    this.#count(slot);
    return slot;
  }

  /** The flow of a row that has the most bytes waiting, if that is more than `flow` has. */
  #fatter(row: FlowRow, flow: number): number {
    let most = flow === NONE ? 0 : this.#queues[flow]!.bytes;
    for (let other = row.head; other !== NONE; other = this.#next[other]!) {
      const { bytes } = this.#queues[other]!;
      if (bytes <= most) continue;
      most = bytes;
      flow = other;
    }
    return flow;
  }

  #isSpared(slot: number, flow: number): boolean {
    return this.#isRepeated(slot) || this.#slots.arrivedAt[slot]! <= this.#sparedUntil[flow]!;
  }

  #isRepeated(slot: number): boolean {
    return (this.#slots.flags[slot]! & SLOT_TCP_REPEATED) !== 0;
  }

  #count(slot: number): void {
    if (!this.#isRepeated(slot)) {
      this.#payload[this.#slots.flow[slot]!]! -= this.#slots.payload[slot]!;
    }
    this.bytes -= this.#slots.length[slot]!;
    this.packets--;
  }
}
