/**
 * One end of a tunnel on virtual time: the product's scheduler, records and ordering, with links in
 * place of sockets. `flow` pins everything to the first link, unpaced, as a plain tunnel does.
 */
import { ReceivedRecords } from "../../lib/protocol/path/received_records.ts";
import { StreamOrder } from "../../lib/protocol/receive/stream_order.ts";
import { Aggregate, type Traffic } from "../../lib/protocol/schedule/aggregate/aggregate.ts";
import {
  NO_SLOT,
  PacketSlots,
  SLOT_ORDERED,
  SLOT_PRIORITY,
  SLOT_RECOVERABLE,
  SLOT_REPEATED,
} from "../../lib/protocol/schedule/aggregate/packet_slots.ts";
import type { LaneOptions, PathLane } from "../../lib/protocol/schedule/aggregate/path_lane.ts";
import { Acknowledgement } from "../../lib/protocol/wire/acknowledgement.ts";
import {
  ORDER_EXTENSION_LENGTH,
  ORDER_FLAG_PRIORITY,
  ORDER_FLAG_RECOVERABLE,
  ORDER_FLAG_REPEATED,
} from "../../lib/protocol/wire/order_extension.ts";
import { RECORD_OVERHEAD } from "../../lib/protocol/wire/header.ts";
import type { EventQueue } from "./event_queue.ts";
import type { Link } from "./link.ts";
import {
  type OrderedRecord,
  type RecordBook,
  RepairModel,
  type RepairOnWire,
} from "./repair_model.ts";

/** IPv4 and UDP, the record, and the order extension. */
export const OVERHEAD = 28 + RECORD_OVERHEAD + ORDER_EXTENSION_LENGTH;
const SLOTS = 8192;
const HEARTBEAT_MS = 200;
const HEARD_MS = 50;
/** A path that is later by more takes few answers. */
const SLOW_MS = 15;
/** A packet that the sender withholds (schedule/aggregate/bursts) is waited for, too. */
const PATIENCE_MS = 75;
/** A path on which nothing came for so long while data flowed may be gone. */
const QUIET_MS = 8;
const OWN_ANSWER_MS = 100;
/** The receivers' clock is another one. */
const SKEW_MS = 12_345.678;
const CONTROL_BYTES = 40 + OVERHEAD;

/** A packet inside the tunnel. */
export interface InnerPacket {
  /** Without the tunnel's overhead. */
  readonly bytes: number;
  readonly hash: number;
  readonly traffic: Traffic;
  /** Bytes of payload, of TCP. */
  readonly payload?: number;
  /** Of what is repeated: bytes of payload that were sent since its first one. */
  readonly behind?: number;
  /** Called where the packet leaves the tunnel. */
  readonly deliver: (now: number) => void;
}

interface Port {
  readonly id: number;
  readonly link: Link;
  readonly lane: PathLane;
  readonly received: ReceivedRecords;
  counter: number;
  heartbeatAt: number;
  answeredAt: number;
  /** When its last answer is told again on another path, should nothing come. */
  lastWordAt: number;
}

export class TunnelPeer {
  readonly aggregate: Aggregate;
  readonly order: StreamOrder;
  readonly slots = new PacketSlots(SLOTS);
  late = 0;
  duplicates = 0;
  readonly #events: EventQueue;
  readonly #packets: (InnerPacket | null)[] = new Array(SLOTS).fill(null);
  readonly #ports: Port[] = [];
  readonly #held: (InnerPacket | null)[] = [];
  readonly #freeHeld: number[] = [];
  #peer: TunnelPeer | null = null;
  #wakeAt = Infinity;
  /** Null: nothing is repaired. */
  readonly repairs: RepairModel<InnerPacket> | null;

  /** @param book of both peers, where they use repair records; else null. */
  constructor(events: EventQueue, book: RecordBook<InnerPacket> | null = null) {
    this.#events = events;
    this.repairs = book === null ? null : new RepairModel(book);
    this.aggregate = new Aggregate(this.slots, OVERHEAD);
    this.order = new StreamOrder({
      deliver: (slot) => {
        const packet = this.#held[slot]!;
        this.#held[slot] = null;
        this.#freeHeld.push(slot);
        this.#events.at(this.#events.now, packet.deliver);
      },
    });
  }

  connect(peer: TunnelPeer): void {
    this.#peer = peer;
  }

