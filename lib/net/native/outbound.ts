/**
 * TUN -> classify flow -> pick path -> cut into segments -> number and frame -> seal -> UDP batch.
 * The methods stand in the order in which a packet meets them.
 */
import { type TunDevice, VNET_HEADER_LENGTH } from "../../ffi/linux/tun.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import type { Opener, Sealer } from "../../ffi/libcrypto/aes_gcm.ts";
import type { CompressionMode } from "../../protocol/compression/compression_mode.ts";
import { FlowCompression } from "../../protocol/compression/flow_compression.ts";
import type { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { FlowKey, readFlowKey } from "../../protocol/packet/flow_key.ts";
import type { FlowTable } from "../../protocol/schedule/flow_table.ts";
import { Dispatch } from "../../protocol/schedule/dispatch.ts";
import { TcpSegmenter } from "../../protocol/packet/segment.ts";
import { completeChecksum } from "../../protocol/packet/checksum.ts";
import {
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  TCP_CHECKSUM,
  UDP_CHECKSUM,
} from "../../protocol/packet/ip.ts";
import { Outgoing } from "../../protocol/crypto/outgoing.ts";
import type { SessionPath } from "../../protocol/session/session_path.ts";
import {
  COMPRESSION_NONE,
  FLAG_PARTIAL_CHECKSUM,
  HEADER_LENGTH,
  PAYLOAD_OFFSET,
  RECORD_OVERHEAD,
  TYPE_PACKET,
} from "../../protocol/wire/header.ts";
import type { Codecs } from "./codecs.ts";
import { type Layout, MADE_BYTES, PACKET_BYTES_MAX } from "./layout.ts";
import { Oversize } from "../driver/oversize.ts";
import type { NativeSession, SessionEntry, SessionTable } from "./sessions.ts";
import {
  type TunWriter,
  VNET_CHECKSUM_OFFSET,
  VNET_CHECKSUM_START,
  VNET_FLAG_NEEDS_CHECKSUM,
  VNET_GSO_NONE,
  VNET_GSO_SIZE,
  VNET_GSO_TCPV4,
  VNET_GSO_TCPV6,
  VNET_GSO_TYPE,
} from "./tun_writer.ts";
import type { UdpSender } from "./udp_sender.ts";

/** Packets read before the other direction gets its turn. */
const READS_PER_TURN = 32;
const READ_LENGTH = BigInt(PACKET_BYTES_MAX + VNET_HEADER_LENGTH);
const US_PER_MS = 1000;
/** Of a TCP header: its length in words is in the upper half of this byte. */
const TCP_DATA_OFFSET = 12;

export class Outbound {
  readonly #libc: Libc;
  readonly #tun: TunDevice;
  readonly #layout: Layout;
  readonly #view: DataView;
  readonly #addresses: readonly bigint[];
  readonly #sessions: SessionTable;
  readonly #dispatch: Dispatch<Sealer, Opener>;
  readonly #outgoing = new Outgoing();
  readonly #sender: UdpSender;
  readonly #drops: DropCounters;
  readonly #flow = new FlowKey();
  readonly #segmenter: TcpSegmenter;
  readonly #packet: number;
  readonly #writer: TunWriter;
  readonly #oversize: Oversize;
  readonly #answerFlow = new FlowKey();
  #session: NativeSession | null = null;
  #now = 0;
  readonly #codecs: Codecs;
  readonly #compression = new FlowCompression();
  /** Of the session whose packet is under way: whether it compresses, and to what. */
  #compressionMode: CompressionMode = "off";
  #compressionKind = COMPRESSION_NONE;

  constructor(
    libc: Libc,
    tun: TunDevice,
    layout: Layout,
    sessions: SessionTable,
    flows: FlowTable,
    sender: UdpSender,
    drops: DropCounters,
    codecs: Codecs,
    writer: TunWriter,
  ) {
    this.#libc = libc;
    this.#tun = tun;
    this.#layout = layout;
    this.#view = layout.arena.view;
    this.#addresses = layout.arena.addresses;
    this.#sessions = sessions;
    this.#dispatch = new Dispatch(flows);
    this.#sender = sender;
    this.#drops = drops;
    this.#codecs = codecs;
    this.#writer = writer;
    const made = new DataView(layout.arena.bytes.buffer, layout.made, MADE_BYTES);
    this.#oversize = new Oversize(made, {
      answer: (length) => this.#answer(length),
      send: (length) => this.#sendPacket(this.#session!, layout.made, length, 0, this.#now),
    });
    this.#segmenter = new TcpSegmenter(layout.arena.view);
    this.#packet = layout.tunRead + (tun.vnetHeader ? VNET_HEADER_LENGTH : 0);
  }

  /** Hot. Sends what waits in the TUN device, up to a turn's worth. */
  run(now: number): void {
    const start = this.#addresses[this.#layout.tunRead]!;
    this.#outgoing.sendTime = Math.round(now * US_PER_MS) >>> 0;
    for (let reads = 0; reads < READS_PER_TURN; reads++) {
      const length = this.#libc.read(this.#tun.fd, start, READ_LENGTH);
      if (length <= 0) break;
      this.#forward(this.#layout.tunRead + length - this.#packet, now);
    }
    this.#sender.flush(now);
  }

  #forward(length: number, now: number): void {
    const flow = this.#flow;
    if (!readFlowKey(this.#view, this.#packet, length, flow)) {
      return this.#drops.count("not IP");
    }
    const entry = this.#sessions.forPacket(flow);
    if (entry === null) return this.#drops.count("no session for destination");
    const { session } = entry;
    this.#compressionMode = entry.spec.tuning.compression;
    this.#compressionKind = this.#codecs.kindFor(entry.spec);
    if (!this.#dispatch.begin(session, flow, length, now)) {
      return this.#drops.count("no live path");
    }
    if (!this.#tun.vnetHeader) return this.#sendOrAnswer(entry, length, 0, now);
    const gso = this.#view.getUint8(this.#layout.tunRead + VNET_GSO_TYPE);
    if (gso === VNET_GSO_NONE) this.#sendWhole(entry, length, now);
    else if (gso === VNET_GSO_TCPV4 || gso === VNET_GSO_TCPV6) this.#sendSegments(session, now);
    else this.#drops.count("bad offload request");
  }

  /** A packet of ordinary size; its checksum may still be the sender's kernel's to complete. */
  #sendWhole(entry: SessionEntry, length: number, now: number): void {
    const { session } = entry;
    const view = this.#view;
    const packet = this.#packet;
    const header = this.#layout.tunRead;
    let flags = 0;
    if ((view.getUint8(header) & VNET_FLAG_NEEDS_CHECKSUM) !== 0) {
      const start = packet + view.getUint16(header + VNET_CHECKSUM_START, true);
      const field = start + view.getUint16(header + VNET_CHECKSUM_OFFSET, true);
      if (field + 2 > packet + length) return this.#drops.count("bad offload request");
      const mayStay = session.x1 && length <= session.packetBytesMax &&
        this.#isTransportChecksum(start, field);
      if (mayStay) flags = FLAG_PARTIAL_CHECKSUM;
      else completeChecksum(view, start, packet + length, field);
    }
    this.#sendOrAnswer(entry, length, flags, now);
  }

  /** Sends the packet that was read, unless it is too big for the peer's paths. */
  #sendOrAnswer(entry: SessionEntry, length: number, flags: number, now: number): void {
    const { session } = entry;
    const mtu = entry.packetBytesMax(this.#flow);
    if (length <= mtu) return this.#sendPacket(session, this.#packet, length, flags, now);
    this.#drops.count("too big for path");
    this.#session = session;
    this.#now = now;
    this.#oversize.handle(this.#view, this.#packet, length, mtu, entry.router, now);
  }

  /** Hands an answer to the kernel, which knows the way to who sent the packet. */
  #answer(length: number): void {
    const { made } = this.#layout;
    if (!readFlowKey(this.#view, made, length, this.#answerFlow)) return;
    this.#writer.deliver(made, this.#answerFlow, false);
    this.#writer.flush();
  }

  /** Whether `field` is the checksum the receiver expects to be partial, not one further inside. */
  #isTransportChecksum(start: number, field: number): boolean {
    const { transport, protocol } = this.#flow;
    return start === transport &&
      (protocol === PROTOCOL_TCP && field === start + TCP_CHECKSUM ||
        protocol === PROTOCOL_UDP && field === start + UDP_CHECKSUM);
  }

  #sendSegments(session: NativeSession, now: number): void {
    const segmenter = this.#segmenter;
    const { transport, end, protocol } = this.#flow;
    const isTcp = protocol === PROTOCOL_TCP && transport >= 0;
    const wanted = this.#view.getUint16(this.#layout.tunRead + VNET_GSO_SIZE, true);
    const segmentSize = isTcp ? this.#fitting(wanted, session.packetBytesMax) : wanted;
    if (!isTcp || segmenter.begin(this.#packet, transport, end, segmentSize) === 0) {
      return this.#drops.count("bad offload request");
    }
    const transportDistance = transport - this.#packet;
    const flags = session.x1 ? FLAG_PARTIAL_CHECKSUM : 0;
    while (segmenter.next()) {
      const { offset, length } = segmenter;
      if (flags === 0) {
        const start = offset + transportDistance;
        completeChecksum(this.#view, start, offset + length, start + TCP_CHECKSUM);
      }
      this.#sendPacket(session, offset, length, flags, now);
    }
  }

  /** Bytes of TCP payload that fit into packets of `mtu`, at most `wanted`. */
  #fitting(wanted: number, mtu: number): number {
    const { transport } = this.#flow;
    const tcpHeader = (this.#view.getUint8(transport + TCP_DATA_OFFSET) >>> 4) * 4;
    return Math.max(1, Math.min(wanted, mtu - (transport - this.#packet) - tcpHeader));
  }

  /** Hot. One packet as it is on the wire of the tunnel, on the path or paths it is to take. */
  #sendPacket(
    session: NativeSession,
    packet: number,
    length: number,
    flags: number,
    now: number,
  ): void {
    const dispatch = this.#dispatch;
    const outgoing = this.#outgoing;
    const compressed = this.#compress(packet, length, now);
    outgoing.compression = compressed > 0 ? this.#compressionKind : COMPRESSION_NONE;
    if (compressed > 0) {
      packet = this.#layout.single;
      length = compressed;
    }
    const paths = dispatch.next(length);
    outgoing.type = TYPE_PACKET;
    outgoing.flags = flags | dispatch.flags;
    outgoing.stream = dispatch.stream;
    outgoing.sequence = session.nextSequence(dispatch.stream);
    for (let copy = 0; copy < paths.length; copy++) {
      this.#seal(session, paths[copy]!, packet, length, now);
    }
  }

  /** Hot. Puts the compressed packet into the region for single packets; 0 when it stays plain. */
  #compress(packet: number, length: number, now: number): number {
    const compression = this.#compression;
    const mode = this.#compressionMode;
    const { bytes } = this.#layout.arena;
    const capacity = compression.capacityFor(mode, this.#flow, bytes, packet, length, now);
    if (capacity === 0) return 0;
    const kind = this.#compressionKind;
    const compressed = this.#codecs.compress(kind, packet, length, this.#layout.single, capacity);
    compression.noteTry(compressed > 0);
    return compressed;
  }

  /** Sends a record that is no packet: the `length` bytes at `payload` of the arena. */
  sendControl(
    session: NativeSession,
    path: SessionPath,
    type: number,
    payload: number,
    length: number,
    now: number,
  ): void {
    const outgoing = this.#outgoing;
    outgoing.type = type;
    outgoing.flags = outgoing.stream = outgoing.sequence = 0;
    outgoing.compression = COMPRESSION_NONE;
    outgoing.sendTime = Math.round(now * US_PER_MS) >>> 0;
    this.#seal(session, path, payload, length, now);
  }

  /** Hot. Makes the `length` bytes at `payload` of the arena a record, and queues it. */
  #seal(
    session: NativeSession,
    path: SessionPath,
    payload: number,
    length: number,
    now: number,
  ): void {
    const at = this.#addresses;
    const recordLength = length + RECORD_OVERHEAD;
    const record = this.#sender.reserve(session, path, recordLength, now);
    const sealer = session.writeRecord(this.#view, record, path, length, this.#outgoing);
    const body = record + PAYLOAD_OFFSET;
    const sealed = sealer.seal(
      at[record + HEADER_LENGTH]!,
      at[record]!,
      HEADER_LENGTH,
      at[payload]!,
      length,
      at[body]!,
      at[body + length]!,
    );
    if (!sealed) {
      this.#sender.cancel(recordLength);
      this.#drops.count("send failed");
    }
  }
}
