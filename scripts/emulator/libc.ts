/**
 * The C library as far as the emulator needs it: TAP devices and one blocking wait. Everything is
 * synchronous and addressed by BigInts made once, because a call per frame must not allocate.
 */

const TUNSETIFF = 0x400454ca; // _IOW('T', 202, int), linux/if_tun.h
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFNAMSIZ = 16;
const IFREQ_LENGTH = 40;
const IFREQ_FLAGS_OFFSET = 16;
const O_RDWR = 0o2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;

const PR_SET_TIMERSLACK = 29; // linux/prctl.h

const POLLIN = 0x1;
const POLLERR = 0x8;
const POLLHUP = 0x10;
const POLLNVAL = 0x20;
const POLLFD_LENGTH = 8; // struct pollfd { int fd; short events; short revents; }
const TIMESPEC_LENGTH = 16;

const SYMBOLS = {
  // int open(const char *path, int flags, ...);
  open: { parameters: ["buffer", "i32"], result: "i32" },
  // int close(int fd);
  close: { parameters: ["i32"], result: "i32" },
  // int ioctl(int fd, unsigned long request, ...);
  ioctl: { parameters: ["i32", "usize", "buffer"], result: "i32" },
  // ssize_t read(int fd, void *buffer, size_t count); counts here fit an int
  read: { parameters: ["i32", "usize", "usize"], result: "i32" },
  // ssize_t write(int fd, const void *buffer, size_t count);
  write: { parameters: ["i32", "usize", "usize"], result: "i32" },
  // int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *);
  ppoll: { parameters: ["usize", "usize", "usize", "usize"], result: "i32" },
  // int prctl(int option, unsigned long value, ...);
  prctl: { parameters: ["i32", "usize"], result: "i32" },
  // int *__errno_location(void);
  __errno_location: { parameters: [], result: "pointer" },
} as const;

export type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

export function openLibc(): Libc {
  return Deno.dlopen("libc.so.6", SYMBOLS).symbols;
}

/** Makes this thread's waits end within a microsecond of their time; the default is 50. */
export function sharpenTimers(libc: Libc): void {
  libc.prctl(PR_SET_TIMERSLACK, 1000n);
}

/** The address of a buffer. Whoever uses it keeps the buffer alive; it must be over 64 bytes. */
export function addressOf(bytes: Uint8Array<ArrayBuffer>): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
}

/** Makes a TAP device in the current network namespace. It lives as long as the descriptor. */
export function openTap(libc: Libc, name: string): number {
  const encoded = new TextEncoder().encode(name);
  if (encoded.length === 0 || encoded.length >= IFNAMSIZ) {
    throw new RangeError(`Cannot make a TAP device "${name}": names have 1 to 15 bytes`);
  }
  const path = new TextEncoder().encode("/dev/net/tun\0");
  const fd = libc.open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) throw new Error(`Cannot open /dev/net/tun: ${errnoText(libc)}; load the tun module`);
  const request = new Uint8Array(IFREQ_LENGTH);
  request.set(encoded);
  new DataView(request.buffer).setUint16(IFREQ_FLAGS_OFFSET, IFF_TAP | IFF_NO_PI, true);
  if (libc.ioctl(fd, BigInt(TUNSETIFF), request) < 0) {
    const why = errnoText(libc);
    libc.close(fd);
    throw new Error(`Cannot make the TAP device "${name}": ${why}; are you root?`);
  }
  return fd;
}

function errnoText(libc: Libc): string {
  const location = libc.__errno_location();
  return location ? `errno ${new Deno.UnsafePointerView(location).getInt32()}` : "no errno";
}

type Readiness = "nothing" | "readable" | "gone";

/** A set of descriptors to wait on for input. */
export class Poll {
  #libc: Libc;
  #count: number;
  #memory: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #address: bigint;
  #timespecAddress: bigint;
  #timespecOffset: number;
  #countArgument: bigint;

  constructor(libc: Libc, fds: readonly number[]) {
    this.#libc = libc;
    this.#count = fds.length;
    this.#countArgument = BigInt(fds.length);
    this.#timespecOffset = Math.max(64, fds.length * POLLFD_LENGTH);
    this.#memory = new Uint8Array(this.#timespecOffset + TIMESPEC_LENGTH);
    this.#view = new DataView(this.#memory.buffer);
    this.#address = addressOf(this.#memory);
    this.#timespecAddress = this.#address + BigInt(this.#timespecOffset);
    fds.forEach((fd, i) => {
      this.#view.setInt32(i * POLLFD_LENGTH, fd, true);
      this.#view.setInt16(i * POLLFD_LENGTH + 4, POLLIN, true);
    });
  }

  /** Blocks the thread until a descriptor is ready or the time is over. */
  wait(timeoutMs: number): void {
    for (let i = 0; i < this.#count; i++) this.#view.setInt16(i * POLLFD_LENGTH + 6, 0, true);
    const seconds = Math.floor(timeoutMs / 1000);
    this.#view.setUint32(this.#timespecOffset, seconds, true);
    this.#view.setUint32(this.#timespecOffset + 8, (timeoutMs - seconds * 1000) * 1e6, true);
    this.#libc.ppoll(this.#address, this.#countArgument, this.#timespecAddress, 0n);
  }

  /** What the last `wait` found out about the descriptor at this index. */
  readiness(index: number): Readiness {
    const revents = this.#view.getInt16(index * POLLFD_LENGTH + 6, true);
    if (revents & POLLIN) return "readable";
    return revents & (POLLERR | POLLHUP | POLLNVAL) ? "gone" : "nothing";
  }

  /** Waits no longer for this descriptor. */
  forget(index: number): void {
    this.#view.setInt32(index * POLLFD_LENGTH, -1, true);
  }
}
