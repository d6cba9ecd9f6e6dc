/**
 * A `struct msghdr` with one `iovec` and control data, laid out in an {@link Arena} once and used for
 * every sendmsg or recvmsg (64-bit Linux, little-endian).
 *
 *     0      8          16    24        32        40           48
 *     | name | namelen  | iov | iovlen  | control | controllen | flags
 */
import { type Arena, setAddress } from "../memory/arena.ts";

const MSGHDR_LENGTH = 56;
const IOVEC_LENGTH = 16;
const SOCKADDR_LENGTH = 28;
const CMSG_HEADER_LENGTH = 16;

const OFFSET_NAME = 0;
const OFFSET_NAME_LENGTH = 8;
const OFFSET_IOV = 16;
const OFFSET_IOV_COUNT = 24;
const OFFSET_CONTROL = 32;
const OFFSET_CONTROL_LENGTH = 40;

/** CMSG_ALIGN of 64-bit Linux. */
export function cmsgSpace(dataLength: number): number {
  return (CMSG_HEADER_LENGTH + dataLength + 7) & ~7;
}

export class MessageBuffer {
  /** Address of the `struct msghdr`. */
  readonly address: bigint;
  /** Offsets of its parts in the arena. */
  readonly name: number;
  readonly control: number;
  readonly #arena: Arena;
  readonly #header: number;
  readonly #iovec: number;

  constructor(arena: Arena, controlCapacity: number) {
    this.#arena = arena;
    this.#header = arena.reserve(MSGHDR_LENGTH);
    this.#iovec = arena.reserve(IOVEC_LENGTH);
    this.name = arena.reserve(SOCKADDR_LENGTH);
    this.control = arena.reserve(controlCapacity);
    this.address = arena.address(this.#header);
    const { view } = arena;
    view.setBigUint64(this.#header + OFFSET_NAME, arena.address(this.name), true);
    view.setBigUint64(this.#header + OFFSET_IOV, arena.address(this.#iovec), true);
    view.setBigUint64(this.#header + OFFSET_IOV_COUNT, 1n, true);
    view.setBigUint64(this.#header + OFFSET_CONTROL, arena.address(this.control), true);
  }

  /** Hot. Where the data lies: `length` bytes at `offset` of the arena. */
  setData(offset: number, length: number): void {
    const { view, origin } = this.#arena;
    setAddress(view, this.#iovec, origin + offset);
    view.setUint32(this.#iovec + 8, length, true);
  }

  /** Hot. Where the data lies outside the arena: `length` bytes at an address. */
  setMemory(address: number, length: number): void {
    const { view } = this.#arena;
    setAddress(view, this.#iovec, address);
    view.setUint32(this.#iovec + 8, length, true);
  }

  /** Hot. 0 for a connected socket. */
  setNameLength(length: number): void {
    this.#arena.view.setUint32(this.#header + OFFSET_NAME_LENGTH, length, true);
  }

  /** The length recvmsg filled in. */
  get nameLength(): number {
    return this.#arena.view.getUint32(this.#header + OFFSET_NAME_LENGTH, true);
  }

  /** Hot. Bytes of control data: what there is room for, or what is sent. */
  setControlLength(length: number): void {
    this.#arena.view.setUint32(this.#header + OFFSET_CONTROL_LENGTH, length, true);
  }

  get controlLength(): number {
    return this.#arena.view.getUint32(this.#header + OFFSET_CONTROL_LENGTH, true);
  }

  /** Hot. Writes a control header at `at` and returns where its data starts. */
  writeCmsg(at: number, level: number, type: number, dataLength: number): number {
    const { view } = this.#arena;
    view.setUint32(at, CMSG_HEADER_LENGTH + dataLength, true);
    view.setUint32(at + 4, 0, true);
    view.setInt32(at + 8, level, true);
    view.setInt32(at + 12, type, true);
    return at + CMSG_HEADER_LENGTH;
  }

  /** Hot. Where the data of the control message received starts, or -1. */
  findCmsg(level: number, type: number): number {
    const { view } = this.#arena;
    const end = this.control + this.controlLength;
    for (let at = this.control; at + CMSG_HEADER_LENGTH <= end;) {
      const length = view.getUint32(at, true);
      if (length < CMSG_HEADER_LENGTH || at + length > end) return -1;
      if (view.getInt32(at + 8, true) === level && view.getInt32(at + 12, true) === type) {
        return at + CMSG_HEADER_LENGTH;
      }
      at += (length + 7) & ~7;
    }
    return -1;
  }
}
