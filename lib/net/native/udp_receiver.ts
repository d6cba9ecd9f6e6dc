/** Receives from the sockets: one receive is a datagram, or several that the kernel coalesced. */
import type { Libc } from "../../ffi/libc/libc.ts";
import type { Opener, Sealer } from "../../ffi/libcrypto/aes_gcm.ts";
import { cmsgSpace, MessageBuffer } from "../../ffi/linux/message.ts";
import { MSG_DONTWAIT, SOL_UDP, UDP_GRO } from "../../ffi/linux/socket.ts";
import type { Arena } from "../../ffi/memory/arena.ts";
import { PeerAddress } from "../../protocol/path/peer_address.ts";
import { HEADER_LENGTH, PAYLOAD_OFFSET } from "../../protocol/wire/header.ts";
import type { Inbound } from "../driver/inbound.ts";
import type { MemoryLayout } from "./memory_layout.ts";
import { LOCAL_ADDRESS_SPACE, readPeer, SOCKADDR_CAPACITY } from "./peer_sockaddr.ts";
import type { SocketTable } from "./sockets.ts";
import { readTrafficClass, TRAFFIC_CLASS_SPACE } from "./traffic_class_cmsg.ts";
import { PACKET_BYTES_MAX } from "../../protocol/packet/ip.ts";

/** A receive that brings so much is written at once, while it is in the processor's cache. */
const MUCH_BYTES = 8 * 1024;
/** What one receive brings starts at a multiple of this. */
const PLACE_BYTES = 64;
/** Receives before the other direction gets its turn. */
const RECEIVES_PER_TURN = 16;
const CONTROL_BYTES = cmsgSpace(4) + TRAFFIC_CLASS_SPACE + LOCAL_ADDRESS_SPACE + 64;

export class UdpReceiver {
  readonly #libc: Libc;
  readonly #arena: Arena;
  readonly #view: DataView;
  readonly #start: number;
  readonly #end: number;
  readonly #sockets: SocketTable;
  readonly #inbound: Inbound<Sealer, Opener>;
  readonly #message: MessageBuffer;
  readonly #peer = new PeerAddress();
  /** Whether the last run ended with its turn, and more may wait. */
  isMoreLeft = false;

  constructor(
    libc: Libc,
    { arena, receive, receiveEnd }: MemoryLayout,
    sockets: SocketTable,
    inbound: Inbound<Sealer, Opener>,
  ) {
    this.#libc = libc;
    this.#arena = arena;
    this.#view = arena.view;
    this.#start = receive;
    this.#end = receiveEnd;
    this.#sockets = sockets;
    this.#inbound = inbound;
    this.#message = new MessageBuffer(arena, CONTROL_BYTES);
  }

  /** Hot. Takes what waits in a socket, up to a turn's worth. Returns how many bytes came. */
  run(socket: number, now: number): number {
    this.isMoreLeft = false;
    // Its session may have ended in this turn.
    if (!this.#sockets.has(socket)) return 0;
    const message = this.#message;
    const { fd } = this.#sockets.get(socket);
    const isConnected = this.#sockets.isConnected;
    let bytes = 0;
    // What comes one by one lies behind each other until it is written together.
    let at = this.#start;
    for (let receives = 0; receives < RECEIVES_PER_TURN; receives++) {
      message.setNameLength(isConnected ? 0 : SOCKADDR_CAPACITY);
      message.setControlLength(CONTROL_BYTES);
      message.setData(at, PACKET_BYTES_MAX);
      const length = this.#libc.recvmsg(fd, message.address, MSG_DONTWAIT);
      // An error is EAGAIN, or what the network said of a datagram sent before: nothing to do here.
      if (length < 0) break;
      bytes += length;
      const gro = message.findCmsg(SOL_UDP, UDP_GRO);
      const segment = gro < 0 ? length : this.#view.getUint16(gro, true);
      this.#inbound.trafficClass = readTrafficClass(message, this.#view);
      if (!isConnected) readPeer(message, this.#view, this.#peer);
      this.#receiveBatch(at, length, segment === 0 ? length : segment, socket, now);
      // Few places to lie at are few addresses to keep.
      at = (at + length + PLACE_BYTES - 1) & -PLACE_BYTES;
      if (length >= MUCH_BYTES || at + PACKET_BYTES_MAX > this.#end) {
        this.#inbound.flush();
        at = this.#start;
      }
      if (!this.#sockets.has(socket)) break;
      this.isMoreLeft = receives === RECEIVES_PER_TURN - 1;
    }
    this.#inbound.flush();
    return bytes;
  }

  /** Takes the records of `segment` bytes, the last maybe shorter, at offset `start`. */
  #receiveBatch(
    start: number,
    length: number,
    segment: number,
    socket: number,
    now: number,
  ): void {
    const peer = this.#sockets.isConnected ? null : this.#peer;
    for (let at = 0; at < length; at += segment) {
      this.#receive(start + at, Math.min(segment, length - at), socket, peer, now);
    }
  }

  #receive(
    record: number,
    length: number,
    socket: number,
    peer: PeerAddress | null,
    now: number,
  ): void {
    const inbound = this.#inbound;
    const arena = this.#arena;
    const opener = inbound.begin(arena, record, length, now);
    if (opener === null) return;
    const payload = record + PAYLOAD_OFFSET;
    const { payloadLength } = inbound.header;
    const text = arena.address(payload);
    const isAuthentic = opener.open(
      arena.address(record + HEADER_LENGTH),
      arena.address(record),
      HEADER_LENGTH,
      text,
      payloadLength,
      text,
      arena.address(payload + payloadLength),
    );
    if (!isAuthentic) inbound.refuse("not authentic");
    else inbound.accept(arena, record, socket, peer, now);
  }
}
