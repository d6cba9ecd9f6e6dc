/**
 * Waits for a descriptor to become readable without blocking the thread: poll(2) on a thread of the
 * runtime. A wait costs tens of microseconds, so it is for one batch of packets, never for one.
 */
import { pinnedBytes } from "../memory/arena.ts";
import type { Libc } from "./libc.ts";

const SYMBOLS = {
  // int poll(struct pollfd *fds, nfds_t count, int timeout_ms);
  poll: { parameters: ["usize", "usize", "i32"], result: "i32", nonblocking: true },
} as const;

/** struct pollfd: int fd, short events, short revents. */
const POLLFD_LENGTH = 8;
const POLLFD_REVENTS = 6;
const POLLIN = 1;
const WAIT_WITHOUT_END = -1;
/** A signal may end a wait early. More of that in a row is another failure, whose errno is lost. */
const INTERRUPTIONS_MAX = 100;

type Readiness =
  | "readable"
  /** `wake` was called. */
  | "woken"
  /** The descriptor is closed, or what it stands for is gone. */
  | "gone";

export class AsyncPoll {
  readonly #libc: Libc;
  readonly #library = Deno.dlopen("libc.so.6", SYMBOLS);
  readonly #wakeFd: number;
  readonly #pollfds = pinnedBytes(2 * POLLFD_LENGTH);
  readonly #view: DataView;

  /** @throws SyscallError when there are no descriptors left, Error without libc.so.6. */
  constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    try {
      this.#wakeFd = libc.eventfd();
    } catch (error) {
      this.#library.close();
      throw error;
    }
    this.#view = new DataView(this.#pollfds.bytes.buffer);
    for (const [entry, polled] of [this.#wakeFd, fd].entries()) {
      this.#view.setInt32(entry * POLLFD_LENGTH, polled, true);
      this.#view.setInt16(entry * POLLFD_LENGTH + 4, POLLIN, true);
    }
  }

  /**
   * One wait at a time, and none after `close`.
   * @throws Error when the kernel cannot wait.
   */
  async wait(): Promise<Readiness> {
    for (let interruptions = 0; interruptions < INTERRUPTIONS_MAX; interruptions++) {
      const address = this.#pollfds.address;
      const count = await this.#library.symbols.poll(address, 2n, WAIT_WITHOUT_END);
      if (count < 0) continue;
      if (this.#readyEvents(0) !== 0) return "woken";
      return this.#readyEvents(1) === POLLIN ? "readable" : "gone";
    }
    throw new Error("Cannot wait for packets: poll fails each time");
  }

  /** Ends the wait, and every later one. */
  wake(): void {
    this.#libc.signalEventfd(this.#wakeFd);
  }

  /** To be called when no wait is under way. The descriptor waited for stays open. */
  close(): void {
    this.#libc.closeFile(this.#wakeFd);
    this.#library.close();
  }

  #readyEvents(entry: number): number {
    return this.#view.getInt16(entry * POLLFD_LENGTH + POLLFD_REVENTS, true);
  }
}
