/**
 * A model of one TCP transfer without end: selective acknowledgements, losses found by time as RACK
 * does (RFC 8985), tail probes, timeouts. Sequence numbers count packets.
 */
// long: sender and receiver of one transfer are read together
import type { CongestionControl } from "./congestion_control.ts";
import type { EventQueue } from "./event_queue.ts";
import type { TunnelPeer } from "./tunnel_peer.ts";

const DATA_BYTES = 1400;
export const PAYLOAD_BYTES = DATA_BYTES - 52;
const ACK_BYTES = 52;
const RING = 1 << 14;
const MASK = RING - 1;
const RTO_MS_MIN = 200;
const DELAYED_ACK_MS = 40;

const FLYING = 1;
const SACKED = 2;
const LOST = 3;

interface Ack {
  readonly cumulative: number;
  /** Received beyond: pairs of first and behind the last. */
  readonly blocks: readonly number[];
}

export class TcpFlow {
  /** Bytes of payload that the receiver's application has, and when it last got some. */
  goodput = 0;
  lastDeliveryAt = 0;
  longestGapMs = 0;
  retransmitted = 0;
  timeouts = 0;
  gapsFrom = Infinity;
  readonly control: CongestionControl;
  readonly #events: EventQueue;
  readonly #sender: TunnelPeer;
  readonly #receiver: TunnelPeer;
  readonly #hash: number;
  readonly #state = new Uint8Array(RING);
  readonly #sentAt = new Float64Array(RING);
  readonly #isRepeat = new Uint8Array(RING);
  readonly #deliveredThen = new Float64Array(RING);
  readonly #deliveredTimeThen = new Float64Array(RING);
  readonly #firstSentThen = new Float64Array(RING);
  #una = 0;
  #next = 0;
  #inFlight = 0;
  #lostCount = 0;
  #highestSacked = -1;
  #delivered = 0;
  #deliveredTime = 0;
  #firstSent = 0;
  #roundEnd = 0;
  #recoverUntil = -1;
  /** While it recovers, and more is in flight than the window: what was, arrived and was sent since. */
  #recoverFlight = 1;
  #recoverDelivered = 0;
  #recoverSent = 0;
  #rackSentAt = -1;
  #rackRtt = 0;
  #smoothed = 0;
  #variation = 0;
  #leastRtt = Infinity;
  #hasReordering = false;
  #reorderSteps = 1;
  #timerAt = Infinity;
  #rackAt = Infinity;
  #backoff = 1;
  #paceAt = 0;
  #isPacing = false;
  #probed = false;
  // receiver
  readonly #have = new Uint8Array(RING);
  #expected = 0;
  #highestSeen = -1;
  #unacknowledged = 0;
  #lastBlock = 0;
  #told = 0;
  #ackTimer = 0;

  constructor(
    events: EventQueue,
    sender: TunnelPeer,
    receiver: TunnelPeer,
    control: CongestionControl,
    hash: number,
  ) {
    this.#events = events;
    this.#sender = sender;
    this.#receiver = receiver;
    this.control = control;
    this.#hash = hash;
  }

