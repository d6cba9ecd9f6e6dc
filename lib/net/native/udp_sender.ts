/**
 * The last outbound stage: sealed records wait in a buffer for each path until it is full or the turn
 * is over, and leave in one send that the kernel cuts into datagrams (UDP_SEGMENT).
 *
 * All records of a batch have the length of its first one, but the last may be shorter.
 */
import {
  EADDRNOTAVAIL,
  EAGAIN,
  EHOSTUNREACH,
  EMSGSIZE,
  ENETDOWN,
  ENETUNREACH,
  ENOBUFS,
  ENODEV,
  ENXIO,
} from "../../ffi/libc/errno.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import { cmsgSpace, MessageBuffer } from "../../ffi/linux/message.ts";
import { MSG_DONTWAIT, SOL_UDP, UDP_SEGMENT } from "../../ffi/linux/socket.ts";
import type { DropCounters } from "../../protocol/wire/drop_reason.ts";
import type { SessionPath } from "../../protocol/session/session_path.ts";
import { RECORD_OVERHEAD } from "../../protocol/wire/header.ts";
import type { Layout } from "./layout.ts";
import { LOCAL_ADDRESS_SPACE, writePeer } from "./peer_sockaddr.ts";
import type { NativeSession } from "./sessions.ts";
import type { SocketTable } from "./sockets.ts";

/** Below the longest UDP payload of IPv4 (65,507) and IPv6. */
const BATCH_BYTES_MAX = 65_400;
/** UDP_MAX_SEGMENTS of every kernel that has UDP_SEGMENT. */
const BATCH_RECORDS_MAX = 64;
const CONTROL_BYTES = cmsgSpace(2) + LOCAL_ADDRESS_SPACE;

/** Records that wait for one path. */
class Batch {
  session: NativeSession | null = null;
  path: SessionPath | null = null;
  used = 0;
  records = 0;
  recordLength = 0;
  /** A shorter record ends it: the kernel cuts all pieces but the last to one length. */
  isClosed = false;

  /** @param buffer offset of its memory in the arena. */
  constructor(readonly buffer: number) {}

  hasRoomFor(length: number): boolean {
    return !this.isClosed && length <= this.recordLength && this.records < BATCH_RECORDS_MAX &&
      this.used + length <= BATCH_BYTES_MAX;
  }
}

export class UdpSender {
  readonly #libc: Libc;
  readonly #sockets: SocketTable;
  readonly #drops: DropCounters;
  readonly #view: DataView;
  readonly #message: MessageBuffer;
  readonly #batches: readonly Batch[];
  /** The batch the last record went into. */
  #batch: Batch;
  /** The index of the batch that is emptied next when all are in use. */
  #nextVictim = 0;

  constructor(libc: Libc, sockets: SocketTable, layout: Layout, drops: DropCounters) {
    this.#libc = libc;
    this.#sockets = sockets;
    this.#drops = drops;
    this.#view = layout.arena.view;
    this.#message = new MessageBuffer(layout.arena, CONTROL_BYTES);
    this.#batches = layout.send.map((buffer) => new Batch(buffer));
    this.#batch = this.#batches[0]!;
  }

  /** Hot. Where to write a record of `length` bytes for `path`; what does not fit leaves before. */
  reserve(session: NativeSession, path: SessionPath, length: number, now: number): number {
    let batch = this.#batch;
    if (batch.path !== path || batch.session !== session) {
      batch = this.#batch = this.#batchFor(session, path, now);
    }
    if (batch.records > 0 && !batch.hasRoomFor(length)) this.#flush(batch, now);
    if (batch.records === 0) {
      batch.session = session;
      batch.path = path;
      batch.recordLength = length;
      batch.isClosed = false;
    }
    const offset = batch.buffer + batch.used;
    batch.used += length;
    batch.records++;
    if (length < batch.recordLength) batch.isClosed = true;
    return offset;
  }

