/** The last inbound stages: packets that need their order are put in it, and all go to the TUN device. */
import type { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { DELIVER_NOW, DUPLICATE, EMPTY, OVERFLOW } from "../../protocol/receive/reorder_buffer.ts";
import { FlowKey, readFlowKey } from "../../protocol/packet/flow_key.ts";
import { FLAG_PARTIAL_CHECKSUM } from "../../protocol/wire/header.ts";
import type { ReorderStream } from "../driver/reordering.ts";
import type { SessionEntry, SessionTable } from "./sessions.ts";
import type { TunPort } from "./tun_port.ts";

export class Delivery {
  readonly #sessions: SessionTable;
  readonly #tun: TunPort;
  readonly #drops: DropCounters;
  readonly #flow = new FlowKey();
  #earliestFlush = Infinity;

  constructor(sessions: SessionTable, tun: TunPort, drops: DropCounters) {
    this.#sessions = sessions;
    this.#tun = tun;
    this.#drops = drops;
  }

  /** When `flush` is to be called next. */
  get nextFlush(): number {
    return this.#earliestFlush;
  }

  /** Delivers a packet that needs no order. Its bytes are copied. */
  deliver(entry: SessionEntry, packet: Uint8Array, flags: number): void {
    this.#tun.inbound.bytes.set(packet);
    this.#write(entry, packet.length, flags);
  }

  /** Delivers a packet when its turn has come. `stream` is 0 for all of v1. */
  reorder(
    entry: SessionEntry,
    stream: number,
    sequence: number,
    packet: Uint8Array,
    flags: number,
    now: number,
  ): void {
    const reordering = entry.reordering.stream(stream);
    if (reordering === null) return this.#drops.count("no room for path");
    const answer = this.#offer(entry, reordering, sequence, now);
    if (answer === DELIVER_NOW) {
      this.deliver(entry, packet, flags);
    } else if (answer >= 0) {
      if (!reordering.store(answer, packet, 0, packet.length, flags)) {
        reordering.buffer.markEmpty(answer);
        this.#drops.count("too long");
      }
    } else {
      this.#drops.count(answer === DUPLICATE ? "duplicate" : "late");
    }
    this.#drain(entry, reordering, now);
  }

  /** A sequence number of v1 that was spent on something else than a packet. */
  skip(entry: SessionEntry, sequence: number, now: number): void {
    const reordering = entry.reordering.stream(0);
    if (reordering === null) return;
    const answer = this.#offer(entry, reordering, sequence, now);
    if (answer >= 0) reordering.buffer.markEmpty(answer);
    this.#drain(entry, reordering, now);
  }

  /** Delivers the packets that have waited for others long enough. */
  flush(now: number): void {
    this.#earliestFlush = Infinity;
    for (const entry of this.#sessions) {
      for (const reordering of entry.reordering.streams) this.#drain(entry, reordering, now);
    }
  }

  /** Offers a sequence number, giving up gaps until there is room for it. */
  #offer(entry: SessionEntry, reordering: ReorderStream, sequence: number, now: number): number {
    let answer = reordering.buffer.offer(sequence, now);
    while (answer === OVERFLOW) {
      reordering.buffer.skipGap();
      this.#drain(entry, reordering, now);
      answer = reordering.buffer.offer(sequence, now);
    }
    return answer;
  }

  /** Delivers what has its turn. */
  #drain(entry: SessionEntry, reordering: ReorderStream, now: number): void {
    const { buffer } = reordering;
    for (let slot = buffer.take(now); slot !== EMPTY; slot = buffer.take(now)) {
      const length = reordering.load(slot, this.#tun.inbound.bytes, 0);
      this.#write(entry, length, reordering.flags(slot));
    }
    this.#earliestFlush = Math.min(this.#earliestFlush, buffer.nextDeadline());
  }

  #write(entry: SessionEntry, length: number, flags: number): void {
    const flow = this.#flow;
    if (!readFlowKey(this.#tun.inbound.view, 0, length, flow)) return this.#drops.count("not IP");
    if (entry.spec.role === "server" && !entry.isSource(flow)) {
      return this.#drops.count("foreign source");
    }
    const isPartial = entry.session.x1 && (flags & FLAG_PARTIAL_CHECKSUM) !== 0;
    if (!this.#tun.write(flow, isPartial)) this.#drops.count("TUN refused");
  }
}
