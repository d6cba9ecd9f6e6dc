/**
 * Which counters of a path arrived, and how late, for acknowledgements to the sender. Remembers the
 * last {@link WINDOW} counters; older gaps, or those older than {@link GAP_MS}, are not reported.
 */
import { US_PER_MS } from "../wire/units.ts";
import { type Acknowledgement, GAPS_MAX } from "../wire/acknowledgement.ts";

const WINDOW = 4096;
const WINDOW_MASK = WINDOW - 1;
/** A sender keeps no record for longer. */
const GAP_MS = 300;
const GAIN = 1 / 16;
const U32 = 0x1_0000_0000;
/** While data flows; */
const ACKNOWLEDGE_MS = 20;
/** and after so many records: the sender keeps them until then, and has room for a few thousand. */
const ACKNOWLEDGE_RECORDS = 512;
/** A gap is told at once, but with those that follow on its heels. */
const GAP_BATCH_MS = 2;
const URGENT_MS = 100;

export class ReceivedRecords {
  /** When an acknowledgement is due; Infinity when nothing new has come. */
  dueAt = Infinity;
  /** When an acknowledgement was last written. */
  toldAt = -Infinity;
  /** Whether a packet has arrived that no acknowledgement has told of. */
  hasNewPackets = false;
  readonly #arrived = new Uint8Array(WINDOW);
  #epoch = -1;
  #highest = 0;
  /** Below, everything has arrived or is given up. */
  #from = 1;
  #received = 0;
  #bytes = 0;
  /** What `#received` was when the last acknowledgement was written. */
  #acknowledged = 0;
  #arrivedAt = -Infinity;
  /** Of the first record of those that were sent last: what leaves together waits for each other. */
  #measuredAt = -Infinity;
  #sendTime = 0;
  /** Delays relative to the first one, in microseconds. */
  #origin = 0;
  #least = Infinity;
  #mean = 0;
  #jitter = 0;
  #relative = 0;
  #gapAt = -Infinity;
  #hasNewGap = false;
  /** What is below has been told of often enough. */
  #told = 1;
  /** The highest counter of a while ago: gaps below it are given up in turn. */
  #markedAt = -Infinity;
  #marked = 0;
  #markedBefore = 0;

  /** Mean deviation of the delay, in ms. */
  get jitterMs(): number {
    return this.#jitter / US_PER_MS;
  }