  start(at: number): void {
    this.#events.at(at, (now) => {
      this.#deliveredTime = this.#firstSent = now;
      this.#fill(now);
    });
  }

  // Sender

  #fill(now: number): void {
    const { control } = this;
    while (this.#maySend() && this.#next - this.#una < RING - 64) {
      if (Number.isFinite(control.pacingRate)) {
        if (this.#paceAt > now + 1e-6) return this.#wakeForPacing();
        this.#paceAt = Math.max(now - 1, this.#paceAt) + 1 / control.pacingRate;
      }
      const lost = this.#lostCount > 0 ? this.#firstLost() : -1;
      if (lost !== -1) this.#transmit(lost, true, now);
      else this.#transmit(this.#next++, false, now);
    }
  }

  /** Proportional rate reduction (RFC 6937), and the first repetition at once. */
  #maySend(): boolean {
    const { window, pacingRate } = this.control;
    if (this.#inFlight < Math.floor(window)) return true;
    if (this.#recoverUntil === -1 || Number.isFinite(pacingRate)) return false;
    const allowed = Math.max(1, this.#recoverDelivered * window / this.#recoverFlight);
    return this.#lostCount > 0 && this.#recoverSent < Math.ceil(allowed);
  }

  #wakeForPacing(): void {
    if (this.#isPacing) return;
    this.#isPacing = true;
    this.#events.at(this.#paceAt, (now) => {
      this.#isPacing = false;
      this.#fill(now);
    });
  }

  #firstLost(): number {
    for (let each = this.#una; each < this.#next; each++) {
      if (this.#state[each & MASK] === LOST) return each;
    }
    return -1;
  }

  #transmit(sequence: number, isRepeat: boolean, now: number): void {
    const place = sequence & MASK;
    this.#recoverSent++;
    if (this.#inFlight === 0) this.#firstSent = this.#deliveredTime = now;
    if (isRepeat) {
      this.retransmitted++;
      if (this.#state[place] === LOST) this.#lostCount--;
    }
    if (this.#state[place] !== FLYING || !isRepeat) this.#inFlight++;
    this.#state[place] = FLYING;
    this.#isRepeat[place] = isRepeat ? 1 : 0;
    this.#sentAt[place] = now;
    this.#deliveredThen[place] = this.#delivered;
    this.#deliveredTimeThen[place] = this.#deliveredTime;
    this.#firstSentThen[place] = this.#firstSent;
    if (this.#timerAt === Infinity) this.#armTimer(now);
    this.#sender.send({
      bytes: DATA_BYTES,
      hash: this.#hash,
      traffic: isRepeat ? "repeated" : "tcp",
      payload: PAYLOAD_BYTES,
      behind: (this.#next - sequence) * PAYLOAD_BYTES,
      deliver: (then) => this.#arrived(sequence, then),
    }, now);
  }

  #rto(): number {
    const rto = this.#smoothed === 0
      ? 1000
      : this.#smoothed + Math.max(4 * this.#variation, RTO_MS_MIN);
    return rto * this.#backoff;
  }

  #armTimer(now: number): void {
    const probe = !this.#probed && this.#smoothed > 0 ? 2 * this.#smoothed + 2 : Infinity;
    this.#timerAt = now + Math.min(this.#rto(), probe);
    const at = this.#timerAt;
    this.#events.at(at, (then) => {
      if (this.#timerAt === at) this.#timerFired(then);
    });
  }

  #timerFired(now: number): void {
    this.#timerAt = Infinity;
    if (this.#una === this.#next) return;
    if (!this.#probed && this.#smoothed > 0) {
      this.#probed = true;
      this.#transmit(this.#next - 1, true, now);
    } else {
      this.timeouts++;
      this.#backoff = Math.min(64, this.#backoff * 2);
      this.control.timedOut();
      this.#recoverUntil = this.#next;
      for (let each = this.#una; each < this.#next; each++) {
        if (this.#state[each & MASK] === FLYING) this.#markLost(each);
      }
      this.#fill(now);
    }
    if (this.#timerAt === Infinity) this.#armTimer(now);
  }

  #markLost(sequence: number): void {
    this.#state[sequence & MASK] = LOST;
    this.#inFlight--;
    this.#lostCount++;
  }

  #acknowledged(ack: Ack, now: number): void {
    let delivered = 0;
    let rtt: number | null = null;
    let newest = -1;
    const before = this.#delivered;
    const take = (sequence: number) => {
      const place = sequence & MASK;
      const state = this.#state[place];
      if (state === SACKED || state === 0) return;
      if (state === LOST) this.#lostCount--;
      else this.#inFlight--;
      this.#state[place] = SACKED;
      this.#delivered++;
      delivered++;
      const sentAt = this.#sentAt[place]!;
      if (this.#isRepeat[place] === 0) {
        rtt = now - sentAt;
        if (sequence < this.#highestSacked) this.#hasReordering = true;
      }
      if (
        sentAt >= this.#rackSentAt &&
        (this.#isRepeat[place] === 0 || now - sentAt >= this.#leastRtt)
      ) {
        this.#rackSentAt = sentAt;
        this.#rackRtt = now - sentAt;
      }
      if (newest === -1 || sentAt >= this.#sentAt[newest & MASK]!) newest = sequence;
      if (sequence > this.#highestSacked) this.#highestSacked = sequence;
    };
    for (let index = 0; index < ack.blocks.length; index += 2) {
      const first = Math.max(ack.blocks[index]!, this.#una);
      for (let each = first; each < ack.blocks[index + 1]!; each++) take(each);
    }
    for (let each = this.#una; each < ack.cumulative; each++) take(each);
    if (ack.cumulative > this.#una) {
      for (let each = this.#una; each < ack.cumulative; each++) this.#state[each & MASK] = 0;
      this.#una = ack.cumulative;
    }
    this.#recoverDelivered += delivered;
    if (delivered > 0) this.#progress(newest, delivered, before, rtt, now);
    this.#detectLoss(now);
    this.#fill(now);
  }

  #progress(newest: number, delivered: number, before: number, rtt: number | null, now: number) {
    if (rtt !== null) this.#measure(rtt);
    const place = newest & MASK;
    const sent = this.#sentAt[place]! - this.#firstSentThen[place]!;
    const took = Math.max(sent, now - this.#deliveredTimeThen[place]!);
    this.#deliveredTime = now;
    this.#firstSent = this.#sentAt[place]!;
    const isRoundStart = this.#deliveredThen[place]! >= this.#roundEnd;
    if (isRoundStart) this.#roundEnd = this.#delivered;
    const count = this.#delivered - this.#deliveredThen[place]!;
    const rate = took >= this.#leastRtt * 0.9 ? count / took : null;
    void before;
    if (this.#recoverUntil !== -1 && this.#una >= this.#recoverUntil) {
      this.#recoverUntil = -1;
      this.control.lossEnds();
    }
    this.control.acknowledged({
      now,
      delivered,
      rtt,
      rate,
      inFlight: this.#inFlight,
      isRoundStart,
    });
    this.#backoff = 1;
    this.#probed = false;
    if (this.#una < this.#next) this.#armTimer(now);
    else this.#timerAt = Infinity;
  }

  #measure(rtt: number): void {
    this.#leastRtt = Math.min(this.#leastRtt, rtt);
    if (this.#smoothed === 0) {
      this.#smoothed = rtt;
      this.#variation = rtt / 2;
    } else {
      this.#variation += (Math.abs(rtt - this.#smoothed) - this.#variation) / 4;
      this.#smoothed += (rtt - this.#smoothed) / 8;
    }
  }

  #detectLoss(now: number): void {
    if (this.#highestSacked < this.#una) return;
    const isStrict = !this.#hasReordering;
    const window = isStrict ? 0 : Math.min(this.#smoothed, this.#reorderSteps * this.#leastRtt / 4);
    let next = Infinity;
    for (let each = this.#una; each < this.#highestSacked; each++) {
      const place = each & MASK;
      if (this.#state[place] !== FLYING || this.#sentAt[place]! > this.#rackSentAt) continue;
      if (isStrict && this.#highestSacked - each < 3) continue;
      const due = this.#sentAt[place]! + this.#rackRtt + window;
      if (now >= due - 1e-9) this.#loseNow(each, now);
      else next = Math.min(next, due);
    }
    if (next < this.#rackAt || this.#rackAt < now) {
      this.#rackAt = next;
      if (next !== Infinity) {
        this.#events.at(next, (then) => {
          if (this.#rackAt !== next) return;
          this.#rackAt = Infinity;
          this.#detectLoss(then);
          this.#fill(then);
        });
      }
    }
  }

  #loseNow(sequence: number, now: number): void {
    this.#markLost(sequence);
    if (this.#recoverUntil !== -1) return;
    this.#recoverUntil = this.#next;
    this.#recoverFlight = this.#inFlight + 1;
    this.#recoverDelivered = this.#recoverSent = 0;
    this.control.lossBegins(now, this.#inFlight);
  }

  // Receiver

  #arrived(sequence: number, now: number): void {
    const place = sequence & MASK;
    const isOld = sequence < this.#expected || this.#have[place] === 1;
    if (isOld) {
      if (this.#reorderSteps < 16) this.#reorderSteps++;
      return this.#acknowledge(now);
    }
    this.#have[place] = 1;
    if (sequence > this.#highestSeen) this.#highestSeen = sequence;
    this.#lastBlock = sequence;
    const before = this.#expected;
    while (this.#have[this.#expected & MASK] === 1) this.#have[this.#expected++ & MASK] = 0;
    if (this.#expected > before) this.#deliver(this.#expected - before, now);
    if (
      this.#highestSeen >= this.#expected || ++this.#unacknowledged >= 2 ||
      before + 1 < this.#expected
    ) {
      return this.#acknowledge(now);
    }
    const timer = ++this.#ackTimer;
    this.#events.at(now + DELAYED_ACK_MS, (then) => {
      if (timer === this.#ackTimer && this.#unacknowledged > 0) this.#acknowledge(then);
    });
  }

  #deliver(packets: number, now: number): void {
    this.goodput += packets * PAYLOAD_BYTES;
    if (now >= this.gapsFrom) {
      const since = Math.max(this.lastDeliveryAt, this.gapsFrom);
      this.longestGapMs = Math.max(this.longestGapMs, now - since);
    }
    this.lastDeliveryAt = now;
  }

  #acknowledge(now: number): void {
    this.#unacknowledged = 0;
    this.#ackTimer++;
    const ack: Ack = { cumulative: this.#expected, blocks: this.#blocks() };
    const isPlain = ack.blocks.length === 0 && this.#expected > this.#told;
    this.#told = this.#expected;
    this.#receiver.send({
      bytes: ACK_BYTES,
      hash: ~this.#hash,
      traffic: isPlain ? "acknowledgement" : "tcp",
      deliver: (then) => this.#acknowledged(ack, then),
    }, now);
  }

  /** The block around the packet that came last, and the two highest ones. */
  #blocks(): number[] {
    if (this.#highestSeen < this.#expected) return [];
    const blocks: number[] = [];
    for (const start of [this.#lastBlock, this.#highestSeen]) {
      if (start < this.#expected || this.#have[start & MASK] === 0) continue;
      let first = start;
      while (first > this.#expected && this.#have[(first - 1) & MASK] === 1) first--;
      let end = start + 1;
      while (end <= this.#highestSeen && this.#have[end & MASK] === 1) end++;
      if (blocks[0] !== first) blocks.push(first, end);
    }
    return blocks;
  }
}
