/** For tests: a socket on the loopback interface that shows what arrives at it. */
import { Libc } from "../lib/ffi/libc/libc.ts";
import { cmsgSpace, MessageBuffer } from "../lib/ffi/linux/message.ts";
import {
  MSG_DONTWAIT,
  openPathSocket,
  openServerSocket,
  type ServerSocket,
  SOL_UDP,
  UDP_GRO,
} from "../lib/ffi/linux/socket.ts";
import { Arena } from "../lib/ffi/memory/arena.ts";

const RECEIVE_BYTES = 65_536;
const CONTROL_BYTES = cmsgSpace(4) + cmsgSpace(20);

interface Arrival {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of each datagram when the kernel hands over many at once, else 0. */
  readonly segment: number;
  /** The sender's port. */
  readonly port: number;
}

export class Loopback implements Disposable {
  readonly libc = Libc.open();
  readonly socket: ServerSocket;
  readonly port: number;
  readonly #arena = new Arena(RECEIVE_BYTES + 1024);
  readonly #message = new MessageBuffer(this.#arena, CONTROL_BYTES);
  readonly #data = this.#arena.reserve(RECEIVE_BYTES);
  readonly #opened: number[];

  constructor(open: (libc: Libc, port: number) => ServerSocket = openServerSocket) {
    this.socket = open(this.libc, 0);
    this.port = portOf(this.libc, this.socket.fd);
    this.#opened = [this.socket.fd];
  }

  /** A socket connected to this one, or to one at another port, by way of a loopback address. */
  connect(server = "127.0.0.1", port = this.port) {
    const socket = openPathSocket(this.libc, { device: "lo", server, port });
    this.#opened.push(socket.fd);
    return { ...socket, port: portOf(this.libc, socket.fd) };
  }

  /** What waits in the socket, or in another, from one receive to the next. */
  arrivals(fd = this.socket.fd): Arrival[] {
    const message = this.#message;
    const { bytes, view } = this.#arena;
    const arrivals: Arrival[] = [];
    for (;;) {
      message.setData(this.#data, RECEIVE_BYTES);
      message.setNameLength(28);
      message.setControlLength(CONTROL_BYTES);
      const length = this.libc.recvmsg(fd, message.address, MSG_DONTWAIT);
      if (length < 0) return arrivals;
      const gro = message.findCmsg(SOL_UDP, UDP_GRO);
      arrivals.push({
        bytes: bytes.slice(this.#data, this.#data + length),
        segment: gro < 0 ? 0 : view.getUint16(gro, true),
        port: view.getUint16(message.name + 2),
      });
    }
  }

  /** Sends one datagram over a connected socket. */
  send(fd: number, bytes: Uint8Array): void {
    this.#arena.bytes.set(bytes, this.#data);
    const address = this.#arena.address(this.#data);
    const sent = this.libc.write(fd, address, BigInt(bytes.length));
    if (sent !== bytes.length) throw new Error(`Cannot send: errno ${-sent}`);
  }

  [Symbol.dispose](): void {
    for (const fd of this.#opened) this.libc.closeFile(fd);
  }
}

/** The port a socket is bound to. */
export function portOf(libc: Libc, fd: number): number {
  return new DataView(libc.socketName(fd).buffer).getUint16(2);
}
