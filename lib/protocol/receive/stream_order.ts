/**
 * Puts the packets of spread flows in order again, stream by stream. A gap is given up as soon as it
 * is proved lost: when every path that may have carried it has delivered something numbered later,
 * and the time that sending again takes has passed. Without proof, it is given up when the paths that
 * are behind have been silent for as long as the slowest path may be later. Late packets are
 * delivered all the same, since TCP can use them; duplicates are not. Has no clock.
 */
import {
  ORDER_FLAG_PRIORITY,
  ORDER_FLAG_RECOVERABLE,
  ORDER_FLAG_REPEATED,
} from "../wire/order_extension.ts";
import { STREAMS_MAX } from "../wire/header.ts";

const RING = 2048;
/** Room of a stream at first, a power of two: few have to wait for so much. */
const RING_MIN = 256;
const PATHS = 16;
const WAIT_MS_MAX = 100;
const RECOVERY_MS_MAX = 400;
/** A sender takes a path for silent so much later than its round trip (`aggregate/recovery.ts`). */
const SILENCE_MS = 60;
/** Held packets are looked at so often without an arrival. */
const LOOK_MS = 2;
const NONE = -1;

type PushResult = "delivered" | "held" | "late" | "duplicate" | "unknown stream";

/** Gets each packet that was pushed and not refused, once. */
export interface OrderedSink {
  deliver(slot: number): void;
}

class Stream {
  next: number;
  held = 0;
  /** When the gap before the first held packet was proved lost; Infinity while it is not. */
  provedAt = Infinity;
  mask = RING_MIN - 1;
  slot = new Int32Array(RING_MIN).fill(NONE);
  /** The sequence number that was last seen in a place, plus one: 0 for none. */
  seen = new Float64Array(RING_MIN);
  arrivedAt = new Float64Array(RING_MIN);
  order = new Uint32Array(RING_MIN);
  paths = new Uint16Array(RING_MIN);
  flags = new Uint16Array(RING_MIN);

  constructor(next: number) {
    this.next = next;
  }

  /** Makes room for a packet that is `ahead` of the next one: less than {@link RING}. */
  growFor(ahead: number): void {
    const { slot, seen, arrivedAt, order, paths, flags } = this;
    let room = slot.length;
    while (room <= ahead) room *= 2;
    this.mask = room - 1;
    this.slot = new Int32Array(room).fill(NONE);
    this.seen = new Float64Array(room);
    this.arrivedAt = new Float64Array(room);
    this.order = new Uint32Array(room);
    this.paths = new Uint16Array(room);
    this.flags = new Uint16Array(room);
    for (let place = 0; place < slot.length; place++) {
      if (seen[place] === 0) continue;
      const to = (seen[place]! - 1) & this.mask;
      this.slot[to] = slot[place]!;
      this.seen[to] = seen[place]!;
      this.arrivedAt[to] = arrivedAt[place]!;
      this.order[to] = order[place]!;
      this.paths[to] = paths[place]!;
      this.flags[to] = flags[place]!;
    }
  }
}

export class StreamOrder {
  /** How much later than the fastest path the slowest may be, in ms. */
  waitMs = WAIT_MS_MAX;
  /** How long sending again takes, in ms. */
  recoveryMs = WAIT_MS_MAX;
  heldPackets = 0;
  skipped = 0;
  readonly #streams: (Stream | null)[] = new Array(STREAMS_MAX).fill(null);
  readonly #holding: Stream[] = [];
  readonly #sink: OrderedSink;
  /** The highest order that each path delivered. */
  readonly #delivered = new Float64Array(PATHS).fill(NONE);
  readonly #deliveredAt = new Float64Array(PATHS).fill(-Infinity);
  /** When something that was sent again last came: there may be more of it. */
  #repeatedAt = -Infinity;
  #lookedAt = -Infinity;

  constructor(sink: OrderedSink) {
    this.#sink = sink;
  }

  /** Hot. A packet has come on `pathId`. */
  push(
    streamId: number,
    sequence: number,
    order: number,
    paths: number,
    flags: number,
    pathId: number,
    slot: number,
    now: number,
  ): PushResult {
    if (streamId >= STREAMS_MAX) return "unknown stream";
    if ((flags & ORDER_FLAG_REPEATED) !== 0) this.#repeatedAt = now;
    if ((flags & (ORDER_FLAG_REPEATED | ORDER_FLAG_PRIORITY)) === 0) this.#note(pathId, order, now);
    const stream = this.#streams[streamId] ??= new Stream(sequence);
    const ahead = (sequence - stream.next) | 0;
    if (ahead < 0) return this.#pushLate(stream, sequence, slot);
    if (ahead === 0 && stream.held === 0) return this.#pass(stream, sequence, slot);
    if (ahead >= RING) this.#restart(stream, sequence);
    else if (ahead > stream.mask) stream.growFor(ahead);
    const place = sequence & stream.mask;
    if (stream.slot[place] !== NONE) return "duplicate";
    stream.slot[place] = slot;
    stream.seen[place] = sequence + 1;
    stream.arrivedAt[place] = now;
    stream.order[place] = order;
    stream.paths[place] = paths;
    stream.flags[place] = flags;
    this.heldPackets++;
    if (stream.held++ === 0) this.#holding.push(stream);
    this.#advance(stream, now);
    return ((sequence - stream.next) | 0) < 0 ? "delivered" : "held";
  }

