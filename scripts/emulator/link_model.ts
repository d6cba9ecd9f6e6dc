/**
 * One direction of a link as arithmetic: a drop-tail queue, a transmitter of fixed rate, then a
 * delay. It knows lengths and times, no bytes: a packet is the number of a slot in the caller's
 * memory, and time is an argument.
 *
 *     accept -> [ waiting: queue limit ] -> transmitter: rate -> [ in flight: delay, jitter ] -> due
 *
 * Promises: at most rate x time (plus one packet, and copies) leaves in any span; no packet leaves
 * earlier than its transmission time plus delay - jitter; without `reorder` packets leave in the order
 * they came.
 *
 * The rate counts IP packets, headers included and the Ethernet header not, as internet providers
 * count: one bulk TCP flow gets about 95 % of it as goodput (1448 of 1500 bytes, less the ramp).
 */

import { SeededRandom } from "./random.ts";

export interface DirectionSettings {
  /** 10^6 bits of IP packets per second; above 0. */
  rateMbit: number;
  delayMs: number;
  /** Each packet's delay is uniform in delay +- jitter; in order, so under load the mean rises. */
  jitterMs: number;
  /** Probability that a packet vanishes after it was transmitted, 0 to 1. */
  lossRate: number;
  /** Probability that a packet that is not lost arrives twice, 0 to 1. Copies cost no rate. */
  duplicateRate: number;
  /** The queue holds at most what the link transmits in this time, though always one packet. */
  queueMs: number;
  /** The queue holds at most these bytes; null: only `queueMs` limits it. */
  queueBytes: number | null;
  /** Larger IP packets vanish, and nobody is told: a black hole. Null: none is too large. */
  mtuBytes: number | null;
  /** Whether jitter may change the order of packets. */
  reorder: boolean;
  /** Carries nothing, and what was on the way is gone; nobody is told. */
  cut: boolean;
}

export const DEFAULT_SETTINGS: DirectionSettings = {
  rateMbit: 100,
  delayMs: 0,
  jitterMs: 0,
  lossRate: 0,
  duplicateRate: 0,
  queueMs: 100,
  queueBytes: null,
  mtuBytes: null,
  reorder: false,
  cut: false,
};

/** Longest packet the queue must always be able to take. */
const PACKET_BYTES_MAX = 1504;

type DropReason = "queue full" | "lost" | "cut" | "no slot" | "too large";

/** In place of a time: the packet has no copy that is still to come. */
const NO_COPY = -1;

export interface DirectionCounters {
  acceptedPackets: number;
  acceptedBytes: number;
  /** Copies included. */
  deliveredPackets: number;
  deliveredBytes: number;
  duplicatedPackets: number;
  dropped: Record<DropReason, number>;
}

export class LinkDirection {
  readonly counters: DirectionCounters = {
    acceptedPackets: 0,
    acceptedBytes: 0,
    deliveredPackets: 0,
    deliveredBytes: 0,
    duplicatedPackets: 0,
    dropped: { "queue full": 0, lost: 0, cut: 0, "no slot": 0, "too large": 0 },
  };
  #settings: DirectionSettings;
  #bytesPerMs = 0;
  #queueLimitBytes = 0;
  #random: SeededRandom;

  #lengths: Int32Array;
  #acceptedAtMs: Float64Array;
  #dueAtMs: Float64Array;
  #copyDueAtMs: Float64Array;
  #free: SlotRing;
  #waiting: SlotRing;
  #inFlight: SlotRing;
  #waitingBytes = 0;
  #busyUntilMs = 0;
  #lastDueMs = 0;
  #deliveredSlot = -1;