  /** The average of receiver's clock minus send time, in ms; only differences of paths mean something. */
  get meanDelayMs(): number {
    return (this.#origin + this.#mean) / US_PER_MS;
  }

  /** When a record last arrived. */
  get arrivedAt(): number {
    return this.#arrivedAt;
  }

  /**
   * Hot. An authentic record has come.
   * @param epoch low 8 bits of the key's.
   * @param sendTime the sender's clock, microseconds modulo 2^32.
   */
  arrived(epoch: number, counter: number, bytes: number, sendTime: number, now: number): void {
    this.#received++;
    this.#bytes += bytes;
    this.#measure(sendTime, now);
    if (epoch !== this.#epoch) {
      if (this.#epoch !== -1 && ((epoch - this.#epoch) & 0xff) > 127) return;
      this.#begin(epoch, counter);
    }
    if (counter > this.#highest) this.#advance(counter, now);
    else if (counter >= this.#from) this.#arrived[counter & WINDOW_MASK] = 1;
  }

  #begin(epoch: number, counter: number): void {
    this.#epoch = epoch;
    this.#arrived.fill(0);
    this.#from = this.#told = counter;
    this.#highest = counter - 1;
    this.#marked = this.#markedBefore = 0;
  }

  /** Something arrived that is acknowledged at `time` at the latest. */
  acknowledgeAt(time: number): void {
    this.dueAt = Math.min(this.dueAt, time);
  }

  /** Hot. A packet arrived, which is to be acknowledged. */
  expectAcknowledgement(now: number): void {
    this.hasNewPackets = true;
    const isMuch = this.#received - this.#acknowledged >= ACKNOWLEDGE_RECORDS;
    const delay = isMuch ? 0 : this.#hasNewGap ? GAP_BATCH_MS : ACKNOWLEDGE_MS;
    this.acknowledgeAt(now + delay);
  }

  /** Whether a gap opened lately, so that the acknowledgement takes the fastest path. */
  isUrgent(now: number): boolean {
    return now - this.#gapAt < URGENT_MS;
  }

  /** The record got lost, and was had back: it need not be sent again. */
  repaired(epoch: number, counter: number): void {
    const isKnown = epoch === this.#epoch && counter >= this.#from && counter <= this.#highest;
    if (isKnown) this.#arrived[counter & WINDOW_MASK] = 1;
  }

  #advance(counter: number, now: number): void {
    if (counter > this.#highest + 1) {
      this.#gapAt = now;
      this.#hasNewGap = true;
    }
    const first = Math.max(this.#highest + 1, counter - WINDOW + 1);
    for (let each = first; each < counter; each++) this.#arrived[each & WINDOW_MASK] = 0;
    this.#arrived[counter & WINDOW_MASK] = 1;
    this.#highest = counter;
    const oldest = counter - WINDOW + 1;
    if (this.#from < oldest) this.#from = oldest;
    if (this.#told < oldest) this.#told = oldest;
  }

  #measure(sendTime: number, now: number): void {
    if (sendTime === this.#sendTime && this.#arrivedAt !== -Infinity) {
      this.#arrivedAt = now;
      return;
    }
    const delay = Math.round(now * US_PER_MS) - sendTime;
    if (this.#arrivedAt === -Infinity) this.#origin = delay;
    const relative = (delay - this.#origin) | 0;
    if (this.#arrivedAt === -Infinity) this.#mean = this.#relative = relative;
    this.#mean += GAIN * (relative - this.#mean);
    // From one to the next (RFC 3550, 6.4.1): a queue that grows is no jitter.
    this.#jitter += GAIN * (Math.abs(relative - this.#relative) - this.#jitter);
    this.#relative = relative;
    if (relative < this.#least) this.#least = relative;
    this.#sendTime = sendTime;
    this.#arrivedAt = this.#measuredAt = now;
  }

  /** Writes what there is to tell. False when nothing has arrived yet. */
  acknowledge(message: Acknowledgement, now: number): boolean {
    this.dueAt = Infinity;
    this.#hasNewGap = this.hasNewPackets = false;
    this.#acknowledged = this.#received;
    this.toldAt = now;
    if (this.#arrivedAt === -Infinity) return false;
    this.#settle(now);
    message.epoch = this.#epoch;
    message.highest = this.#highest;
    message.received = this.#received % U32;
    message.bytes = this.#bytes % U32;
    message.clock = Math.round(now * US_PER_MS) % U32;
    message.echo = this.#sendTime;
    message.hold = Math.round((now - this.#measuredAt) * US_PER_MS) >>> 0;
    if (this.#least === Infinity) this.#least = this.#mean;
    message.delay = (this.#origin + Math.round(this.#least)) >>> 0;
    message.jitter = Math.round(this.#jitter);
    this.#least = Infinity;
    this.#writeGaps(message);
    return true;
  }

  /** Moves `#from` over what has arrived, and over gaps that are too old. */
  #settle(now: number): void {
    if (now - this.#markedAt >= GAP_MS) {
      this.#from = Math.max(this.#from, this.#markedBefore);
      this.#told = Math.max(this.#told, this.#markedBefore);
      this.#markedBefore = this.#marked;
      this.#marked = this.#highest;
      this.#markedAt = now;
    }
    while (this.#from < this.#highest && this.#arrived[this.#from & WINDOW_MASK] === 1) {
      this.#from++;
    }
  }

  /** The newest gaps: the older ones have been told before. */
  #writeGaps(message: Acknowledgement): void {
    let gaps = 0;
    let at = this.#highest;
    message.from = Math.min(this.#told, this.#from);
    while (at > this.#from) {
      at--;
      if (this.#arrived[at & WINDOW_MASK] === 1) continue;
      if (gaps === GAPS_MAX) {
        message.from = at + 1;
        break;
      }
      const end = at;
      while (at > this.#from && this.#arrived[(at - 1) & WINDOW_MASK] === 0) at--;
      message.gapStart[gaps] = at;
      message.gapLength[gaps] = end - at + 1;
      gaps++;
    }
    message.gaps = gaps;
    message.gapStart.subarray(0, gaps).reverse();
    message.gapLength.subarray(0, gaps).reverse();
  }
}
