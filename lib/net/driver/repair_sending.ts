/** Sends packets that repair records cover, and those when they are due. */
import { US_PER_MS } from "../../protocol/wire/units.ts";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import { OutgoingRecord } from "../../protocol/crypto/outgoing_record.ts";
import type { RepairGroup } from "../../protocol/path/repair_group.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import { COMPRESSION_NONE, TYPE_REPAIR } from "../../protocol/wire/header.ts";
import { encodeRepairPrefix, REPAIR_PREFIX_LENGTH } from "../../protocol/wire/repair.ts";
import type { MadeMemory, RecordSink } from "./ends.ts";
import type { PacketMemory } from "./memory.ts";
import type { SessionEntry } from "./sessions.ts";

export class RepairSending<S extends Cipher, O extends Cipher> {
  readonly #records: RecordSink<S, O>;
  readonly #made: MadeMemory;
  readonly #outgoing = new OutgoingRecord();

  constructor(records: RecordSink<S, O>, made: MadeMemory) {
    this.#records = records;
    this.#made = made;
    this.#outgoing.type = TYPE_REPAIR;
    this.#outgoing.compression = COMPRESSION_NONE;
  }

  /** Hot. Sends a packet on a path that is covered. */
  send(
    entry: SessionEntry<S, O>,
    path: SessionPath,
    memory: PacketMemory,
    packet: number,
    length: number,
    outgoing: OutgoingRecord,
    now: number,
  ): void {
    const group = path.repairGroup!;
    const before = path.counters.sentPackets;
    this.#records.send(entry, path, memory, packet, length, outgoing, now);
    // There was no room for it: it has no counter.
    if (path.counters.sentPackets === before) return;
    const { epoch, counter } = entry.session.wire.writer;
    if (!group.fits(epoch, counter) && group.closes(now)) this.#repair(entry, path, group, now);
    group.cover(epoch, counter, outgoing, memory.view, packet, length, now);
    if (group.isDue(now)) this.#repair(entry, path, group, now);
  }

  /** Sends the repair records that are due. Returns when the next one is. */
  release(entry: SessionEntry<S, O>, now: number): number {
    for (const path of entry.session.paths) {
      const { repairGroup } = path;
      if (repairGroup?.isDue(now) === true) this.#repair(entry, path, repairGroup, now);
    }
    return entry.session.wire.repairs!.nextDue();
  }

  /** Sends the parity of a group on another path, where one carries it. */
  #repair(entry: SessionEntry<S, O>, path: SessionPath, group: RepairGroup, now: number): void {
    const { wire } = entry.session;
    const length = group.payloadLength;
    const carrier = wire.repairs!.carrierFor(path, now);
    if (carrier === null || length > wire.packetBytesMax) return group.clear();
    const { memory, compressed: payload } = this.#made;
    const { parity, prefix } = group;
    encodeRepairPrefix(memory.view, payload, prefix);
    const bytes = parity.bytes.subarray(0, parity.longest);
    memory.bytes.set(bytes, payload + REPAIR_PREFIX_LENGTH);
    const outgoing = this.#outgoing;
    outgoing.flags = parity.flags;
    outgoing.compression = parity.compression;
    outgoing.sequence = parity.sequence;
    outgoing.stream = parity.stream;
    outgoing.sendTime = Math.round(now * US_PER_MS) >>> 0;
    this.#records.send(entry, carrier, memory, payload, length, outgoing, now);
    group.sent();
  }
}
