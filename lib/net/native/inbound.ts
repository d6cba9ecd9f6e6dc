/**
 * UDP batch -> frame check -> open -> replay check -> inflate -> reorder -> coalesce -> TUN.
 * The methods stand in the order in which a record meets them.
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import { cmsgSpace, MessageBuffer } from "../../ffi/linux/message.ts";
import { MSG_DONTWAIT, SOL_UDP, UDP_GRO } from "../../ffi/linux/socket.ts";
import type { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { DELIVER_NOW, DUPLICATE, EMPTY, OVERFLOW } from "../../protocol/receive/reorder_buffer.ts";
import { FlowKey, readFlowKey } from "../../protocol/packet/flow_key.ts";
import { PeerAddress } from "../../protocol/path/peer_address.ts";
import type { SessionPath } from "../../protocol/session/session_path.ts";
import {
  COMPRESSION_NONE,
  COMPRESSION_ZSTD,
  decodeHeader,
  FLAG_COPY,
  FLAG_ORDER_EXTENSION,
  FLAG_ORDERED,
  FLAG_PARTIAL_CHECKSUM,
  HEADER_LENGTH,
  PAYLOAD_OFFSET,
  RecordHeader,
  TYPE_PACKET,
} from "../../protocol/wire/header.ts";
import type { Codecs } from "./codecs.ts";
import { type Layout, PACKET_BYTES_MAX } from "./layout.ts";
import { LOCAL_ADDRESS_SPACE, readPeer, SOCKADDR_CAPACITY } from "./peer_sockaddr.ts";
import type { ReorderStream } from "../driver/reordering.ts";
import type { SessionEntry, SessionTable } from "./sessions.ts";
import type { SocketTable } from "./sockets.ts";
import type { TunWriter } from "./tun_writer.ts";

/** Receives before the other direction gets its turn. */
const RECEIVES_PER_TURN = 16;
const CONTROL_BYTES = cmsgSpace(4) + LOCAL_ADDRESS_SPACE + 64;

export class Inbound {
  readonly #libc: Libc;
  readonly #layout: Layout;
  readonly #view: DataView;
  readonly #addresses: readonly bigint[];
  readonly #sockets: SocketTable;
  readonly #sessions: SessionTable;
  readonly #writer: TunWriter;
  readonly #drops: DropCounters;
  readonly #codecs: Codecs;
  readonly #message: MessageBuffer;
  readonly #header = new RecordHeader();
  readonly #flow = new FlowKey();
  readonly #peer = new PeerAddress();
  #earliestFlush = Infinity;

  constructor(
    libc: Libc,
    layout: Layout,
    sockets: SocketTable,
    sessions: SessionTable,
    writer: TunWriter,
    drops: DropCounters,
    codecs: Codecs,
  ) {
    this.#libc = libc;
    this.#layout = layout;
    this.#view = layout.arena.view;
    this.#addresses = layout.arena.addresses;
    this.#sockets = sockets;
    this.#sessions = sessions;
    this.#writer = writer;
    this.#drops = drops;
    this.#codecs = codecs;
    this.#message = new MessageBuffer(layout.arena, CONTROL_BYTES);
    this.#message.setData(layout.receive, PACKET_BYTES_MAX);
  }

  /** When `flushReordered` is to be called next. */
  get nextFlush(): number {
    return this.#earliestFlush;
  }

  /** Hot. Delivers what waits in a socket, up to a turn's worth. */
  run(socket: number, now: number): void {
    const message = this.#message;
    const { fd } = this.#sockets.get(socket);
    const isConnected = this.#sockets.isConnected;
    for (let receives = 0; receives < RECEIVES_PER_TURN; receives++) {
      message.setNameLength(isConnected ? 0 : SOCKADDR_CAPACITY);
      message.setControlLength(CONTROL_BYTES);
      const length = this.#libc.recvmsg(fd, message.address, MSG_DONTWAIT);
      // An error is EAGAIN, or what the network said of a datagram sent before: nothing to do here.
      if (length < 0) return;
      const gro = message.findCmsg(SOL_UDP, UDP_GRO);
      const segment = gro < 0 ? length : this.#view.getUint16(gro, true);
      if (!isConnected) readPeer(message, this.#view, this.#peer);
      this.#receiveBatch(length, segment === 0 ? length : segment, socket, now);
    }
  }

  #receiveBatch(length: number, segment: number, socket: number, now: number): void {
    const peer = this.#sockets.isConnected ? null : this.#peer;
    const start = this.#layout.receive;
    for (let at = 0; at < length; at += segment) {
      this.#receive(start + at, Math.min(segment, length - at), socket, peer, now);
    }
    this.#writer.flush();
  }