  constructor(settings: DirectionSettings, slotCount: number, seed: number) {
    this.#settings = settings;
    this.#random = new SeededRandom(seed);
    this.#lengths = new Int32Array(slotCount);
    this.#acceptedAtMs = new Float64Array(slotCount);
    this.#dueAtMs = new Float64Array(slotCount);
    this.#copyDueAtMs = new Float64Array(slotCount).fill(NO_COPY);
    this.#free = new SlotRing(slotCount);
    this.#waiting = new SlotRing(slotCount);
    this.#inFlight = new SlotRing(slotCount);
    for (let slot = 0; slot < slotCount; slot++) this.#free.push(slot);
    this.#applySettings();
  }

  get settings(): Readonly<DirectionSettings> {
    return this.#settings;
  }

  /** Bytes waiting to be transmitted. */
  get queuedBytes(): number {
    return this.#waitingBytes;
  }

  /** The slot the next packet belongs in; it stays the same until a packet is accepted. */
  get nextSlot(): number {
    return this.#free.first();
  }

  /** Takes the packet in `nextSlot`. Returns why it was dropped instead, or null. */
  accept(lengthBytes: number, nowMs: number): DropReason | null {
    this.#transmit(nowMs);
    if (this.#settings.cut) return this.#drop("cut");
    if (lengthBytes > (this.#settings.mtuBytes ?? Infinity)) return this.#drop("too large");
    if (this.#free.length === 1) return this.#drop("no slot"); // one must remain as `nextSlot`
    if (
      this.#waitingBytes + lengthBytes > this.#queueLimitBytes && this.#busyUntilMs > nowMs
    ) return this.#drop("queue full");
    const slot = this.#free.shift();
    this.#lengths[slot] = lengthBytes;
    this.#acceptedAtMs[slot] = nowMs;
    this.#waiting.push(slot);
    this.#waitingBytes += lengthBytes;
    this.counters.acceptedPackets++;
    this.counters.acceptedBytes += lengthBytes;
    return null;
  }

  /** The slot of the next packet that is due, or -1. It is the caller's until the next call. */
  pollDue(nowMs: number): number {
    if (this.#deliveredSlot >= 0) this.#release(this.#deliveredSlot);
    this.#deliveredSlot = -1;
    this.#transmit(nowMs);
    if (this.#inFlight.length === 0) return -1;
    if (this.#dueAtMs[this.#inFlight.first()]! > nowMs) return -1;
    const slot = this.#inFlight.shift();
    this.#deliveredSlot = slot;
    this.counters.deliveredPackets++;
    this.counters.deliveredBytes += this.#lengths[slot]!;
    return slot;
  }

  /** When `pollDue` should be called next; Infinity when nothing is on the way. */
  nextTimeoutMs(): number {
    const dueMs = this.#inFlight.length > 0 ? this.#dueAtMs[this.#inFlight.first()]! : Infinity;
    return this.#waiting.length > 0 ? Math.min(dueMs, this.#busyUntilMs) : dueMs;
  }

  /** Applies new settings to packets whose transmission has not begun. */
  change(settings: Partial<DirectionSettings>, nowMs: number): void {
    this.#transmit(nowMs);
    this.#settings = { ...this.#settings, ...settings };
    this.#applySettings();
    if (this.#settings.cut) this.#loseEverything(nowMs);
  }

  #applySettings(): void {
    const { rateMbit, queueMs, queueBytes } = this.#settings;
    if (!(rateMbit > 0)) throw new RangeError(`Cannot set a rate of ${rateMbit} Mbit/s`);
    this.#bytesPerMs = rateMbit * 1000 / 8;
    this.#queueLimitBytes = Math.max(
      PACKET_BYTES_MAX,
      Math.min(queueMs * this.#bytesPerMs, queueBytes ?? Infinity),
    );
  }

  // Starts at the time the transmitter became free, not at `nowMs`: being called late costs no rate.
  #transmit(nowMs: number): void {
    while (this.#waiting.length > 0 && this.#busyUntilMs <= nowMs) {
      const slot = this.#waiting.shift();
      const lengthBytes = this.#lengths[slot]!;
      const startMs = Math.max(this.#busyUntilMs, this.#acceptedAtMs[slot]!);
      this.#waitingBytes -= lengthBytes;
      this.#busyUntilMs = startMs + lengthBytes / this.#bytesPerMs;
      const { lossRate, reorder } = this.#settings;
      if (lossRate > 0 && this.#random.next() < lossRate) {
        this.#drop("lost");
        this.#free.push(slot);
        continue;
      }
      let dueMs = this.#busyUntilMs + this.#packetDelayMs();
      if (!reorder) dueMs = Math.max(dueMs, this.#lastDueMs);
      this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
      this.#dueAtMs[slot] = dueMs;
      this.#maybeDuplicate(slot);
      this.#inFlight.insertSorted(slot, this.#dueAtMs);
    }
  }

  #maybeDuplicate(slot: number): void {
    const { duplicateRate, reorder } = this.#settings;
    if (duplicateRate === 0 || this.#random.next() >= duplicateRate) return;
    // In order, the copy follows at once; else it makes its own way.
    const dueMs = this.#dueAtMs[slot]!;
    const copyDueMs = reorder ? this.#busyUntilMs + this.#packetDelayMs() : dueMs;
    this.#dueAtMs[slot] = Math.min(dueMs, copyDueMs);
    this.#copyDueAtMs[slot] = Math.max(dueMs, copyDueMs);
    this.counters.duplicatedPackets++;
  }

  /** Takes the slot back, unless a copy of its packet is still to come. */
  #release(slot: number): void {
    const copyDueMs = this.#copyDueAtMs[slot]!;
    if (copyDueMs === NO_COPY) {
      this.#free.push(slot);
      return;
    }
    const isNext = copyDueMs === this.#dueAtMs[slot];
    this.#copyDueAtMs[slot] = NO_COPY;
    this.#dueAtMs[slot] = copyDueMs;
    if (isNext) this.#inFlight.unshift(slot);
    else this.#inFlight.insertSorted(slot, this.#dueAtMs);
  }

  #packetDelayMs(): number {
    const { delayMs, jitterMs } = this.#settings;
    if (jitterMs === 0) return delayMs;
    return Math.max(0, delayMs + jitterMs * (2 * this.#random.next() - 1));
  }

  #loseEverything(nowMs: number): void {
    for (const ring of [this.#waiting, this.#inFlight]) {
      while (ring.length > 0) {
        this.#free.push(ring.shift());
        this.#drop("cut");
      }
    }
    this.#copyDueAtMs.fill(NO_COPY);
    this.#waitingBytes = 0;
    this.#busyUntilMs = Math.min(this.#busyUntilMs, nowMs);
    this.#lastDueMs = 0;
  }

  #drop(reason: DropReason): DropReason {
    this.counters.dropped[reason]++;
    return reason;
  }
}

/** A bounded queue of slot numbers. */
class SlotRing {
  length = 0;
  #slots: Int32Array;
  #head = 0;

  constructor(capacity: number) {
    this.#slots = new Int32Array(capacity);
  }

  first(): number {
    return this.#slots[this.#head]!;
  }

  push(slot: number): void {
    this.#slots[(this.#head + this.length) % this.#slots.length] = slot;
    this.length++;
  }

  unshift(slot: number): void {
    this.#head = (this.#head + this.#slots.length - 1) % this.#slots.length;
    this.#slots[this.#head] = slot;
    this.length++;
  }

  shift(): number {
    const slot = this.#slots[this.#head]!;
    this.#head = (this.#head + 1) % this.#slots.length;
    this.length--;
    return slot;
  }

  /** Keeps the ring ordered by `keys[slot]`; equal keys keep their order of insertion. */
  insertSorted(slot: number, keys: Float64Array): void {
    const capacity = this.#slots.length;
    let position = this.length++;
    for (; position > 0; position--) {
      const before = this.#slots[(this.#head + position - 1) % capacity]!;
      if (keys[before]! <= keys[slot]!) break;
      this.#slots[(this.#head + position) % capacity] = before;
    }
    this.#slots[(this.#head + position) % capacity] = slot;
  }
}
