/**
 * UDP -> frame check -> open -> inflate -> replay check -> delivery.
 *
 * Opening takes turns of the event loop, so several records are under way at a time; all that
 * changes a session happens after it, in the order of arrival. The methods stand in the order in
 * which a record meets them.
 */
import { COMPRESSIBLE_BYTES_MAX } from "../../protocol/compression/flow_compression.ts";
import { gunzipPacket } from "../../protocol/compression/packet_gzip.ts";
import type { DropCounters, DropReason } from "../../protocol/wire/drop_reason.ts";
import type { SessionPath } from "../../protocol/session/session_path.ts";
import {
  COMPRESSION_GZIP,
  COMPRESSION_NONE,
  decodeHeader,
  FLAG_COPY,
  FLAG_ORDER_EXTENSION,
  FLAG_ORDERED,
  PAYLOAD_OFFSET,
  RECORD_OVERHEAD,
  RecordHeader,
  TYPE_PACKET,
} from "../../protocol/wire/header.ts";
import { type DatagramBuffer, DatagramPool } from "./datagram_buffer.ts";
import type { DatagramSocket } from "./datagram_socket.ts";
import type { Delivery } from "./delivery.ts";
import { InOrder } from "./in_order.ts";
import { peerAddress } from "./net_address.ts";
import type { SessionEntry, SessionTable } from "./sessions.ts";
import type { WebOpener } from "./web_crypto.ts";

/** Records being opened; datagrams wait in their sockets beyond that, but for one of each socket. */
const OPENING_MAX = 64;

interface Datagram {
  readonly buffer: DatagramBuffer;
  readonly length: number;
  /** The number of the socket it came to. */
  readonly socket: number;
  /** Where it came from; null when the socket is connected to the peer. */
  readonly from: Deno.NetAddr | null;
}

interface InboundHooks {
  /** A record was accepted: the session may have something to say. */
  readonly accepted: (entry: SessionEntry, now: number) => void;
  /** Told of errors that should not be. */
  readonly fail: (error: unknown) => void;
}

interface OpenedRecord {
  readonly datagram: Datagram;
  readonly entry: SessionEntry;
  readonly opener: WebOpener;
  readonly isAuthentic: boolean;
  /** The packet or message; null when it could not be inflated. */
  readonly text: Uint8Array | null;
}

export class Inbound {
  readonly #sessions: SessionTable;
  readonly #delivery: Delivery;
  readonly #drops: DropCounters;
  readonly #hooks: InboundHooks;
  readonly #pool = new DatagramPool();
  readonly #opening: InOrder<OpenedRecord>;
  readonly #header = new RecordHeader();

  constructor(
    sessions: SessionTable,
    delivery: Delivery,
    drops: DropCounters,
    hooks: InboundHooks,
  ) {
    this.#sessions = sessions;
    this.#delivery = delivery;
    this.#drops = drops;
    this.#hooks = hooks;
    this.#opening = new InOrder(OPENING_MAX, (opened) => this.#finish(opened), hooks.fail);
  }

  /** Takes what comes to a socket until that is closed. */
  async run(number: number, socket: DatagramSocket, isConnected: boolean): Promise<void> {
    for (;;) {
      if (!this.#opening.hasRoom) await this.#opening.whenRoom();
      const buffer = this.#pool.take();
      const received = await socket.receive(buffer.bytes);
      if (received === null) return this.#pool.give(buffer);
      const { length, from } = received;
      this.receive({ buffer, length, socket: number, from: isConnected ? null : from });
    }
  }

  /** Resolves when all that has been received so far is delivered. */
  whenDone(): Promise<void> {
    return this.#opening.whenDone();
  }

  /** Takes a datagram over, and its buffer with it. */
  receive(datagram: Datagram): void {
    const header = this.#header;
    const { view } = datagram.buffer;
    const refusal = decodeHeader(view, 0, datagram.length, header);
    if (refusal !== null) return this.#discard(datagram, refusal);
    const entry = this.#sessions.byId(header.session);
    if (entry === undefined) return this.#discard(datagram, "unknown session");
    const opener = entry.session.openerFor(view, 0, header, performance.now());
    if (opener === null) return this.#discard(datagram, entry.session.refusal);
    const compression = header.type === TYPE_PACKET ? header.compression : COMPRESSION_NONE;
    this.#opening.push(this.#open(datagram, entry, opener, compression));
  }

  #discard(datagram: Datagram, reason: DropReason): void {
    this.#drops.count(reason);
    this.#pool.give(datagram.buffer);
  }

