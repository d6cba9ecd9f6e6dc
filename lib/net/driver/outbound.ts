/**
 * TUN -> classify flow -> scheduler -> cut into segments -> compress -> number -> record sink.
 * The methods stand in the order in which a packet passes them.
 */
import { US_PER_MS } from "../../protocol/wire/units.ts";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import { OutgoingRecord } from "../../protocol/crypto/outgoing_record.ts";
import { completeChecksum } from "../../protocol/packet/checksum.ts";
import { FlowKey, readFlowKey, readTcpSegment } from "../../protocol/packet/flow_key.ts";
import {
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  TCP_CHECKSUM,
  TCP_DATA_OFFSET,
  UDP_CHECKSUM,
} from "../../protocol/packet/ip.ts";
import {
  controlTrafficClass,
  outerTrafficClass,
  trafficClassOf,
} from "../../protocol/packet/traffic_class.ts";
import { Segmenter } from "../../protocol/packet/segment.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import type { DropCounters } from "../../protocol/wire/drop_reason.ts";
import {
  COMPRESSION_NONE,
  FLAG_PARTIAL_CHECKSUM,
  TYPE_PACKET,
} from "../../protocol/wire/header.ts";
import { Compressor } from "./compressor.ts";
import { Departures } from "./departures.ts";
import type { DriverEnds, MadeMemory, PacketSink, RecordSink } from "./ends.ts";
import type { PacketPlace } from "./flow_ordering.ts";
import type { PacketMemory } from "./memory.ts";
import {
  type Offload,
  OFFLOAD_CHECKSUM,
  OFFLOAD_NONE,
  OFFLOAD_TCP,
  OFFLOAD_UDP,
} from "./offload.ts";
import { Oversize } from "./oversize.ts";
import { NO_MEMORY } from "./packet_cells.ts";
import { NO_SLOT } from "./packet_store.ts";
import type { SessionEntry, SessionTable } from "./sessions.ts";

/** A super-packet of 64 KiB in the smallest segments that Linux sends, of 48 bytes. */
const SEGMENTS_MAX = 1366;

interface OutboundHooks<S extends Cipher, O extends Cipher> {
  /** Packets of a session were sent: its timers may have moved. */
  readonly sent: (entry: SessionEntry<S, O>, now: number) => void;
  /** None of the sessions here is that of the packet. */
  readonly unclaimed: (flow: FlowKey, packet: number, length: number) => void;
  readonly failed: (entry: SessionEntry<S, O>, error: unknown) => void;
}

export class Outbound<S extends Cipher, O extends Cipher> {
  readonly #memory: PacketMemory;
  readonly #view: DataView;
  readonly #sessions: SessionTable<S, O>;
  readonly #drops: DropCounters;
  readonly #compressor: Compressor;
  readonly #made: MadeMemory;
  readonly #packets: PacketSink;
  readonly #records: RecordSink<S, O>;
  readonly #hooks: OutboundHooks<S, O>;
  readonly #outgoing = new OutgoingRecord();
  readonly #flow = new FlowKey();
  readonly #departures: Departures<S, O>;
  readonly #segmenter: Segmenter;
  readonly #oversize: Oversize;
  readonly #answerFlow = new FlowKey();
  readonly #place: PacketPlace = { memory: NO_MEMORY, offset: 0, length: 0, flags: 0 };
  /** The session of the packet under way. */
  #entry: SessionEntry<S, O> | null = null;
  #now = 0;
  #segments = 0;

