/**
 * Sends packets at once, or stores them until the scheduler releases them. Packets are sealed when they
 * leave, so that counter, nonce and send time are those of that moment.
 */
import { US_PER_MS } from "../../protocol/wire/units.ts";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import type { OutgoingRecord } from "../../protocol/crypto/outgoing_record.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import type { Departure, Scheduler } from "../../protocol/schedule/scheduler.ts";
import type { DropCounters } from "../../protocol/wire/drop_reason.ts";
import {
  encodeOrderExtension,
  ORDER_EXTENSION_LENGTH,
} from "../../protocol/wire/order_extension.ts";
import { TYPE_PACKET } from "../../protocol/wire/header.ts";
import type { MadeMemory, RecordSink } from "./ends.ts";
import type { PacketMemory } from "./memory.ts";
import { NO_SLOT } from "./packet_store.ts";
import { RepairSending } from "./repair_sending.ts";
import type { SessionEntry } from "./sessions.ts";

export class Departures<S extends Cipher, O extends Cipher> {
  readonly #records: RecordSink<S, O>;
  readonly #drops: DropCounters;
  readonly #outgoing: OutgoingRecord;
  readonly #repairs: RepairSending<S, O>;
  /** The path last reported to the session, which is told once per read of the TUN device. */
  #announced: SessionPath | null = null;

  /** @param outgoing bears the compression and the traffic class of the packet offered. */
  constructor(
    records: RecordSink<S, O>,
    drops: DropCounters,
    outgoing: OutgoingRecord,
    made: MadeMemory,
  ) {
    this.#records = records;
    this.#repairs = new RepairSending(records, made);
    this.#drops = drops;
    this.#outgoing = outgoing;
  }

  /** Hot. The packets offered next come from one read. */
  begin(): void {
    this.#announced = null;
  }

  /** Hot. Sends a packet, or stores it until the scheduler gives it back. */
  offer(
    entry: SessionEntry<S, O>,
    memory: PacketMemory,
    packet: number,
    length: number,
    flags: number,
    now: number,
  ): void {
    const { session } = entry;
    const { scheduler } = session.scheduling;
    if (scheduler.storesPackets) {
      return this.#hold(entry, scheduler, memory, packet, length, flags, now);
    }
    const departure = scheduler.offer(NO_SLOT, length, now);
    if (departure === null || departure.paths.length === 0) {
      return this.#drops.count("no live path");
    }
    this.#outgoing.flags = flags | departure.flags;
    this.#outgoing.sequence = session.nextSequence(departure.stream);
    this.#send(entry, departure, memory, packet, length, now);
  }

  #hold(
    entry: SessionEntry<S, O>,
    scheduler: Scheduler,
    memory: PacketMemory,
    packet: number,
    length: number,
    flags: number,
    now: number,
  ): void {
    this.#keepFor(entry, scheduler);
    const { compression, trafficClass } = this.#outgoing;
    const slot = entry.store.put(memory, packet, length, flags, compression, trafficClass);
    if (slot === NO_SLOT) return this.#drops.count("queue full");
    const departure = scheduler.offer(slot, length, now);
    if (departure !== null) this.#depart(entry, departure, now);
  }

  /** Hot. The peer may have changed the scheduler: packets that the last one held are dropped. */
  #keepFor({ store }: SessionEntry<S, O>, scheduler: Scheduler): void {
    const unsent = store.keepFor(scheduler);
    if (unsent > 0) this.#drops.count("queue full", unsent);
  }

  /** Sends the packets that are due. Returns when the next one is. */
  release(entry: SessionEntry<S, O>, now: number): number {
    const { scheduler } = entry.session.scheduling;
    this.#keepFor(entry, scheduler);
    if (!scheduler.holdsPackets) return Infinity;
    this.#announced = null;
    for (let next = scheduler.poll(now); next !== null; next = scheduler.poll(now)) {
      this.#depart(entry, next, now);
    }
    const next = scheduler.nextDeparture(now);
    const { repairs } = entry.session.wire;
    return repairs?.isOn === true ? Math.min(next, this.#repairs.release(entry, now)) : next;
  }

  #depart(entry: SessionEntry<S, O>, departure: Departure, now: number): void {
    const { slot, stream, paths, isKept } = departure;
    const { store, session } = entry;
    const stored = store.get(slot);
    if (paths.length > 0) {
      const outgoing = this.#outgoing;
      outgoing.compression = stored.compression;
      outgoing.trafficClass = stored.trafficClass;
      outgoing.flags = stored.flags | departure.flags;
      outgoing.sendTime = Math.round(now * US_PER_MS) >>> 0;
      // Sent again, it is the same packet.
      let { length } = stored;
      if (departure.extension !== null) {
        encodeOrderExtension(stored.memory.view, stored.offset + length, departure.extension);
        length += ORDER_EXTENSION_LENGTH;
        stored.hasLeft = true;
        outgoing.sequence = departure.sequence;
      } else {
        if (stored.sequence === 0) stored.sequence = session.nextSequence(stream);
        stored.hasLeft = true;
        outgoing.sequence = stored.sequence;
      }
      this.#send(entry, departure, stored.memory, stored.offset, length, now);
    } else if (!stored.hasLeft) {
      this.#drops.count(departure.reason);
    }
    if (!isKept) store.release(slot);
  }

  #send(
    entry: SessionEntry<S, O>,
    { paths, stream, extension }: Departure,
    memory: PacketMemory,
    packet: number,
    length: number,
    now: number,
  ): void {
    const outgoing = this.#outgoing;
    outgoing.type = TYPE_PACKET;
    outgoing.stream = stream;
    for (let copy = 0; copy < paths.length; copy++) {
      const path = paths[copy]!;
      if (path !== this.#announced) entry.session.notePacketSent(path, now);
      this.#announced = path;
      if (path.repairGroup === null || extension === null) {
        this.#records.send(entry, path, memory, packet, length, outgoing, now);
      } else this.#repairs.send(entry, path, memory, packet, length, outgoing, now);
    }
  }
}