  /** The batch of a path, or an empty one. */
  #batchFor(session: NativeSession, path: SessionPath, now: number): Batch {
    let empty: Batch | null = null;
    for (const batch of this.#batches) {
      if (batch.records === 0) empty ??= batch;
      else if (batch.path === path && batch.session === session) return batch;
    }
    if (empty !== null) return empty;
    const victim = this.#batches[this.#nextVictim]!;
    this.#nextVictim = (this.#nextVictim + 1) % this.#batches.length;
    this.#flush(victim, now);
    return victim;
  }

  /** Takes back the record reserved last: it could not be sealed. */
  cancel(length: number): void {
    const batch = this.#batch;
    batch.used -= length;
    batch.records--;
    batch.isClosed = true;
  }

  /** Hot. Sends what has been reserved. */
  flush(now: number): void {
    for (const batch of this.#batches) if (batch.records > 0) this.#flush(batch, now);
  }

  #flush(batch: Batch, now: number): void {
    const { path, session, records, used, buffer, recordLength } = batch;
    batch.records = 0;
    batch.used = 0;
    if (path === null || session === null || records === 0) return;
    const { fd, gso } = this.#sockets.get(path.socket);
    let errno = gso || records === 1
      ? this.#send(fd, path, buffer, used, records, recordLength)
      : -1;
    // A link with a smaller MTU than a record refuses the batch; single datagrams may be fragmented.
    // Also, a connected socket tells here once what became of a datagram sent before (ICMP).
    if (errno !== 0 && errno !== EAGAIN && !isLinkGone(errno)) {
      errno = this.#sendOneByOne(fd, path, buffer, used, recordLength);
    }
    // The records of a batch are of one length, so all were refused, but perhaps a shorter last one.
    if (errno === EMSGSIZE) {
      this.#drops.count("too big for path", records);
      session.packetRefused(path, recordLength - RECORD_OVERHEAD, now);
    } else if (errno !== 0) this.#failed(session, path, errno, records, now);
    else if (path.isLinkGone) session.linkWorks(path, now);
  }

  #sendOneByOne(
    fd: number,
    path: SessionPath,
    offset: number,
    bytes: number,
    recordLength: number,
  ): number {
    let failure = 0;
    for (let at = 0; at < bytes; at += recordLength) {
      const length = Math.min(recordLength, bytes - at);
      failure = this.#send(fd, path, offset + at, length, 1, length) || failure;
    }
    return failure;
  }

  /** Returns 0 or the errno. */
  #send(
    fd: number,
    path: SessionPath,
    offset: number,
    bytes: number,
    records: number,
    recordLength: number,
  ): number {
    const message = this.#message;
    message.setData(offset, bytes);
    let control = message.control;
    if (records > 1) {
      const data = message.writeCmsg(control, SOL_UDP, UDP_SEGMENT, 2);
      this.#view.setUint16(data, recordLength, true);
      control += cmsgSpace(2);
    }
    if (this.#sockets.isConnected) {
      message.setNameLength(0);
    } else {
      control = writePeer(message, this.#view, path.peer, control, this.#sockets.isV6);
    }
    message.setControlLength(control - message.control);
    const sent = this.#libc.sendmsg(fd, message.address, MSG_DONTWAIT);
    return sent < 0 ? -sent : 0;
  }

  #failed(
    session: NativeSession,
    path: SessionPath,
    errno: number,
    records: number,
    now: number,
  ): void {
    if (errno === EAGAIN || errno === ENOBUFS) {
      this.#drops.count("send buffer full", records);
      return;
    }
    this.#drops.count("send failed", records);
    if (this.#sockets.isConnected && isLinkGone(errno)) session.linkFailed(path, now);
  }
}

/** Whether the kernel says that the link itself cannot carry anything. */
function isLinkGone(errno: number): boolean {
  return errno === ENETDOWN || errno === ENETUNREACH || errno === ENODEV || errno === ENXIO ||
    errno === EHOSTUNREACH || errno === EADDRNOTAVAIL;
}
