/**
 * The last outbound stage: seals records into a batch for each path until it is full or the turn ends,
 * and sends a batch in one call, which the kernel splits into datagrams (UDP_SEGMENT).
 */
import { EAGAIN, EMSGSIZE, ENOBUFS } from "../../ffi/libc/errno.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import type { Opener, Sealer } from "../../ffi/libcrypto/aes_gcm.ts";
import { cmsgSpace, MessageBuffer } from "../../ffi/linux/message.ts";
import { isLinkGone } from "../../ffi/linux/link_gone.ts";
import { MSG_DONTWAIT, SOL_UDP, UDP_SEGMENT } from "../../ffi/linux/socket.ts";
import type { Arena } from "../../ffi/memory/arena.ts";
import type { OutgoingRecord } from "../../protocol/crypto/outgoing_record.ts";
import type { DropCounters } from "../../protocol/wire/drop_reason.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import { HEADER_LENGTH, PAYLOAD_OFFSET, RECORD_OVERHEAD } from "../../protocol/wire/header.ts";
import type { PathObserver, RecordSink } from "../driver/ends.ts";
import type { PacketMemory } from "../driver/memory.ts";
import { GsoLimits } from "./gso_limits.ts";
import { LOCAL_ADDRESS_SPACE, writePeer } from "./peer_sockaddr.ts";
import { SendBatch } from "./send_batch.ts";
import type { SessionEntry } from "../driver/sessions.ts";
import { TRAFFIC_CLASS_SPACE, writeTrafficClass } from "./traffic_class_cmsg.ts";
import type { SocketTable } from "./sockets.ts";

/** Paths that may have records waiting at a time. */
const BATCHES_MAX = 32;
const CONTROL_BYTES = cmsgSpace(2) + TRAFFIC_CLASS_SPACE + LOCAL_ADDRESS_SPACE;
/** A full device does not signal when it has room again: retry after this, */
const RETRY_MS = 1;
/** and a full socket no later than this. */
const RETRY_BLOCKED_MS = 20;
/** Records the kernel had no room for are dropped after this: the path may be dead. */
const BLOCKED_MAX_MS = 100;

export class UdpSender implements RecordSink<Sealer, Opener> {
  readonly hasControlRoom = true;
  /** When `retry` is to be called next; Infinity: nothing is blocked. */
  retryAt = Infinity;
  readonly #libc: Libc;
  readonly #sockets: SocketTable;
  readonly #drops: DropCounters;
  readonly #arena: Arena;
  readonly #message: MessageBuffer;
  readonly #gso = new GsoLimits();
  readonly #observer: () => PathObserver<Sealer, Opener>;
  readonly #batches: SendBatch[] = [new SendBatch()];
  /** The batch the last record went into. */
  #batch = this.#batches[0]!;
  /** The index of the batch that is emptied next when all are in use. */
  #nextVictim = 0;

  /** @param arena for what the kernel is told of a send. */
  constructor(
    libc: Libc,
    sockets: SocketTable,
    arena: Arena,
    drops: DropCounters,
    observer: () => PathObserver<Sealer, Opener>,
  ) {
    this.#libc = libc;
    this.#sockets = sockets;
    this.#drops = drops;
    this.#arena = arena;
    this.#observer = observer;
    this.#message = new MessageBuffer(arena, CONTROL_BYTES);
  }

  /** Whether the kernel has no room for what waits: no more packets should be read. */
  get isBlocked(): boolean {
    return this.retryAt < Infinity;
  }

  /** Whether a socket's buffer is full: poll(2) tells when it has room. */
  isSocketFull(socket: number): boolean {
    return this.#batches.some(({ isSocketFull, path }) => isSocketFull && path?.socket === socket);
  }

  send(
    entry: SessionEntry<Sealer, Opener>,
    path: SessionPath,
    memory: PacketMemory,
    payload: number,
    length: number,
    outgoing: OutgoingRecord,
    now: number,
  ): void {
    const recordLength = length + RECORD_OVERHEAD;
    let batch = this.#batch;
    if (batch.path !== path) batch = this.#batch = this.#batchFor(path, now);
    if (!batch.hasRoomFor(recordLength, outgoing.trafficClass)) {
      if (batch.records > 0 && batch.blockedAt === Infinity) this.#flush(batch, now);
      if (!batch.hasRoomFor(recordLength, outgoing.trafficClass)) {
        return this.#drops.count("send buffer full");
      }
    }
    if (batch.records === 0) {
      batch.entry = entry;
      batch.path = path;
      batch.trafficClass = outgoing.trafficClass;
    }
    const { memory: records, used: record } = batch;
    const sealer = entry.session.writeRecord(records.view, record, path, length, outgoing);
    const body = record + PAYLOAD_OFFSET;
    const isSealed = sealer.seal(
      records.address(record + HEADER_LENGTH),
      records.address(record),
      HEADER_LENGTH,
      memory.address(payload),
      length,
      records.address(body),
      records.address(body + length),
    );
    if (!isSealed) return this.#drops.count("send failed");
    batch.closeRecord(recordLength);
  }

