/**
 * epoll(7): waits for many descriptors at a cost of those that are ready. Level-triggered. Each
 * descriptor is registered under a number of the caller's.
 */
import { pinnedBytes } from "../memory/arena.ts";
import type { Libc } from "../libc/libc.ts";

export const EPOLLIN = 1;
export const EPOLLOUT = 4;

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
/** `struct epoll_event` is packed on x86-64 alone. */
const IS_PACKED = Deno.build.arch === "x86_64";
const EVENT_LENGTH = IS_PACKED ? 12 : 16;
const OFFSET_DATA = IS_PACKED ? 4 : 8;
const EVENTS_MAX = 64;

export class Epoll implements Disposable {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #events = pinnedBytes(EVENTS_MAX * EVENT_LENGTH);
  readonly #view = new DataView(this.#events.bytes.buffer);
  readonly #change = pinnedBytes(EVENT_LENGTH);
  readonly #changeView = new DataView(this.#change.bytes.buffer);

  /** @throws SyscallError */
  constructor(libc: Libc) {
    this.#libc = libc;
    this.#fd = libc.epollCreate();
  }

  /** @param key below 2^32. @throws SyscallError */
  add(fd: number, key: number, events: number): void {
    this.#control(EPOLL_CTL_ADD, fd, key, events);
  }

  /** @throws SyscallError */
  change(fd: number, key: number, events: number): void {
    this.#control(EPOLL_CTL_MOD, fd, key, events);
  }

  /** To be called before the descriptor is closed. */
  remove(fd: number): void {
    this.#libc.tryEpollControl(this.#fd, EPOLL_CTL_DEL, fd, this.#change.address);
  }

  /** Hot. Blocks the thread for `ms` at most. Returns how many are ready, at most 64, 0 after a signal. */
  wait(ms: number): number {
    return Math.max(0, this.#libc.epollWait(this.#fd, this.#events.address, EVENTS_MAX, ms));
  }

  /** Hot. The key of the one at `place` of those that are ready. */
  keyAt(place: number): number {
    return this.#view.getUint32(place * EVENT_LENGTH + OFFSET_DATA, true);
  }

  /** Hot. What is ready of it. */
  eventsAt(place: number): number {
    return this.#view.getUint32(place * EVENT_LENGTH, true);
  }

  [Symbol.dispose](): void {
    this.#libc.closeFile(this.#fd);
  }

  #control(operation: number, fd: number, key: number, events: number): void {
    this.#changeView.setUint32(0, events, true);
    this.#changeView.setUint32(OFFSET_DATA, key, true);
    this.#changeView.setUint32(OFFSET_DATA + 4, 0, true);
    this.#libc.epollControl(this.#fd, operation, fd, this.#change.address);
  }
}

/** Takes a descriptor out of an epoll of somebody else, where it is in that. */
export function unwatch(libc: Libc, epoll: number, fd: number): void {
  libc.tryEpollControl(epoll, EPOLL_CTL_DEL, fd, pinnedBytes(EVENT_LENGTH).address);
}
