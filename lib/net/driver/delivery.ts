/** The last inbound stages: reorders packets that need it, and passes all to the TUN device. */
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import type { DropCounters } from "../../protocol/wire/drop_reason.ts";
import {
  DELIVER_NOW,
  DUPLICATE,
  EMPTY,
  LATE,
  OVERFLOW,
} from "../../protocol/receive/reorder_buffer.ts";
import { FlowKey, readPacketHeaders } from "../../protocol/packet/flow_key.ts";
import { FLAG_PARTIAL_CHECKSUM } from "../../protocol/wire/header.ts";
import type { ClientLimits } from "./client_limits.ts";
import type { PacketSink } from "./ends.ts";
import type { OrderExtension } from "../../protocol/wire/order_extension.ts";
import type { PacketPlace } from "./flow_ordering.ts";
import type { PacketMemory } from "./memory.ts";
import type { PacketCells } from "./packet_cells.ts";
import { NO_SLOT } from "./packet_store.ts";
import type { ReorderStream } from "./reordering.ts";
import type { SessionEntry } from "./sessions.ts";

/** How often the waiting times are adapted to the paths. */
const TUNE_MS = 20;

export class Delivery<S extends Cipher, O extends Cipher> {
  readonly #sink: PacketSink;
  readonly #cells: PacketCells;
  readonly #drops: DropCounters;
  readonly #flow = new FlowKey();
  /** When the packet under way came, or was released. */
  #now = 0;
  /** Packets of a client whose turn has come, until they are written. */
  readonly #leaving: number[] = [];

  /** @param cells memory of the packets that sessions hold. */
  constructor(sink: PacketSink, cells: PacketCells, drops: DropCounters) {
    this.#sink = sink;
    this.#cells = cells;
    this.#drops = drops;
  }

  /** Hot. Delivers a packet, which must stay in place until `flush`. */
  deliver(
    entry: SessionEntry<S, O>,
    memory: PacketMemory,
    packet: number,
    length: number,
    flags: number,
    now: number,
  ): void {
    this.#now = now;
    this.#deliver(entry, memory, packet, length, flags);
  }

