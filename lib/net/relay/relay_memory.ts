/** What the streams of one thread share: nothing in it belongs to a stream from one call to the next. */
import type { Libc } from "../../ffi/libc/libc.ts";
import type { Epoll } from "../../ffi/linux/epoll.ts";
import { cmsgSpace, MessageBuffer } from "../../ffi/linux/message.ts";
import { SOL_UDP, UDP_GRO, UDP_SEGMENT } from "../../ffi/linux/socket.ts";
import { Arena, pinnedBytes } from "../../ffi/memory/arena.ts";
import { FrameBuffer } from "./frame_buffer.ts";
import { BlockPool, RECEIVE_BYTES_MAX } from "./send_queue.ts";

const MESSAGE_BYTES = 1024;
const CONTROL_BYTES = cmsgSpace(4) + 64;

export class RelayMemory {
  readonly frames = new FrameBuffer();
  readonly pool = new BlockPool();
  readonly #arena = new Arena(MESSAGE_BYTES);
  readonly #message = new MessageBuffer(this.#arena, CONTROL_BYTES);
  readonly #discarded = pinnedBytes(RECEIVE_BYTES_MAX);

  constructor(readonly libc: Libc, readonly epoll: Epoll) {}

  /** Length of the datagrams of the last receive, but for the last of them. */
  segment = 0;

  /**
   * Hot. Receives datagrams at an address with room for RECEIVE_BYTES_MAX. Returns their length
   * together, or the negative errno.
   */
  receive(fd: number, address: number): number {
    const message = this.#message;
    message.setNameLength(0);
    message.setControlLength(CONTROL_BYTES);
    message.setMemory(address, RECEIVE_BYTES_MAX);
    const length = this.libc.recvmsg(fd, message.address, 0);
    if (length < 0) return length;
    const gro = message.findCmsg(SOL_UDP, UDP_GRO);
    const segment = gro < 0 ? length : this.#arena.view.getUint16(gro, true);
    this.segment = segment === 0 ? length : segment;
    return length;
  }

  /** Hot. Throws away what one receive brings. Returns as `receive`. */
  discard(fd: number): number {
    return this.receive(fd, Number(this.#discarded.address));
  }

  /**
   * Hot. Sends `length` bytes at an address as datagrams of `segment` bytes, the last maybe shorter.
   * Returns bytes sent, or the negative errno.
   */
  send(fd: number, address: number, length: number, segment: number): number {
    const message = this.#message;
    message.setNameLength(0);
    message.setMemory(address, length);
    if (segment < length) {
      const data = message.writeCmsg(message.control, SOL_UDP, UDP_SEGMENT, 2);
      this.#arena.view.setUint16(data, segment, true);
      message.setControlLength(cmsgSpace(2));
    } else message.setControlLength(0);
    return this.libc.sendmsg(fd, message.address, 0);
  }
}
