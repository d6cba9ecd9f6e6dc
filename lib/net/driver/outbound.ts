/**
 * TUN -> classify flow -> scheduler -> cut into segments -> compress -> number -> record sink.
 * The methods stand in the order in which a packet passes them.
 */
import { US_PER_MS } from "../../protocol/wire/units.ts";
import type { CompressionMode } from "../../protocol/compression/compression_mode.ts";
import { FlowCompression } from "../../protocol/compression/flow_compression.ts";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import { OutgoingRecord } from "../../protocol/crypto/outgoing_record.ts";
import { completeChecksum } from "../../protocol/packet/checksum.ts";
import {
  FlowKey,
  isMulticast,
  readFlowKey,
  readTcpSegment,
} from "../../protocol/packet/flow_key.ts";
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
import { Departures } from "./departures.ts";
import type { DriverEnds, MadeMemory, PacketCodecs, PacketSink, RecordSink } from "./ends.ts";
import type { PacketMemory } from "./memory.ts";
import {
  type Offload,
  OFFLOAD_CHECKSUM,
  OFFLOAD_NONE,
  OFFLOAD_TCP,
  OFFLOAD_UDP,
} from "./offload.ts";
import { Oversize } from "./oversize.ts";
import type { SessionEntry, SessionTable } from "./sessions.ts";

/** A super-packet of 64 KiB in the smallest segments that Linux sends, of 48 bytes. */
const SEGMENTS_MAX = 1366;

interface OutboundHooks<S extends Cipher, O extends Cipher> {
  /** Packets of a session were sent: its timers may have moved. */
  readonly sent: (entry: SessionEntry<S, O>, now: number) => void;
  readonly failed: (entry: SessionEntry<S, O>, error: unknown) => void;
}

export class Outbound<S extends Cipher, O extends Cipher> {
  readonly #memory: PacketMemory;
  readonly #view: DataView;
  readonly #sessions: SessionTable<S, O>;
  readonly #drops: DropCounters;
  readonly #codecs: PacketCodecs;
  readonly #made: MadeMemory;
  readonly #packets: PacketSink;
  readonly #records: RecordSink<S, O>;
  readonly #hooks: OutboundHooks<S, O>;
  readonly #outgoing = new OutgoingRecord();
  readonly #flow = new FlowKey();
  readonly #departures: Departures<S, O>;
  readonly #segmenter: Segmenter;
  readonly #compression = new FlowCompression();
  readonly #oversize: Oversize;
  readonly #answerFlow = new FlowKey();
  /** The session of the packet under way, whether it compresses, and to what. */
  #entry: SessionEntry<S, O> | null = null;
  #compressionMode: CompressionMode = "off";
  #compressionKind = COMPRESSION_NONE;
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
    this.#codecs = ends.codecs;
    this.#made = made;
    this.#packets = ends.packets;
    this.#records = ends.records;
    this.#hooks = hooks;
    this.#departures = new Departures(ends.records, ends.drops, this.#outgoing);
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
      // Multicast is not carried: it is the device's own router solicitations and the like.
      if (!isMulticast(flow)) this.#drops.count("no session for destination");
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
    this.#entry = entry;
    this.#now = now;
    this.#compressionMode = entry.spec.tuning.compression;
    this.#compressionKind = this.#codecs.kindFor(entry.spec);
    this.#outgoing.sendTime = Math.round(now * US_PER_MS) >>> 0;
    this.#outgoing.trafficClass = outerTrafficClass(
      trafficClassOf(this.#view, packet),
      entry.spec.tuning.dscp,
      entry.spec.carriesEcn === true,
    );
    this.#departures.begin();
    const { scheduler } = entry.session.scheduling;
    if (scheduler.spreadsFlows) readTcpSegment(this.#view, this.#flow);
    if (!scheduler.begin(this.#flow, length, now)) {
      return this.#drops.count("no live path");
    }
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

  /** Hot. Sends one packet, of the tunnel's size, on the paths that the scheduler chooses. */
  #sendPacket(
    entry: SessionEntry<S, O>,
    memory: PacketMemory,
    packet: number,
    length: number,
    flags: number,
    now: number,
  ): void {
    const outgoing = this.#outgoing;
    const compressed = this.#compress(memory, packet, length, now);
    outgoing.compression = compressed > 0 ? this.#compressionKind : COMPRESSION_NONE;
    entry.compression.plainBytes += length;
    if (compressed > 0) {
      memory = this.#made.memory;
      packet = this.#made.compressed;
      length = compressed;
    }
    entry.compression.carriedBytes += length;
    this.#departures.offer(entry, memory, packet, length, flags, now);
  }

  /** Hot. Compresses to `made.compressed`. Returns the length, or 0 to send the packet as it is. */
  #compress(memory: PacketMemory, packet: number, length: number, now: number): number {
    const compression = this.#compression;
    const mode = this.#compressionMode;
    const { bytes } = memory;
    const capacity = compression.capacityFor(mode, this.#flow, bytes, packet, length, now);
    if (capacity === 0) return 0;
    const kind = this.#compressionKind;
    const compressed = this.#codecs.compress(kind, memory, packet, length, capacity);
    compression.noteTry(compressed > 0, this.#codecs.compressionMs);
    return compressed;
  }

  /**
   * Sends the packets that the scheduler of a session held back and that are due. Returns when the next
   * one is.
   */
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
