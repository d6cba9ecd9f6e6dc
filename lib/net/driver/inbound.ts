/**
 * Datagram -> frame check -> open -> replay check -> first copy -> inflate -> reorder -> TUN.
 *
 * Nothing in a record is trusted before it has been opened. `begin` returns the cipher, the endpoint
 * opens the record with it, at once or in a later turn of the event loop, and `accept` takes the
 * opened record. The methods stand in the order in which a record passes them.
 */
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import type { DropReason } from "../../protocol/wire/drop_reason.ts";
import { ECN_CE, passEcnOn } from "../../protocol/packet/traffic_class.ts";
import type { PeerAddress } from "../../protocol/path/peer_address.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import {
  COMPRESSION_NONE,
  COMPRESSION_ZSTD,
  decodeHeader,
  FLAG_COPY,
  FLAG_ORDER_EXTENSION,
  FLAG_ORDERED,
  PAYLOAD_OFFSET,
  RecordHeader,
  TYPE_PACKET,
  TYPE_REPAIR,
} from "../../protocol/wire/header.ts";
import {
  decodeOrderExtension,
  ORDER_EXTENSION_LENGTH,
  OrderExtension,
} from "../../protocol/wire/order_extension.ts";
import { NO_MEMORY } from "./packet_cells.ts";
import type { PacketPlace } from "./flow_ordering.ts";
import { FlowKey, readPacketHeaders } from "../../protocol/packet/flow_key.ts";
import type { Delivery } from "./delivery.ts";
import type { MadeMemory, PacketCodecs } from "./ends.ts";
import type { PacketMemory } from "./memory.ts";
import { Repairing, RepairMemory } from "./repairing.ts";
import type { SessionEntry, SessionTable } from "./sessions.ts";

interface InboundHooks<S extends Cipher, O extends Cipher> {
  readonly drop: (reason: DropReason) => void;
  /** A record was accepted: the session may have control records to send. */
  readonly accepted: (entry: SessionEntry<S, O>, now: number) => void;
  readonly failed: (entry: SessionEntry<S, O>, error: unknown) => void;
}

export class Inbound<S extends Cipher, O extends Cipher> {
  /** Of the record `begin` was asked about last. */
  readonly header = new RecordHeader();
  /** ECN of the datagram the record came in, in the lower two bits; the end sets it where it knows. */
  trafficClass = 0;
  readonly #sessions: SessionTable<S, O>;
  readonly #delivery: Delivery<S, O>;
  readonly #codecs: PacketCodecs;
  readonly #made: MadeMemory;
  readonly #hooks: InboundHooks<S, O>;
  readonly #flow = new FlowKey();
  readonly #extension = new OrderExtension();
  readonly #place: PacketPlace = { memory: NO_MEMORY, offset: 0, length: 0, flags: 0 };
  readonly #repairMemory = new RepairMemory();
  #entry: SessionEntry<S, O> | null = null;
  /** Of the packet inflated last, in bytes. */
  #length = 0;

  constructor(
    sessions: SessionTable<S, O>,
    delivery: Delivery<S, O>,
    codecs: PacketCodecs,
    made: MadeMemory,
    hooks: InboundHooks<S, O>,
  ) {
    this.#sessions = sessions;
    this.#delivery = delivery;
    this.#codecs = codecs;
    this.#made = made;
    this.#hooks = hooks;
  }

  /**
   * Hot. Returns what may open the record of `length` bytes at offset `record`, or null: it is dropped
   * and counted.
   */
  begin(memory: PacketMemory, record: number, length: number, now: number): O | null {
    const { header } = this;
    const refusal = decodeHeader(memory.view, record, length, header);
    if (refusal !== null) return this.refuse(refusal);
    const entry = this.#sessions.byId(header.session);
    if (entry === undefined) return this.refuse("unknown session");
    this.#entry = entry;
    const { session } = entry;
    return session.openerFor(memory.view, record, header, now) ?? this.refuse(session.refusal);
  }

  /** Counts a record as dropped. */
  refuse(reason: DropReason): null {
    this.#hooks.drop(reason);
    return null;
  }

  /**
   * Hot. The record `begin` was asked about last has been opened in place: it is authentic. What it
   * brings lies where it is until `flush`.
   * @param from where it came from; null when the socket is connected to the peer.
   */
  accept(
    memory: PacketMemory,
    record: number,
    socket: number,
    from: PeerAddress | null,
    now: number,
  ): void {
    const entry = this.#entry!;
    try {
      this.#accept(entry, memory, record, socket, from, now);
    } catch (error) {
      this.#hooks.failed(entry, error);
    }
  }