  /** The batch of a path, or an empty one. */
  #batchFor(path: SessionPath, now: number): SendBatch {
    let empty: SendBatch | null = null;
    for (const batch of this.#batches) {
      if (batch.records === 0) empty ??= batch;
      else if (batch.path === path) return batch;
    }
    if (empty !== null) return empty;
    if (this.#batches.length < BATCHES_MAX) {
      const added = new SendBatch();
      this.#batches.push(added);
      return added;
    }
    const victim = this.#batches[this.#nextVictim]!;
    this.#nextVictim = (this.#nextVictim + 1) % this.#batches.length;
    this.#flush(victim, now);
    if (victim.records > 0) this.#drop(victim, "send buffer full");
    return victim;
  }

  flush(now: number): void {
    for (const batch of this.#batches) {
      if (batch.records > 0 && batch.blockedAt === Infinity) this.#flush(batch, now);
    }
  }

  /** Tries again to send what the kernel had no room for. */
  retry(now: number): void {
    this.retryAt = Infinity;
    for (const batch of this.#batches) if (batch.blockedAt < Infinity) this.#flush(batch, now);
  }

  close(path: SessionPath): void {
    for (const batch of this.#batches) {
      if (batch.path === path && batch.records > 0) this.#drop(batch, "send failed");
    }
    if (this.#batches.every(({ blockedAt }) => blockedAt === Infinity)) this.retryAt = Infinity;
    if (!this.#sockets.isConnected) return;
    this.#libc.closeFile(this.#sockets.get(path.socket).fd);
    this.#sockets.remove(path.socket);
  }

  #drop(batch: SendBatch, reason: "send buffer full" | "send failed"): void {
    this.#drops.count(reason, batch.records - batch.sent);
    batch.clear();
  }

  #flush(batch: SendBatch, now: number): void {
    const { entry, path, recordLength } = batch;
    if (entry === null || path === null) return;
    const { fd, gso } = this.#sockets.get(path.socket);
    const errno = gso && this.#gso.allows(path, recordLength, now)
      ? this.#sendTogether(fd, batch, path, now)
      : this.#sendSingly(fd, batch, path);
    if (errno === EAGAIN || errno === ENOBUFS) return this.#block(batch, errno, now);
    const waiting = batch.records - batch.sent;
    const { tooLarge } = batch;
    batch.clear();
    if (tooLarge > 0) {
      this.#drops.count("too big for path", tooLarge);
      this.#observer().packetRefused(entry, path, recordLength - RECORD_OVERHEAD, now);
    }
    if (errno === 0) {
      if (path.isLinkGone) this.#observer().linkWorks(entry, path, now);
    } else if (errno !== EMSGSIZE) {
      this.#drops.count("send failed", waiting);
      if (this.#sockets.isConnected && isLinkGone(errno)) {
        this.#observer().linkFailed(entry, path, now);
      }
    }
  }

  /** Sends the batch at once, or what is left of it; piece by piece where the kernel does not cut. */
  #sendTogether(fd: number, batch: SendBatch, path: SessionPath, now: number): number {
    const { sent, records, recordLength } = batch;
    if (records - sent === 1) return this.#sendSingly(fd, batch, path);
    const errno = this.#sendAgain(fd, batch, path, sent, records - sent);
    if (errno === 0) batch.sent = records;
    if (errno === 0 || errno === EAGAIN || errno === ENOBUFS || isLinkGone(errno)) return errno;
    const single = this.#sendSingly(fd, batch, path);
    if (single === 0) this.#gso.refused(path, recordLength, errno, now);
    return single;
  }

  /** Sends what is left of the batch record by record. Returns 0 or the errno of the first failure. */
  #sendSingly(fd: number, batch: SendBatch, path: SessionPath): number {
    for (; batch.sent < batch.records; batch.sent++) {
      const errno = this.#sendAgain(fd, batch, path, batch.sent, 1);
      // A shorter one may pass.
      if (errno === EMSGSIZE) batch.tooLarge++;
      else if (errno !== 0) return errno;
    }
    return batch.tooLarge > 0 ? EMSGSIZE : 0;
  }

  /**
   * A connected socket tells once what became of a datagram sent before: EHOSTUNREACH and the like
   * are then what some router said of that one (icmp_err_convert of Linux), and this one has not been
   * tried. Only what is said twice is said of the link.
   */
  #sendAgain(
    fd: number,
    batch: SendBatch,
    path: SessionPath,
    first: number,
    count: number,
  ): number {
    const errno = this.#send(fd, batch, path, first, count);
    const isFinal = errno === 0 || errno === EAGAIN || errno === ENOBUFS ||
      !this.#sockets.isConnected;
    return isFinal ? errno : this.#send(fd, batch, path, first, count);
  }

  /** Returns 0 or the errno. */
  #send(fd: number, batch: SendBatch, path: SessionPath, first: number, count: number): number {
    const message = this.#message;
    const { view } = this.#arena;
    const from = batch.memory.origin + first * batch.recordLength;
    message.setMemory(from, batch.bytesOf(first, count));
    let { control } = message;
    if (count > 1) {
      const data = message.writeCmsg(control, SOL_UDP, UDP_SEGMENT, 2);
      view.setUint16(data, batch.recordLength, true);
      control += cmsgSpace(2);
    }
    if (batch.trafficClass !== 0) {
      control = writeTrafficClass(message, view, path, batch.trafficClass, control);
    }
    if (this.#sockets.isConnected) message.setNameLength(0);
    else control = writePeer(message, view, path.peer, control, this.#sockets.isV6);
    message.setControlLength(control - message.control);
    const sent = this.#libc.sendmsg(fd, message.address, MSG_DONTWAIT);
    return sent < 0 ? -sent : 0;
  }

  /** The kernel has no room: the batch waits. */
  #block(batch: SendBatch, errno: number, now: number): void {
    if (batch.blockedAt === Infinity) batch.blockedAt = now;
    batch.isSocketFull = errno === EAGAIN;
    if (now - batch.blockedAt >= BLOCKED_MAX_MS) return this.#drop(batch, "send buffer full");
    const retryMs = errno === ENOBUFS ? RETRY_MS : RETRY_BLOCKED_MS;
    this.retryAt = Math.min(this.retryAt, now + retryMs);
  }
}