  #receive(
    record: number,
    length: number,
    socket: number,
    peer: PeerAddress | null,
    now: number,
  ): void {
    const header = this.#header;
    const refusal = decodeHeader(this.#view, record, length, header);
    if (refusal !== null) return this.#drops.count(refusal);
    const entry = this.#sessions.byId(header.session);
    if (entry === undefined) return this.#drops.count("unknown session");
    const { session } = entry;
    const opener = session.openerFor(this.#view, record, header, now);
    if (opener === null) return this.#drops.count(session.refusal);
    const at = this.#addresses;
    const payload = record + PAYLOAD_OFFSET;
    const isAuthentic = opener.open(
      at[record + HEADER_LENGTH]!,
      at[record]!,
      HEADER_LENGTH,
      at[payload]!,
      header.payloadLength,
      at[payload]!,
      at[payload + header.payloadLength]!,
    );
    if (!isAuthentic) return this.#drops.count("not authentic");
    const path = session.accept(header, this.#view, record, socket, peer, now);
    if (path === null) return this.#drops.count(session.refusal);
    if (header.type === TYPE_PACKET) this.#receivePacket(entry, path, payload, now);
    else this.#receiveControl(entry, path, payload, now);
    if (entry.isPending && session.isReady) this.#sessions.promote(entry, now);
  }

  #receiveControl(entry: SessionEntry, path: SessionPath, payload: number, now: number): void {
    const header = this.#header;
    const bytes = this.#layout.arena.bytes.subarray(payload, payload + header.payloadLength);
    const refusal = entry.session.receiveControl(header.type, bytes, path, now);
    if (refusal !== null) this.#drops.count(refusal);
    // A v1 server spends sequence numbers on echoes: nobody must wait for what is no packet.
    if (!entry.session.x1 && header.sequence !== 0) this.#skipSequence(entry, now);
  }

  #skipSequence(entry: SessionEntry, now: number): void {
    const stream = entry.reordering.stream(0)!;
    const answer = this.#offer(entry, stream, this.#header.sequence, now);
    if (answer >= 0) stream.buffer.markEmpty(answer);
    this.#drain(entry, stream, now);
  }

  #receivePacket(entry: SessionEntry, path: SessionPath, payload: number, now: number): void {
    const header = this.#header;
    const { x1 } = entry.session;
    entry.session.notePacketReceived(path, now);
    if ((header.flags & FLAG_ORDER_EXTENSION) !== 0) return this.#drops.count("bad message");
    if (x1 && (header.flags & FLAG_COPY) !== 0) {
      const isFirst = entry.reordering.isFirstCopy(header.stream, header.sequence);
      if (!isFirst) return this.#drops.count("copy");
    }
    if (header.compression !== COMPRESSION_NONE) {
      if (!this.#inflate(entry, payload)) {
        if (!x1 && header.sequence !== 0) this.#skipSequence(entry, now);
        return this.#drops.count(header.compression === COMPRESSION_ZSTD ? "bad zstd" : "bad gzip");
      }
      payload = this.#layout.made;
    }
    const isOrdered = x1 ? (header.flags & FLAG_ORDERED) !== 0 : header.sequence !== 0;
    if (isOrdered) this.#reorder(entry, payload, now);
    else this.#deliver(entry, payload, header.payloadLength, header.flags);
    if (payload === this.#layout.made) this.#writer.flush();
  }

  /** Inflates the packet into the region for made packets, and puts its new length in the header. */
  #inflate(entry: SessionEntry, payload: number): boolean {
    const header = this.#header;
    // What waits to be written may lie where the packet goes.
    this.#writer.flush();
    const { made } = this.#layout;
    const { compression: kind, payloadLength } = header;
    const length = this.#codecs.inflate(entry.spec, kind, payload, payloadLength, made);
    if (length <= 0) return false;
    header.payloadLength = length;
    return true;
  }

  #reorder(entry: SessionEntry, payload: number, now: number): void {
    const header = this.#header;
    const stream = entry.reordering.stream(entry.session.x1 ? header.stream : 0);
    if (stream === null) return this.#drops.count("no room for path");
    const answer = this.#offer(entry, stream, header.sequence, now);
    if (answer === DELIVER_NOW) {
      this.#deliver(entry, payload, header.payloadLength, header.flags);
    } else if (answer >= 0) {
      const { bytes } = this.#layout.arena;
      if (!stream.store(answer, bytes, payload, header.payloadLength, header.flags)) {
        stream.buffer.markEmpty(answer);
        this.#drops.count("too long");
      }
    } else {
      this.#drops.count(answer === DUPLICATE ? "duplicate" : "late");
    }
    this.#drain(entry, stream, now);
  }

  /** Offers a sequence number, giving up gaps until there is room for it. */
  #offer(entry: SessionEntry, stream: ReorderStream, sequence: number, now: number): number {
    let answer = stream.buffer.offer(sequence, now);
    while (answer === OVERFLOW) {
      stream.buffer.skipGap();
      this.#drain(entry, stream, now);
      answer = stream.buffer.offer(sequence, now);
    }
    return answer;
  }

  /** Delivers what has its turn. */
  #drain(entry: SessionEntry, stream: ReorderStream, now: number): void {
    const { buffer } = stream;
    for (let slot = buffer.take(now); slot !== EMPTY; slot = buffer.take(now)) {
      this.#writer.flush();
      const { arena, single } = this.#layout;
      const length = stream.load(slot, arena.bytes, single);
      this.#deliver(entry, single, length, stream.flags(slot));
      this.#writer.flush();
    }
    this.#earliestFlush = Math.min(this.#earliestFlush, buffer.nextDeadline());
  }

  /** Delivers the packets that have waited for others long enough. */
  flushReordered(now: number): void {
    this.#earliestFlush = Infinity;
    for (const entry of this.#sessions) {
      for (const stream of entry.reordering.streams) this.#drain(entry, stream, now);
    }
  }

  #deliver(entry: SessionEntry, packet: number, length: number, flags: number): void {
    const flow = this.#flow;
    if (!readFlowKey(this.#view, packet, length, flow)) return this.#drops.count("not IP");
    if (entry.spec.role === "server" && !entry.isSource(flow)) {
      return this.#drops.count("foreign source");
    }
    const isPartial = entry.session.x1 && (flags & FLAG_PARTIAL_CHECKSUM) !== 0;
    this.#writer.deliver(packet, flow, isPartial);
  }
}
