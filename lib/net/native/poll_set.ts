/** The descriptors that the native engine waits for, and what ppoll(2) says of them. */
import type { Libc } from "../../ffi/libc/libc.ts";
import type { Arena } from "../../ffi/memory/arena.ts";
import { SOCKETS_MAX } from "../engine.ts";
import type { SocketTable } from "./sockets.ts";

/** struct pollfd: int fd, short events, short revents. */
const POLLFD_LENGTH = 8;
const EVENTS = 4;
const REVENTS = 6;
const POLLIN = 1;
const POLLOUT = 4;
/** struct timespec: seconds and nanoseconds, 64 bits each. */
const TIMESPEC_LENGTH = 16;
const MS_PER_SECOND = 1000;
const NS_PER_MS = 1_000_000;
const WAIT_MAX_MS = 60_000;
/** Entries before the sockets. */
const ENTRY_WAKE = 0;
const ENTRY_TUN = 1;
const ENTRY_SOCKETS = 2;
/** That entry alone. */
const ONLY_WAKE = 1n;

export class PollSet {
  readonly #libc: Libc;
  readonly #view: DataView;
  readonly #fds: number;
  readonly #fdsAddress: bigint;
  readonly #timeout: number;
  readonly #timeoutAddress: bigint;
  /** The socket numbers in the set. */
  #sockets: number[] = [];
  #count = BigInt(ENTRY_SOCKETS);
  /** Whether sockets are asked for room. */
  #isAnyFull = false;
  #readsTun = true;
  #version = -1;

  constructor(libc: Libc, arena: Arena, wakeFd: number, tunFd: number) {
    this.#libc = libc;
    this.#view = arena.view;
    this.#fds = arena.reserve((ENTRY_SOCKETS + SOCKETS_MAX) * POLLFD_LENGTH);
    this.#fdsAddress = arena.address(this.#fds);
    this.#timeout = arena.reserve(TIMESPEC_LENGTH);
    this.#timeoutAddress = arena.address(this.#timeout);
    this.#set(ENTRY_WAKE, wakeFd, POLLIN);
    this.#set(ENTRY_TUN, tunFd, POLLIN);
  }

  /** Waits for the sockets of `table` from here on. */
  watch(table: SocketTable): void {
    if (table.version === this.#version) return;
    this.#version = table.version;
    const sockets = [...table.entries()];
    this.#sockets = sockets.map(([number]) => number);
    for (const [index, [, { fd }]] of sockets.entries()) {
      this.#set(ENTRY_SOCKETS + index, fd, POLLIN);
    }
    this.#count = BigInt(ENTRY_SOCKETS + sockets.length);
  }

  /**
   * Hot. Waits `ms` at most. Returns how many descriptors are ready, or the negative errno.
   * @param isFull tells of each socket whether to wait for room in it; null: no socket is full.
   * @param readsTun whether to wait for the TUN device; else it is left alone.
   */
  wait(ms: number, isFull: ((socket: number) => boolean) | null, readsTun: boolean): number {
    if (isFull !== null || this.#isAnyFull) this.#setFull(isFull);
    if (readsTun !== this.#readsTun) {
      this.#readsTun = readsTun;
      this.#setEvents(ENTRY_TUN, readsTun ? POLLIN : 0);
    }
    return this.#wait(ms, this.#count);
  }

  /** Hot. Lets `ms` pass whatever comes, unless the main thread has something to say. */
  pause(ms: number): void {
    this.#wait(ms, ONLY_WAKE);
  }

  #wait(ms: number, count: bigint): number {
    const waitMs = Math.max(0, Math.min(ms, WAIT_MAX_MS));
    const seconds = Math.floor(waitMs / MS_PER_SECOND);
    const view = this.#view;
    view.setUint32(this.#timeout, seconds, true);
    const nanoseconds = Math.ceil((waitMs - seconds * MS_PER_SECOND) * NS_PER_MS);
    view.setUint32(this.#timeout + 8, Math.min(nanoseconds, 999_999_999), true);
    return this.#libc.ppoll(this.#fdsAddress, count, this.#timeoutAddress);
  }

  get isWoken(): boolean {
    return this.#ready(ENTRY_WAKE) !== 0;
  }

  get isTunReadable(): boolean {
    return (this.#ready(ENTRY_TUN) & POLLIN) !== 0;
  }

  get isTunGone(): boolean {
    return (this.#ready(ENTRY_TUN) & ~POLLIN) !== 0;
  }

  /** How many sockets are in the set. */
  get sockets(): number {
    return this.#sockets.length;
  }

  /** The number of the socket at a place in the set. */
  socket(place: number): number {
    return this.#sockets[place]!;
  }

  isReadable(place: number): boolean {
    return (this.#ready(ENTRY_SOCKETS + place) & ~POLLOUT) !== 0;
  }

  /** Whether some socket has room again. */
  get isWritable(): boolean {
    for (let place = 0; place < this.#sockets.length; place++) {
      if ((this.#ready(ENTRY_SOCKETS + place) & POLLOUT) !== 0) return true;
    }
    return false;
  }

  #setFull(isFull: ((socket: number) => boolean) | null): void {
    this.#isAnyFull = isFull !== null;
    for (const [place, socket] of this.#sockets.entries()) {
      this.#setEvents(ENTRY_SOCKETS + place, isFull?.(socket) ? POLLIN | POLLOUT : POLLIN);
    }
  }

  #set(entry: number, fd: number, events: number): void {
    this.#view.setInt32(this.#fds + entry * POLLFD_LENGTH, fd, true);
    this.#setEvents(entry, events);
  }

  #setEvents(entry: number, events: number): void {
    this.#view.setInt16(this.#fds + entry * POLLFD_LENGTH + EVENTS, events, true);
  }

  #ready(entry: number): number {
    return this.#view.getInt16(this.#fds + entry * POLLFD_LENGTH + REVENTS, true);
  }
}