  async #open(
    datagram: Datagram,
    entry: SessionEntry,
    opener: WebOpener,
    compression: number,
  ): Promise<OpenedRecord> {
    const record = datagram.buffer.bytes.subarray(0, datagram.length);
    const isAuthentic = await opener.open(record);
    const sent = record.subarray(PAYLOAD_OFFSET, PAYLOAD_OFFSET + record.length - RECORD_OVERHEAD);
    const text = compression === COMPRESSION_NONE
      ? sent
      : isAuthentic && compression === COMPRESSION_GZIP
      ? gunzipPacket(sent, COMPRESSIBLE_BYTES_MAX)
      : null;
    return { datagram, entry, opener, isAuthentic, text };
  }

  #finish(opened: OpenedRecord): void {
    const refusal = this.#accept(opened, performance.now());
    if (refusal !== null) this.#drops.count(refusal);
    this.#pool.give(opened.datagram.buffer);
  }

  /** Returns why the record is dropped, or null. */
  #accept({ datagram, entry, opener, isAuthentic, text }: OpenedRecord, now: number) {
    if (!isAuthentic) return "not authentic";
    const header = this.#header;
    const { session } = entry;
    const { buffer: { view }, length, socket, from } = datagram;
    decodeHeader(view, 0, length, header);
    if (this.#sessions.byId(header.session) !== entry) return "unknown session";
    // What the session said of the record before was said of the moment: a copy of it may have come
    // since, and its epoch may be over.
    const openerNow = session.openerFor(view, 0, header, now);
    if (openerNow === null) return session.refusal;
    if (openerNow !== opener) return "unknown epoch";
    const peer = from === null ? null : peerAddress(from);
    const path = session.accept(header, view, 0, socket, peer, now);
    if (path === null) return session.refusal;
    const refusal = header.type === TYPE_PACKET
      ? this.#acceptPacket(entry, path, text, now)
      : this.#acceptControl(entry, path, text!, now);
    if (entry.isPending && session.isReady) this.#sessions.promote(entry, now);
    this.#hooks.accepted(entry, now);
    return refusal;
  }

  #acceptControl(entry: SessionEntry, path: SessionPath, message: Uint8Array, now: number) {
    const { type, sequence } = this.#header;
    const refusal = entry.session.receiveControl(type, message, path, now);
    // A v1 server spends sequence numbers on echoes; whoever waits for them waits in vain.
    if (!entry.session.x1 && sequence !== 0) this.#delivery.skip(entry, sequence, now);
    return refusal;
  }

  #acceptPacket(
    entry: SessionEntry,
    path: SessionPath,
    packet: Uint8Array | null,
    now: number,
  ): DropReason | null {
    const { flags, sequence, stream } = this.#header;
    const { x1 } = entry.session;
    entry.session.notePacketReceived(path, now);
    if ((flags & FLAG_ORDER_EXTENSION) !== 0) return "bad message";
    if (packet === null) {
      if (!x1 && sequence !== 0) this.#delivery.skip(entry, sequence, now);
      return "bad gzip";
    }
    if (x1 && (flags & FLAG_COPY) !== 0) {
      if (!entry.reordering.isFirstCopy(stream, sequence)) return "copy";
    }
    const isOrdered = x1 ? (flags & FLAG_ORDERED) !== 0 : sequence !== 0;
    if (!isOrdered) this.#delivery.deliver(entry, packet, flags);
    else this.#delivery.reorder(entry, x1 ? stream : 0, sequence, packet, flags, now);
    return null;
  }
}
