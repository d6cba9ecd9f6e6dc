/**
 * TUN -> classify flow -> pick path -> number and frame -> seal -> UDP.
 * The methods stand in the order in which a packet meets them.
 */
import type { CompressionMode } from "../../protocol/compression/compression_mode.ts";
import { FlowCompression } from "../../protocol/compression/flow_compression.ts";
import { gzipPacket } from "../../protocol/compression/packet_gzip.ts";
import type { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { FlowKey, readFlowKey } from "../../protocol/packet/flow_key.ts";
import { FlowTable } from "../../protocol/schedule/flow_table.ts";
import { Dispatch } from "../../protocol/schedule/dispatch.ts";
import { Outgoing } from "../../protocol/crypto/outgoing.ts";
import { PeerAddress } from "../../protocol/path/peer_address.ts";
import type { SessionPath } from "../../protocol/session/session_path.ts";
import {
  COMPRESSION_GZIP,
  COMPRESSION_NONE,
  PAYLOAD_OFFSET,
  RECORD_OVERHEAD,
  TYPE_PACKET,
} from "../../protocol/wire/header.ts";
import { InOrder } from "./in_order.ts";
import { netAddress } from "./net_address.ts";
import { Oversize } from "../driver/oversize.ts";
import type { PortableSession, SessionEntry, SessionTable } from "./sessions.ts";
import type { SocketTable } from "./socket_table.ts";
import type { TunPort } from "./tun_port.ts";
import type { WebOpener, WebSealer } from "./web_crypto.ts";

/** Records being sealed; packets wait in the TUN device beyond that. */
const SEALING_MAX = 64;
/** Heartbeats and messages may be sealed besides packets, up to this many records in all. */
const SEALING_CONTROL_MAX = 256;
/** Packets read before the other direction gets its turn. */
const READS_PER_TURN = 32;
const US_PER_MS = 1000;

/** Errors that say that the link itself cannot carry anything. */
const LINK_GONE = new Set([
  "ENETDOWN",
  "ENETUNREACH",
  "ENODEV",
  "ENXIO",
  "EHOSTUNREACH",
  "EADDRNOTAVAIL",
]);

interface SealedRecord {
  readonly session: PortableSession;
  readonly path: SessionPath;
  readonly record: Uint8Array<ArrayBuffer>;
  readonly isSealed: boolean;
}

export class Outbound {
  readonly #tun: TunPort;
  readonly #sessions: SessionTable;
  readonly #sockets: SocketTable;
  readonly #drops: DropCounters;
  readonly #dispatch = new Dispatch<WebSealer, WebOpener>(
    new FlowTable({ seed: crypto.getRandomValues(new Int32Array(1))[0]! }),
  );
  readonly #outgoing = new Outgoing();
  readonly #flow = new FlowKey();
  readonly #compression = new FlowCompression();
  readonly #oversize: Oversize;
  readonly #answerFlow = new FlowKey();
  #entry: SessionEntry | null = null;
  #now = 0;
  readonly #sealing: InOrder<SealedRecord>;
  /** The addresses of paths in Deno's words, and what they were made from. */
  readonly #addresses = new WeakMap<SessionPath, { peer: PeerAddress; to: Deno.NetAddr }>();

  /** @param fail told of errors that should not be. */
  constructor(
    tun: TunPort,
    sessions: SessionTable,
    sockets: SocketTable,
    drops: DropCounters,
    fail: (error: unknown) => void,
  ) {
    this.#tun = tun;
    this.#sessions = sessions;
    this.#sockets = sockets;
    this.#drops = drops;
    this.#oversize = new Oversize(tun.inbound.view, {
      answer: (length) => this.#answer(length),
      send: (length) =>
        this.#sendPacket(this.#entry!, tun.inbound.bytes.subarray(0, length), this.#now),
    });
    this.#sealing = new InOrder(SEALING_MAX, (sealed) => this.#send(sealed), fail);
  }

  /** Resolves when more packets may be read. */
  whenRoom(): Promise<void> {
    return this.#sealing.hasRoom ? Promise.resolve() : this.#sealing.whenRoom();
  }

  /** Resolves when all records sealed so far have been handed to their sockets. */
  whenDone(): Promise<void> {
    return this.#sealing.whenDone();
  }

  /**
   * Sends what waits in the TUN device, up to a turn's worth. Returns the negative errno when the
   * device cannot be read, else 0.
   */
  run(now: number): number {
    for (let reads = 0; reads < READS_PER_TURN && this.#sealing.hasRoom; reads++) {
      const length = this.#tun.read();
      if (length <= 0) return length;
      this.#forward(length, now);
    }
    return 0;
  }

  #forward(length: number, now: number): void {
    const flow = this.#flow;
    const { bytes, view } = this.#tun.outbound;
    if (!readFlowKey(view, 0, length, flow)) return this.#drops.count("not IP");
    const entry = this.#sessions.forPacket(flow);
    if (entry === null) return this.#drops.count("no session for destination");
    const { session } = entry;
    if (!this.#dispatch.begin(session, flow, length, now)) {
      return this.#drops.count("no live path");
    }
    const mtu = entry.packetBytesMax(flow);
    if (length <= mtu) return this.#sendPacket(entry, bytes.subarray(0, length), now);
    this.#drops.count("too big for path");
    this.#entry = entry;
    this.#now = now;
    this.#oversize.handle(view, 0, length, mtu, entry.router, now);
  }

  /** Hands an answer, made where packets for the TUN device stand, to the kernel. */
  #answer(length: number): void {
    if (!readFlowKey(this.#tun.inbound.view, 0, length, this.#answerFlow)) return;
    if (!this.#tun.write(this.#answerFlow, false)) this.#drops.count("TUN refused");
  }

  /** Sends one packet on the path or paths it is to take. */
  #sendPacket(entry: SessionEntry, packet: Uint8Array, now: number): void {
    const { session, spec: { tuning: { compression } } } = entry;
    const dispatch = this.#dispatch;
    const outgoing = this.#outgoing;
    outgoing.type = TYPE_PACKET;
    outgoing.flags = dispatch.flags;
    outgoing.stream = dispatch.stream;
    outgoing.sequence = session.nextSequence(dispatch.stream);
    const gzip = this.#compress(compression, packet, now);
    outgoing.compression = gzip === null ? COMPRESSION_NONE : COMPRESSION_GZIP;
    const payload = gzip ?? packet;
    for (const path of dispatch.next(payload.length)) this.#seal(session, path, payload, now);
  }

  /** The gzip of a packet of the flow read last, or null when it stays plain. */
  #compress(mode: CompressionMode, packet: Uint8Array, now: number): Uint8Array | null {
    const { length } = packet;
    const capacity = this.#compression.capacityFor(mode, this.#flow, packet, 0, length, now);
    if (capacity === 0) return null;
    const gzip = gzipPacket(packet, capacity);
    this.#compression.noteTry(gzip !== null);
    return gzip;
  }

  /** Sends the heartbeats, echoes and messages of a session that wait. */
  sendControl(session: PortableSession, now: number): void {
    while (this.#sealing.count < SEALING_CONTROL_MAX) {
      const next = session.pollTransmit();
      if (next === null) return;
      this.#outgoing.type = next.type;
      this.#outgoing.flags = this.#outgoing.stream = this.#outgoing.sequence = 0;
      this.#outgoing.compression = COMPRESSION_NONE;
      this.#seal(session, next.path, next.payload, now);
    }
  }

  #seal(
    session: PortableSession,
    path: SessionPath,
    payload: Uint8Array,
    now: number,
  ): void {
    const record = new Uint8Array(payload.length + RECORD_OVERHEAD);
    record.set(payload, PAYLOAD_OFFSET);
    const view = new DataView(record.buffer);
    this.#outgoing.sendTime = Math.round(now * US_PER_MS) >>> 0;
    const sealer = session.writeRecord(view, 0, path, payload.length, this.#outgoing);
    const seal = async () => ({ session, path, record, isSealed: await sealer.seal(record) });
    this.#sealing.push(seal());
  }

  #send({ session, path, record, isSealed }: SealedRecord): void {
    const socket = this.#sockets.get(path.socket);
    if (!isSealed || socket === undefined) return this.#drops.count("send failed");
    const hasRoom = socket.send({
      datagram: record,
      to: this.#sockets.server(path.socket) ?? this.#address(path, socket.isV6),
      sent: () => {
        if (path.isLinkGone) session.linkWorks(path, performance.now());
      },
      failed: (code) => this.#failed(session, path, record.length - RECORD_OVERHEAD, code),
    });
    if (!hasRoom) this.#drops.count("send buffer full");
  }

  #address(path: SessionPath, isV6: boolean): Deno.NetAddr {
    const known = this.#addresses.get(path);
    if (known !== undefined && known.peer.equals(path.peer)) return known.to;
    const peer = new PeerAddress();
    peer.copyFrom(path.peer);
    const to = netAddress(peer, isV6);
    this.#addresses.set(path, { peer, to });
    return to;
  }

  #failed(session: PortableSession, path: SessionPath, bytes: number, code: string): void {
    if (code === "ENOBUFS" || code === "EAGAIN") return this.#drops.count("send buffer full");
    if (code === "EMSGSIZE") {
      session.packetRefused(path, bytes, performance.now());
      return this.#drops.count("too big for path");
    }
    this.#drops.count("send failed");
    const isClients = this.#sockets.server(path.socket) !== null;
    if (isClients && LINK_GONE.has(code)) session.linkFailed(path, performance.now());
  }
}