  /** Hot. To be called before the memory of accepted records is used again. */
  flush(): void {
    this.#delivery.flush();
  }

  #accept(
    entry: SessionEntry<S, O>,
    memory: PacketMemory,
    record: number,
    socket: number,
    from: PeerAddress | null,
    now: number,
  ): void {
    const { header } = this;
    const { session } = entry;
    const payload = record + PAYLOAD_OFFSET;
    const isAmbiguous = header.type === TYPE_PACKET && !session.wire.tellsDirection;
    if (isAmbiguous && this.#isOwn(entry, memory, payload)) {
      return this.#hooks.drop("wrong direction");
    }
    const path = session.accept(header, memory.view, record, socket, from, now);
    if (path === null) return this.#hooks.drop(session.refusal);
    if (header.type === TYPE_PACKET) {
      const { repairing } = entry;
      // As it was sent: its ECN may be changed below.
      repairing?.keep(path.id, session.wire.verifier.counter, header, memory.bytes, payload);
      this.#acceptPacket(entry, path, memory, payload, now);
      if (repairing !== null) this.#repairPath(entry, repairing, path.id, now);
    } else if (header.type === TYPE_REPAIR) this.#acceptRepair(entry, memory, payload, now);
    else this.#acceptControl(entry, path, memory, payload, now);
    if (entry.isPending && session.isReady) this.#sessions.promote(entry, now);
    this.#hooks.accepted(entry, now);
  }

  /**
   * Hot. Whether the packet is one of this side's own that somebody sent back: where one key serves
   * both ways, it is authentic, too. The addresses in it tell, before anything else is believed.
   */
  #isOwn(entry: SessionEntry<S, O>, memory: PacketMemory, payload: number): boolean {
    const isCompressed = this.header.compression !== COMPRESSION_NONE;
    const length = this.#inflate(entry, memory, payload);
    const { view } = isCompressed ? this.#made.memory : memory;
    const flow = this.#flow;
    const packet = isCompressed ? this.#made.inflated : payload;
    // This side sends only packets that can be inflated and read, so it is the peer's.
    if (length <= 0 || !readPacketHeaders(view, packet, length, flow)) return false;
    if (entry.spec.role === "client") return entry.isSource(flow);
    return entry.isDestination(flow) && !entry.isSource(flow);
  }

  /** Hot. Inflates the packet of the record under way; returns its length, 0 or less: it cannot. */
  #inflate(entry: SessionEntry<S, O>, memory: PacketMemory, payload: number): number {
    const { compression, payloadLength } = this.header;
    if (compression === COMPRESSION_NONE) return this.#length = payloadLength;
    // A packet that waits to be written may lie there.
    this.#delivery.flush();
    this.#length = this.#codecs.inflate(entry.spec, compression, memory, payload, payloadLength);
    return this.#length;
  }

  #acceptControl(
    entry: SessionEntry<S, O>,
    path: SessionPath,
    { bytes }: PacketMemory,
    payload: number,
    now: number,
  ): void {
    const { type, sequence, payloadLength } = this.header;
    const message = bytes.subarray(payload, payload + payloadLength);
    const refusal = entry.session.receiveControl(type, message, path, now);
    if (refusal !== null) this.#hooks.drop(refusal);
    // Packets must not wait for the number of a record that is none, such as an old server's echo.
    const isCounted = sequence !== 0 && entry.session.wire.hasOneSequence;
    if (isCounted) this.#delivery.skip(entry, sequence, now);
  }

  #acceptRepair(
    entry: SessionEntry<S, O>,
    { bytes }: PacketMemory,
    payload: number,
    now: number,
  ): void {
    const { session } = entry;
    if (session.wire.repairs === null) return this.#hooks.drop("unknown type");
    const repairing = entry.repairing ??= new Repairing(this.#repairMemory);
    const message = bytes.subarray(payload, payload + this.header.payloadLength);
    const pathId = repairing.receive(message, this.header, session.paths, now);
    if (pathId === null) return this.#hooks.drop("bad repair");
    this.#repairPath(entry, repairing, pathId, now);
  }

  /** Does what is due of the packets that the peer covers by repair records. */
  repair(entry: SessionEntry<S, O>, now: number): void {
    const { repairing } = entry;
    entry.repairAt = Infinity;
    if (repairing === null) return;
    repairing.forgetUnused(entry.session.paths, now);
    for (const pathId of repairing.paths()) this.#repairPath(entry, repairing, pathId, now);
    if (!repairing.isUsed) entry.repairing = null;
    this.#delivery.flush();
  }

  /** Delivers what can be had back of a path: from there on it is a packet that came on it. */
  #repairPath(
    entry: SessionEntry<S, O>,
    repairing: Repairing,
    pathId: number,
    now: number,
  ): void {
    const path = entry.session.paths.byId(pathId);
    const { acknowledgements } = entry.session;
    if (path === null || acknowledgements === null) return;
    const patienceMs = acknowledgements.waitMs();
    const { trafficClass } = this;
    while (repairing.next(path, patienceMs, this.header, now)) {
      this.trafficClass = 0;
      this.#acceptPacket(entry, path, repairing.memory, 0, now);
      // The next one lies in the same place.
      this.#delivery.flush();
    }
    this.trafficClass = trafficClass;
    const faults = repairing.takeFaults(pathId);
    for (let fault = 0; fault < faults; fault++) this.#hooks.drop("bad repair");
    entry.repairAt = repairing.nextTimeout(patienceMs);
  }

  /** Strips the order extension off the payload. False: it is missing, or was not agreed on. */
  #readExtension(
    entry: SessionEntry<S, O>,
    { view }: PacketMemory,
    payload: number,
    now: number,
  ): boolean {
    const { acknowledgements } = entry.session;
    const rest = this.header.payloadLength - ORDER_EXTENSION_LENGTH;
    if (acknowledgements === null || rest < 0) return false;
    this.header.payloadLength = rest;
    acknowledgements.asked(now);
    const extension = this.#extension;
    return decodeOrderExtension(view, payload + rest, ORDER_EXTENSION_LENGTH, extension);
  }

  #acceptPacket(
    entry: SessionEntry<S, O>,
    path: SessionPath,
    memory: PacketMemory,
    payload: number,
    now: number,
  ): void {
    const { flags, sequence, stream, compression } = this.header;
    const { tellsDirection, hasOneSequence } = entry.session.wire;
    const isNumbered = (flags & FLAG_ORDER_EXTENSION) !== 0;
    if (isNumbered && !this.#readExtension(entry, memory, payload, now)) {
      return this.#hooks.drop("bad message");
    }
    entry.session.notePacketReceived(path, now);
    if ((flags & FLAG_COPY) !== 0 && !entry.reordering.isFirstCopy(stream, sequence)) {
      return this.#hooks.drop("copy");
    }
    // Where the direction was in question, the packet has been inflated already.
    const length = tellsDirection ? this.#inflate(entry, memory, payload) : this.#length;
    const isCompressed = compression !== COMPRESSION_NONE;
    if (isCompressed) {
      if (length <= 0) {
        if (hasOneSequence && sequence !== 0) this.#delivery.skip(entry, sequence, now);
        return this.#hooks.drop(compression === COMPRESSION_ZSTD ? "bad zstd" : "bad gzip");
      }
      memory = this.#made.memory;
      payload = this.#made.inflated;
    }
    entry.compression.plainBytes += length;
    entry.compression.carriedBytes += this.header.payloadLength;
    if (this.trafficClass !== 0 && entry.spec.carriesEcn === true) {
      if ((this.trafficClass & ECN_CE) === ECN_CE) path.counters.congestionMarks++;
      if (!passEcnOn(memory.view, payload, this.trafficClass)) {
        return this.#hooks.drop("congestion");
      }
    }
    if (isNumbered) {
      const at = this.#place;
      at.memory = memory;
      at.offset = payload;
      at.length = length;
      at.flags = flags;
      this.#delivery.order(entry, stream, sequence, this.#extension, path.id, at, now);
      if (isCompressed) this.#delivery.flush();
      return;
    }
    if ((flags & FLAG_ORDERED) !== 0) {
      this.#delivery.reorder(entry, stream, sequence, memory, payload, length, flags, now);
    } else {
      this.#delivery.deliver(entry, memory, payload, length, flags, now);
    }
    if (isCompressed) this.#delivery.flush();
  }
}