  /** @param memory of the packets that `forward` is given. */
  constructor(
    memory: PacketMemory,
    sessions: SessionTable<S, O>,
    ends: DriverEnds<S, O>,
    hooks: OutboundHooks<S, O>,
  ) {
    const { made } = ends;
    this.#memory = memory;
    this.#view = memory.view;
    this.#sessions = sessions;
    this.#drops = ends.drops;
    this.#compressor = new Compressor(ends.codecs);
    this.#made = made;
    this.#packets = ends.packets;
    this.#records = ends.records;
    this.#hooks = hooks;
    this.#departures = new Departures(ends.records, ends.drops, this.#outgoing, made);
    this.#segmenter = new Segmenter(memory.view);
    const { bytes, view } = made.memory;
    const region = new DataView(
      bytes.buffer,
      view.byteOffset + made.inflated,
      made.inflatedBytes,
    );
    this.#oversize = new Oversize(region, {
      answer: (length) => this.#answer(length),
      send: (length) =>
        this.#sendPacket(this.#entry!, made.memory, made.inflated, length, 0, this.#now),
    });
  }

  /**
   * Hot. Sends the packet of `length` bytes at offset `packet`, which is written over meanwhile.
   * Returns how many packets it was: 1, or the segments it was cut into.
   */
  forward(packet: number, length: number, offload: Offload, now: number): number {
    const flow = this.#flow;
    if (!readFlowKey(this.#view, packet, length, flow)) {
      this.#drops.count("not IP");
      return 1;
    }
    const entry = this.#sessions.forPacket(flow);
    if (entry === null) {
      this.#hooks.unclaimed(flow, packet, length);
      return 1;
    }
    this.#segments = 1;
    try {
      this.#forward(entry, packet, length, offload, now);
      this.#hooks.sent(entry, now);
    } catch (error) {
      this.#hooks.failed(entry, error);
    }
    return this.#segments;
  }

  #forward(
    entry: SessionEntry<S, O>,
    packet: number,
    length: number,
    offload: Offload,
    now: number,
  ): void {
    this.#prepare(entry, this.#view, packet, now);
    // What is held to a rate leaves packet by packet.
    const isWhole = (entry.limits?.down ?? null) === null;
    if (isWhole && !this.#begin(entry, this.#view, length, now)) return;
    switch (offload.kind) {
      case OFFLOAD_NONE:
        return this.#sendOrAnswer(entry, packet, length, 0, now);
      case OFFLOAD_CHECKSUM:
        return this.#sendWhole(entry, packet, length, offload, now);
      case OFFLOAD_TCP:
        return this.#sendSegments(entry, packet, offload.segmentSize, now);
      case OFFLOAD_UDP:
        return this.#sendDatagrams(entry, packet, offload.segmentSize, now);
      default:
        this.#drops.count("bad offload request");
    }
  }

  /** Hot. Takes up what all packets of one read have in common. */
  #prepare(entry: SessionEntry<S, O>, view: DataView, packet: number, now: number): void {
    this.#entry = entry;
    this.#now = now;
    this.#compressor.use(entry.spec);
    this.#outgoing.sendTime = Math.round(now * US_PER_MS) >>> 0;
    this.#outgoing.trafficClass = outerTrafficClass(
      trafficClassOf(view, packet),
      entry.spec.tuning.dscp,
      entry.spec.carriesEcn === true,
    );
    this.#departures.begin();
  }

  /** Hot. Shows the scheduler the flow that was read. False: there is no path, which is counted. */
  #begin(entry: SessionEntry<S, O>, view: DataView, length: number, now: number): boolean {
    const { scheduler } = entry.session.scheduling;
    if (scheduler.spreadsFlows) readTcpSegment(view, this.#flow);
    if (scheduler.begin(this.#flow, length, now)) return true;
    this.#drops.count("no live path");
    return false;
  }

  /** Sends a packet of ordinary size whose checksum the kernel left incomplete. */
  #sendWhole(
    entry: SessionEntry<S, O>,
    packet: number,
    length: number,
    { checksumStart, checksumField }: Offload,
    now: number,
  ): void {
    const { session } = entry;
    const start = packet + checksumStart;
    const field = packet + checksumField;
    if (field + 2 > packet + length) return this.#drops.count("bad offload request");
    const mayStay = session.wire.takesPartialChecksums && length <= session.packetBytesMax &&
      this.#isTransportChecksum(start, field);
    if (!mayStay) completeChecksum(this.#view, start, packet + length, field);
    this.#sendOrAnswer(entry, packet, length, mayStay ? FLAG_PARTIAL_CHECKSUM : 0, now);
  }

  /** Whether `field` is the checksum the receiver expects to be partial, not one further inside. */
  #isTransportChecksum(start: number, field: number): boolean {
    const { transport, protocol } = this.#flow;
    return start === transport &&
      (protocol === PROTOCOL_TCP && field === start + TCP_CHECKSUM ||
        protocol === PROTOCOL_UDP && field === start + UDP_CHECKSUM);
  }

  /** Sends the packet that was read, unless it is too big for the peer's paths. */
  #sendOrAnswer(
    entry: SessionEntry<S, O>,
    packet: number,
    length: number,
    flags: number,
    now: number,
  ): void {
    const mtu = entry.packetBytesMax(this.#flow);
    if (length <= mtu) return this.#sendPacket(entry, this.#memory, packet, length, flags, now);
    this.#drops.count("too big for path");
    this.#oversize.handle(this.#view, packet, length, mtu, entry.router, now);
  }

  /** Hands an answer to the kernel, which routes it to the sender of the packet. */
  #answer(length: number): void {
    const { memory, inflated } = this.#made;
    if (!readFlowKey(memory.view, inflated, length, this.#answerFlow)) return;
    this.#packets.deliver(memory, inflated, this.#answerFlow, false);
    this.#packets.flush();
  }

  #sendSegments(
    entry: SessionEntry<S, O>,
    packet: number,
    wanted: number,
    now: number,
  ): void {
    const { session } = entry;
    const segmenter = this.#segmenter;
    const { transport, end, protocol } = this.#flow;
    const isTcp = protocol === PROTOCOL_TCP && transport >= 0;
    const segmentSize = isTcp ? this.#fitting(packet, wanted, session.packetBytesMax) : wanted;
    const segments = isTcp ? segmenter.begin(packet, transport, end, segmentSize) : 0;
    if (segments === 0 || segments > SEGMENTS_MAX) {
      return this.#drops.count("bad offload request");
    }
    this.#segments = segments;
    const transportDistance = transport - packet;
    const flags = session.wire.takesPartialChecksums ? FLAG_PARTIAL_CHECKSUM : 0;
    while (segmenter.next()) {
      const { offset, length } = segmenter;
      if (flags === 0) {
        const start = offset + transportDistance;
        completeChecksum(this.#view, start, offset + length, start + TCP_CHECKSUM);
      }
      this.#sendPacket(entry, this.#memory, offset, length, flags, now);
    }
  }

  /** Cuts a UDP super-packet into the datagrams it stands for, whose size is not ours to choose. */
  #sendDatagrams(
    entry: SessionEntry<S, O>,
    packet: number,
    segmentSize: number,
    now: number,
  ): void {
    const { session } = entry;
    const segmenter = this.#segmenter;
    const { transport, end, protocol } = this.#flow;
    const isUdp = protocol === PROTOCOL_UDP && transport >= 0;
    const segments = isUdp ? segmenter.begin(packet, transport, end, segmentSize, PROTOCOL_UDP) : 0;
    if (segments === 0 || segments > SEGMENTS_MAX) {
      return this.#drops.count("bad offload request");
    }
    this.#segments = segments;
    const transportDistance = transport - packet;
    while (segmenter.next()) {
      const { offset, length } = segmenter;
      const mayStay = session.wire.takesPartialChecksums && length <= session.packetBytesMax;
      if (!mayStay) {
        const start = offset + transportDistance;
        completeChecksum(this.#view, start, offset + length, start + UDP_CHECKSUM);
      }
      this.#sendOrAnswer(entry, offset, length, mayStay ? FLAG_PARTIAL_CHECKSUM : 0, now);
    }
  }

  /** Bytes of TCP payload that fit into packets of `mtu`, at most `wanted`. */
  #fitting(packet: number, wanted: number, mtu: number): number {
    const { transport } = this.#flow;
    const tcpHeader = (this.#view.getUint8(transport + TCP_DATA_OFFSET) >>> 4) * 4;
    return Math.max(1, Math.min(wanted, mtu - (transport - packet) - tcpHeader));
  }

  /** Hot. Sends one packet, of the tunnel's size, unless the client has to wait for it. */
  #sendPacket(
    entry: SessionEntry<S, O>,
    memory: PacketMemory,
    packet: number,
    length: number,
    flags: number,
    now: number,
  ): void {
    const down = entry.limits?.down ?? null;
    if (down === null) {
      entry.limits?.count(length);
      return this.#dispatch(entry, memory, packet, length, flags, now);
    }
    if (!down.pass(length, now)) {
      if (!down.hold(memory, packet, length, flags)) this.#drops.count("over rate");
      return;
    }
    const at = this.#place;
    at.memory = memory;
    at.offset = packet;
    at.length = length;
    at.flags = flags;
    this.#pass(entry, at, now);
  }

  /** Hot. Sends one packet of a client that is held to a rate. */
  #pass(entry: SessionEntry<S, O>, at: PacketPlace, now: number): void {
    const { memory, offset, length, flags } = at;
    // One that waited may have outlived a session whose peer could complete its checksum.
    const isPartial = (flags & FLAG_PARTIAL_CHECKSUM) !== 0;
    if (
      isPartial && !entry.session.wire.takesPartialChecksums ||
      !readFlowKey(memory.view, offset, length, this.#flow)
    ) return this.#drops.count("over rate");
    entry.limits!.count(length);
    if (!this.#begin(entry, memory.view, length, now)) return;
    this.#dispatch(entry, memory, offset, length, flags, now);
  }

  /** Hot. Sends what had to wait for the client's rate and may leave. */
  releaseLimited(entry: SessionEntry<S, O>, now: number): void {
    const down = entry.limits!.down;
    if (down === null) return;
    for (let slot = down.take(now); slot !== NO_SLOT; slot = down.take(now)) {
      const at = down.get(slot);
      this.#prepare(entry, at.memory.view, at.offset, now);
      this.#pass(entry, at, now);
      down.release(slot);
    }
  }

  /** Hot. Sends one packet on the paths that the scheduler chooses. */
  #dispatch(
    entry: SessionEntry<S, O>,
    memory: PacketMemory,
    packet: number,
    length: number,
    flags: number,
    now: number,
  ): void {
    const outgoing = this.#outgoing;
    const compressor = this.#compressor;
    const compressed = compressor.compress(this.#flow, memory, packet, length, now);
    outgoing.compression = compressed > 0 ? compressor.kind : COMPRESSION_NONE;
    entry.compression.plainBytes += length;
    if (compressed > 0) {
      memory = this.#made.memory;
      packet = this.#made.compressed;
      length = compressed;
    }
    entry.compression.carriedBytes += length;
    this.#departures.offer(entry, memory, packet, length, flags, now);
  }

  /** Sends what the scheduler of a session held back and is due. Returns when the next packet is. */
  release(entry: SessionEntry<S, O>, now: number): number {
    return this.#departures.release(entry, now);
  }

  /** Sends a control record of a session. */
  sendControl(
    entry: SessionEntry<S, O>,
    path: SessionPath,
    type: number,
    payload: Uint8Array,
    now: number,
  ): void {
    const outgoing = this.#outgoing;
    const { memory, compressed } = this.#made;
    outgoing.type = type;
    outgoing.flags = outgoing.stream = 0;
    // An address may be challenged by a ping, which is numbered like other packets.
    outgoing.sequence = type === TYPE_PACKET ? entry.session.nextSequence(0) : 0;
    outgoing.compression = COMPRESSION_NONE;
    outgoing.trafficClass = controlTrafficClass(entry.spec.tuning.dscp);
    outgoing.sendTime = Math.round(now * US_PER_MS) >>> 0;
    memory.bytes.set(payload, compressed);
    this.#records.send(entry, path, memory, compressed, payload.length, outgoing, now);
  }
}