  #deliver(
    entry: SessionEntry<S, O>,
    memory: PacketMemory,
    packet: number,
    length: number,
    flags: number,
  ): void {
    const flow = this.#flow;
    const { limits } = entry;
    if (!readPacketHeaders(memory.view, packet, length, flow)) return this.#drops.count("not IP");
    if (entry.spec.role === "server" && !entry.isSource(flow) && limits?.isRouted(flow) !== true) {
      return this.#drops.count("foreign source");
    }
    if (entry.session.takeProof(memory.view, flow)) return;
    if (limits !== null && !this.#admits(limits, memory, packet, length, flags)) return;
    const isPartial = (flags & FLAG_PARTIAL_CHECKSUM) !== 0;
    this.#sink.deliver(memory, packet, flow, isPartial);
  }

  /** Hot. Whether the client may send the packet, and at once; one that has to wait is copied. */
  #admits(
    limits: ClientLimits,
    memory: PacketMemory,
    packet: number,
    length: number,
    flags: number,
  ): boolean {
    if (!limits.reaches(this.#flow)) {
      limits.beyondReach++;
      this.#drops.count("beyond reach");
      return false;
    }
    const { up } = limits;
    if (up !== null && !up.pass(length, this.#now)) {
      if (!up.hold(memory, packet, length, flags)) this.#drops.count("over rate");
      return false;
    }
    limits.count(length);
    return true;
  }

  /** Hot. Delivers what had to wait for the client's rate and whose turn has come. */
  releaseLimited(limits: ClientLimits, now: number): void {
    const { up } = limits;
    if (up === null || up.waiting === 0) return;
    const flow = this.#flow;
    for (let slot = up.take(now); slot !== NO_SLOT; slot = up.take(now)) {
      const { memory, offset, length, flags } = up.get(slot);
      this.#leaving.push(slot);
      limits.count(length);
      if (!readPacketHeaders(memory.view, offset, length, flow)) continue;
      this.#sink.deliver(memory, offset, flow, (flags & FLAG_PARTIAL_CHECKSUM) !== 0);
    }
    if (this.#leaving.length === 0) return;
    this.flush();
    for (let index = 0; index < this.#leaving.length; index++) up.release(this.#leaving[index]!);
    this.#leaving.length = 0;
  }

  /** Hot. Call before the memory of delivered packets is reused. */
  flush(): void {
    this.#sink.flush();
    this.#cells.reclaim();
  }

  /** Hot. Delivers a packet when its turn has come. `streamId` is 0 where there is one sequence. */
  reorder(
    entry: SessionEntry<S, O>,
    streamId: number,
    sequence: number,
    memory: PacketMemory,
    packet: number,
    length: number,
    flags: number,
    now: number,
  ): void {
    const stream = entry.reordering.stream(streamId);
    if (stream === null) return this.#drops.count("no room for path");
    this.#now = now;
    const answer = this.#offer(entry, stream, sequence, now);
    if (answer === DELIVER_NOW) {
      this.#deliver(entry, memory, packet, length, flags);
    } else if (answer >= 0) {
      if (!stream.store(answer, memory.bytes, packet, length, flags)) {
        // Out of order is better than lost.
        stream.buffer.markEmpty(answer);
        this.#deliver(entry, memory, packet, length, flags);
      }
    } else if (answer === LATE && entry.session.wire.refusesReplays) {
      // The record was accepted once, so nobody has had the packet yet, and TCP can use it.
      this.#deliver(entry, memory, packet, length, flags);
    } else {
      this.#drops.count(answer === DUPLICATE ? "duplicate" : "late");
    }
    this.#drain(entry, stream, now);
  }

  /** Hot. Delivers a packet of a flow that uses several paths when its turn has come. */
  order(
    entry: SessionEntry<S, O>,
    streamId: number,
    sequence: number,
    extension: OrderExtension,
    pathId: number,
    at: PacketPlace,
    now: number,
  ): void {
    this.#now = now;
    const ordering = entry.ordering(this.#deliverHeld);
    const acknowledgements = entry.session.acknowledgements!;
    if (now - ordering.tunedAt >= TUNE_MS) {
      ordering.tune(acknowledgements.waitMs(), acknowledgements.recoveryMs(now), now);
    }
    const result = ordering.push(streamId, sequence, extension, pathId, at, now);
    if (result === "duplicate") this.#drops.count("duplicate");
    else if (result === "unknown stream") this.#drops.count("bad message");
    entry.flushAt = Math.min(entry.flushAt, ordering.nextTimeout(now));
  }

  readonly #deliverHeld = (entry: SessionEntry<S, O>, at: PacketPlace): void =>
    this.#deliver(entry, at.memory, at.offset, at.length, at.flags);

  /** A sequence number was spent on something that is no packet, where there is one sequence. */
  skip(entry: SessionEntry<S, O>, sequence: number, now: number): void {
    const stream = entry.reordering.stream(0)!;
    const answer = this.#offer(entry, stream, sequence, now);
    if (answer >= 0) stream.buffer.markEmpty(answer);
    this.#drain(entry, stream, now);
  }

  /** Delivers the packets of a session that have waited for others long enough. */
  release(entry: SessionEntry<S, O>, now: number): void {
    this.#now = now;
    entry.flushAt = Infinity;
    for (const stream of entry.reordering.streams) this.#drain(entry, stream, now);
    entry.flowOrdering?.handleTimeout(now);
    entry.flushAt = Math.min(entry.flushAt, entry.flowOrdering?.nextTimeout(now) ?? Infinity);
    this.flush();
  }

  /** Offers a sequence number, giving up gaps until there is room for it. */
  #offer(entry: SessionEntry<S, O>, stream: ReorderStream, sequence: number, now: number): number {
    let answer = stream.buffer.offer(sequence, now);
    while (answer === OVERFLOW) {
      stream.buffer.skipGap();
      this.#drain(entry, stream, now);
      answer = stream.buffer.offer(sequence, now);
    }
    return answer;
  }

  /** Delivers the packets that are next in order. */
  #drain(entry: SessionEntry<S, O>, stream: ReorderStream, now: number): void {
    this.#now = now;
    const { buffer } = stream;
    for (let slot = buffer.take(now); slot !== EMPTY; slot = buffer.take(now)) {
      stream.take(slot);
      this.#deliver(entry, stream.memory, stream.offset, stream.length, stream.flags);
    }
    entry.flushAt = Math.min(entry.flushAt, buffer.nextDeadline());
  }
}