  addPath(options: LaneOptions, link: Link): void {
    const lane = this.aggregate.addPath(options);
    const received = new ReceivedRecords();
    this.#ports.push({
      id: options.id,
      link,
      lane,
      received,
      counter: 0,
      heartbeatAt: 0,
      answeredAt: 0,
      lastWordAt: Infinity,
    });
  }

  /** The link of a path is gone, and this end knows: it tells the peer what came last, and that. */
  linkFailed(id: number, now: number): void {
    const port = this.#ports.find((each) => each.id === id)!;
    const fastest = this.#fastestAnswer(port, true, now);
    const message = new Acknowledgement();
    message.pathId = id;
    if (port.received.acknowledge(message, now + SKEW_MS)) {
      this.#sendAnswer(fastest, message, now);
    }
    this.aggregate.linkFailed(port.lane, now);
    this.#sendControl(fastest, now, (then) => {
      const peer = this.#peer!;
      peer.aggregate.linkFailed(peer.aggregate.lane(id)!, then);
      peer.pump(then);
    });
    this.pump(now);
  }

  send(packet: InnerPacket, now: number): void {
    const slot = this.slots.take();
    if (slot === NO_SLOT) return;
    this.#packets[slot] = packet;
    const { bytes, hash, traffic, payload = 0, behind = Infinity } = packet;
    const isWaiting = behind <= this.aggregate.waitingPayload(hash);
    const kind = traffic === "repeated" && isWaiting ? "needless" : traffic;
    this.aggregate.offer(slot, bytes + OVERHEAD, hash, kind, now, payload);
    this.pump(now);
  }

  pump(now: number): void {
    this.aggregate.handleTimeout(now);
    this.order.handleTimeout(now);
    for (let slot = this.aggregate.poll(now); slot !== NO_SLOT; slot = this.aggregate.poll(now)) {
      this.#transmit(slot, now);
    }
    if (this.repairs !== null) this.#repair(this.repairs, now);
    this.#acknowledge(now);
    this.#heartbeats(now);
    this.#plan(now);
  }

  #plan(now: number): void {
    let next = Math.min(this.aggregate.nextTimeout(now), this.order.nextTimeout());
    for (const port of this.#ports) {
      next = Math.min(next, port.received.dueAt - SKEW_MS, port.heartbeatAt, port.lastWordAt);
    }
    next = Math.min(next, this.repairs?.nextTimeout(this.order.waitMs) ?? Infinity);
    next = Math.max(next, now + 0.02);
    if (next >= this.#wakeAt - 0.001 && this.#wakeAt > now) return;
    this.#wakeAt = next;
    this.#events.at(next, (then) => {
      if (this.#wakeAt !== next) return;
      this.#wakeAt = Infinity;
      this.pump(then);
    });
  }

  #transmit(slot: number, now: number): void {
    const { slots } = this;
    const port = this.#ports.find(({ lane }) => lane === this.aggregate.departing)!;
    const packet = this.#packets[slot]!;
    const counter = ++port.counter;
    const state = slots.flags[slot]!;
    const sequence = slots.sequence[slot]!;
    const order = slots.order[slot]!;
    const paths = slots.paths[slot]!;
    const stream = (state & SLOT_ORDERED) === 0 ? -1 : slots.stream[slot]!;
    const flags = ((state & SLOT_RECOVERABLE) === 0 ? 0 : ORDER_FLAG_RECOVERABLE) |
      ((state & SLOT_REPEATED) === 0 ? 0 : ORDER_FLAG_REPEATED) |
      ((state & SLOT_PRIORITY) === 0 ? 0 : ORDER_FLAG_PRIORITY);
    this.aggregate.sent(slot, 0, counter, now);
    port.heartbeatAt = now + HEARTBEAT_MS;
    const sendTime = Math.round(now * 1000) >>> 0;
    const record = { packet, stream, sequence, order, paths, flags };
    const number = stream === -1 ? -1 : this.repairs?.enter(record) ?? -1;
    port.link.send(packet.bytes + OVERHEAD, now, (then) => {
      const received = this.#peer!.#arrived(port.id, counter, packet.bytes, sendTime, then);
      received.expectAcknowledgement(then + SKEW_MS);
      this.#peer!.#receive(record, port.id, then);
      if (number !== -1) this.#peer!.#cameNumbered(port, counter, number, then);
      this.#peer!.pump(then);
    });
    if (number === -1) return;
    for (const repair of this.repairs!.left(port.id, counter, number, now)) {
      this.#sendRepair(repair, now);
    }
  }

  /** Repair records, and what is had back from them. */
  #repair(repairs: RepairModel<InnerPacket>, now: number): void {
    const up = this.#ports.filter(({ lane }) => lane.isOpen);
    const fastestMs = Math.min(...up.map(({ lane }) => lane.roundTripMs));
    const rateOf = (id: number) => this.aggregate.lane(id)!.capacity.estimate;
    repairs.judge(fastestMs, up.map(({ id }) => id), rateOf, now);
    for (const repair of repairs.due(now)) this.#sendRepair(repair, now);
    for (const { id, record } of repairs.timeout(this.order.waitMs, now)) {
      this.#receive(record, id, now);
    }
  }

  #sendRepair(repair: RepairOnWire, now: number): void {
    const { pathId } = repair.prefix;
    const lane = this.aggregate.fastestBeside(pathId, now);
    const port = this.#ports.find((each) => each.lane === lane);
    if (port === undefined) return;
    this.#sendControl(port, now, (then) => {
      const peer = this.#peer!;
      for (const record of peer.repairs!.repairCame(repair, peer.order.waitMs, then)) {
        peer.#receive(record, pathId, then);
      }
      peer.pump(then);
    }, repair.bytes + OVERHEAD);
  }

  #cameNumbered({ id }: Port, counter: number, number: number, now: number): void {
    for (const record of this.repairs!.came(id, counter, number, this.order.waitMs, now)) {
      this.#receive(record, id, now);
    }
  }

  #arrived(id: number, counter: number, bytes: number, sendTime: number, now: number) {
    const { received } = this.#ports.find((port) => port.id === id)!;
    received.arrived(0, counter, bytes, sendTime, now + SKEW_MS);
    return received;
  }

  #receive(record: OrderedRecord<InnerPacket>, path: number, now: number): void {
    const { packet, stream, sequence, order, paths, flags } = record;
    if (stream === -1) return packet.deliver(now);
    const slot = this.#freeHeld.pop() ?? this.#held.push(null) - 1;
    this.#held[slot] = packet;
    const result = this.order.push(stream, sequence, order, paths, flags, path, slot, now);
    if (result === "late") this.late++;
    if (result === "duplicate") {
      this.duplicates++;
      this.#held[slot] = null;
      this.#freeHeld.push(slot);
    }
  }

  #acknowledge(now: number): void {
    for (const port of this.#ports) {
      const isLastWord = now >= port.lastWordAt;
      if (isLastWord) port.lastWordAt = Infinity;
      const quietMs = now + SKEW_MS - port.received.arrivedAt;
      if (port.received.dueAt > now + SKEW_MS && !(isLastWord && quietMs >= QUIET_MS)) continue;
      const message = new Acknowledgement();
      message.pathId = port.id;
      const isUrgent = port.received.isUrgent(now + SKEW_MS);
      if (!port.received.acknowledge(message, now + SKEW_MS)) continue;
      const isQuiet = quietMs >= QUIET_MS;
      port.lastWordAt = isQuiet ? Infinity : port.received.arrivedAt - SKEW_MS + QUIET_MS;
      const fastest = this.#fastestAnswer(port, isQuiet, now);
      const isSlow = this.#answerDelay(port, now) > this.#answerDelay(fastest, now) + SLOW_MS;
      if ((isUrgent || isSlow || isQuiet) && fastest !== port) {
        this.#sendAnswer(fastest, message, now);
      }
      if (isSlow && now - port.answeredAt < OWN_ANSWER_MS) continue;
      port.answeredAt = now;
      this.#sendAnswer(port, message, now);
    }
    this.#tune();
  }

  #sendAnswer(over: Port, message: Acknowledgement, now: number): void {
    this.#sendControl(over, now, (then) => {
      this.#peer!.aggregate.acknowledge(message, then);
      this.#peer!.repairs?.acknowledged(message, then);
      this.#peer!.#tune();
      this.#peer!.pump(then);
    });
  }

  /**
   * A gap is told on the path that is there first, too, of those that were heard lately; and news of
   * a path that may be gone on the first of the others.
   */
  #fastestAnswer(own: Port, isQuiet: boolean, now: number): Port {
    let fastest = own;
    let least = isQuiet ? Infinity : this.#answerDelay(own, now);
    for (const each of this.#ports) {
      const isHeard = now + SKEW_MS - each.received.arrivedAt < HEARD_MS;
      if (each === own || each.lane.state !== "up" || !isHeard) continue;
      const delay = this.#answerDelay(each, now);
      if (delay >= least) continue;
      least = delay;
      fastest = each;
    }
    return fastest;
  }

  #answerDelay({ lane }: Port, now: number): number {
    return lane.priorityStartAt(now) - now + lane.lagMs;
  }

  #tune(): void {
    let least = Infinity;
    let most = -Infinity;
    let jitter = 0;
    let fastest = Infinity;
    for (const { received, lane } of this.#ports) {
      if (received.arrivedAt === -Infinity || lane.state !== "up") continue;
      least = Math.min(least, received.meanDelayMs);
      most = Math.max(most, received.meanDelayMs);
      jitter = Math.max(jitter, received.jitterMs);
      fastest = Math.min(fastest, lane.roundTripMs);
    }
    if (least === Infinity) return;
    this.order.waitMs = Math.min(100, most - least + 4 * jitter + 5);
    this.order.recoveryMs = Math.min(200, 2 * fastest + 4 * jitter + PATIENCE_MS);
  }

  #heartbeats(now: number): void {
    for (const port of this.#ports) {
      if (port.heartbeatAt > now) continue;
      port.heartbeatAt = now + HEARTBEAT_MS;
      port.lane.expectAcknowledgement(now);
      this.#sendControl(port, now, (then, id) => {
        this.#peer!.#ports.find((each) => each.id === id)!.received.expectAcknowledgement(
          then + SKEW_MS,
        );
        this.#peer!.pump(then);
      });
    }
  }

  #sendControl(
    port: Port,
    now: number,
    arrive: (now: number, id: number) => void,
    bytes = CONTROL_BYTES,
  ): void {
    const counter = ++port.counter;
    this.aggregate.sentOther(port.lane, 0, counter, bytes, now);
    const sendTime = Math.round(now * 1000) >>> 0;
    port.link.send(bytes, now, (then) => {
      this.#peer!.#arrived(port.id, counter, bytes - OVERHEAD, sendTime, then);
      arrive(then, port.id);
    });
  }
}