  /** It is the next one, and none waits for it. */
  #pass(stream: Stream, sequence: number, slot: number): PushResult {
    stream.seen[sequence & stream.mask] = sequence + 1;
    stream.next = (sequence + 1) >>> 0;
    stream.provedAt = Infinity;
    this.#sink.deliver(slot);
    return "delivered";
  }

  #note(pathId: number, order: number, now: number): void {
    const path = pathId & (PATHS - 1);
    this.#deliveredAt[path] = now;
    const before = this.#delivered[path]!;
    if (before === NONE || ((order - before) | 0) > 0) this.#delivered[path] = order;
  }

  #pushLate(stream: Stream, sequence: number, slot: number): PushResult {
    const place = sequence & stream.mask;
    if (stream.seen[place] === sequence + 1) return "duplicate";
    if (((stream.next - sequence) | 0) > stream.mask) return "duplicate";
    stream.seen[place] = sequence + 1;
    this.#sink.deliver(slot);
    return "late";
  }

  /** So far ahead that nothing before is worth waiting for. */
  #restart(stream: Stream, sequence: number): void {
    while (stream.held > 0) this.#skipTo(stream, this.#firstHeld(stream));
    const room = stream.mask + 1;
    if (((sequence - stream.next) | 0) >= room) stream.next = (sequence - room + 1) >>> 0;
  }

  /** Delivers what is in order, and what waits for something that is given up. */
  #advance(stream: Stream, now: number): void {
    while (stream.held > 0) {
      const place = stream.next & stream.mask;
      if (stream.slot[place] !== NONE) {
        this.#deliverRun(stream);
        continue;
      }
      const first = this.#firstHeld(stream);
      if (!this.#isGivenUp(stream, first & stream.mask, now)) return;
      this.skipped += (first - stream.next) | 0;
      this.#skipTo(stream, first);
    }
    const index = this.#holding.indexOf(stream);
    if (index !== -1) {
      this.#holding[index] = this.#holding[this.#holding.length - 1]!;
      this.#holding.pop();
    }
  }

  #skipTo(stream: Stream, sequence: number): void {
    stream.next = sequence;
    this.#deliverRun(stream);
  }

  #deliverRun(stream: Stream): void {
    stream.provedAt = Infinity;
    for (;;) {
      const place = stream.next & stream.mask;
      const slot = stream.slot[place]!;
      if (slot === NONE) return;
      stream.slot[place] = NONE;
      stream.held--;
      this.heldPackets--;
      stream.next = (stream.next + 1) >>> 0;
      this.#sink.deliver(slot);
    }
  }

  #firstHeld(stream: Stream): number {
    let sequence = stream.next;
    while (stream.slot[sequence & stream.mask] === NONE) sequence = (sequence + 1) >>> 0;
    return sequence;
  }

  #isGivenUp(stream: Stream, place: number, now: number): boolean {
    const isRecoverable = (stream.flags[place]! & ORDER_FLAG_RECOVERABLE) !== 0;
    const recovery = isRecoverable ? this.recoveryMs : 0;
    const arrivedAt = stream.arrivedAt[place]!;
    const behindAt = this.#behindAt(stream, place);
    if (stream.provedAt === Infinity && behindAt === -Infinity) stream.provedAt = now;
    if (now - Math.max(stream.provedAt, this.#repeatedAt) >= recovery && stream.provedAt <= now) {
      return true;
    }
    if (now - arrivedAt >= (isRecoverable ? RECOVERY_MS_MAX : WAIT_MS_MAX)) return true;
    // A path that delivers, but is behind, will bring what is missing or prove it lost.
    const lastHopeAt = Math.max(arrivedAt, behindAt, this.#repeatedAt);
    // One that was cut is found first, before what it had is sent again.
    const findingMs = isRecoverable ? SILENCE_MS : 0;
    return now - lastHopeAt >= this.waitMs + recovery + findingMs;
  }

  /**
   * When something last came on the paths that may still bring what is before the packet in `place`;
   * -Infinity when there is none: what is missing is lost.
   */
  #behindAt(stream: Stream, place: number): number {
    const order = stream.order[place]!;
    let behindAt = -Infinity;
    for (let path = 0, paths = stream.paths[place]!; paths !== 0; path++, paths >>>= 1) {
      if ((paths & 1) === 0) continue;
      const delivered = this.#delivered[path]!;
      if (delivered !== NONE && ((delivered - order) | 0) >= 0) continue;
      behindAt = Math.max(behindAt, this.#deliveredAt[path]!, 0);
    }
    return behindAt;
  }

  /** Delivers all that waits, whatever is missing. */
  giveUpAll(now: number): void {
    for (let stream = this.#holding.at(-1); stream !== undefined; stream = this.#holding.at(-1)) {
      while (stream.held > 0) {
        const first = this.#firstHeld(stream);
        this.skipped += (first - stream.next) | 0;
        this.#skipTo(stream, first);
      }
      this.#advance(stream, now);
    }
  }

  /** Looks at what waits. */
  handleTimeout(now: number): void {
    this.#lookedAt = now;
    for (let index = this.#holding.length - 1; index >= 0; index--) {
      this.#advance(this.#holding[index]!, now);
    }
  }

  nextTimeout(): number {
    return this.#holding.length === 0 ? Infinity : this.#lookedAt + LOOK_MS;
  }
}
