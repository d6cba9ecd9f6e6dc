/**
 * libc: checked calls for set-up, bare calls for the hot path.
 *
 * Set-up calls throw {@link SyscallError}. The calls marked "hot" return the negative errno
 * instead, allocate nothing, and take addresses out of an {@link Arena}. Each thread opens its own
 * `Libc`, because errno lives in the thread that made the call.
 */
import { pinnedBytes } from "../memory/arena.ts";
import { SyscallError } from "./errno.ts";
import { LIBC_SYMBOLS } from "./symbols.ts";

type Library = Deno.DynamicLibrary<typeof LIBC_SYMBOLS>;

const F_DUPFD_CLOEXEC = 1030;
const EPOLL_CLOEXEC = 0o2000000;
const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = O_NONBLOCK;
const PR_SET_DUMPABLE = 4;
const RLIMIT_CORE = 4;
/** The largest option, address or request a set-up call passes. */
const SCRATCH_BYTES = 512;

export class Libc {
  readonly #library: Library;
  readonly #symbols: Library["symbols"];
  readonly #errno: Int32Array;
  readonly #scratch = pinnedBytes(SCRATCH_BYTES);
  readonly #scratchView: DataView;

  private constructor(library: Library) {
    this.#library = library;
    this.#symbols = library.symbols;
    const location = library.symbols.__errno_location();
    if (location === null) throw new Error("Cannot find errno in libc");
    this.#errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(location, 4));
    this.#scratchView = new DataView(this.#scratch.bytes.buffer, 0, SCRATCH_BYTES);
  }

  /** @throws Error when libc.so.6 cannot be loaded (not a glibc system). */
  static open(): Libc {
    return new Libc(Deno.dlopen("libc.so.6", LIBC_SYMBOLS));
  }

  unload(): void {
    this.#library.close();
  }

  /** Opens `path` and returns the file descriptor. */
  openFile(path: string, flags: number): number {
    const address = this.#putString(path);
    return this.#check(this.#symbols.open(address, flags, 0), `open ${path}`);
  }

  closeFile(fd: number): void {
    this.#symbols.close(fd);
  }

  /** ioctl whose argument is a block of bytes, read back into `argument` afterwards. */
  ioctl(fd: number, request: number, argument: Uint8Array, action: string): void {
    this.#putBytes(argument);
    this.#check(this.#symbols.ioctl(fd, BigInt(request), this.#scratch.address), action);
    argument.set(this.#scratch.bytes.subarray(0, argument.length));
  }

  /** ioctl whose argument is a number. */
  ioctlNumber(fd: number, request: number, argument: number, action: string): void {
    this.#check(this.#symbols.ioctl(fd, BigInt(request), BigInt(argument)), action);
  }

  socket(domain: number, type: number, protocol = 0): number {
    return this.#check(this.#symbols.socket(domain, type, protocol), "open socket");
  }

  bind(fd: number, sockaddr: Uint8Array, action: string): void {
    this.#putBytes(sockaddr);
    this.#check(this.#symbols.bind(fd, this.#scratch.address, sockaddr.length), action);
  }

  connect(fd: number, sockaddr: Uint8Array, action: string): void {
    this.#putBytes(sockaddr);
    this.#check(this.#symbols.connect(fd, this.#scratch.address, sockaddr.length), action);
  }

  /** The socket's own address as a `struct sockaddr`. */
  socketName(fd: number): Uint8Array {
    return this.#name(fd, "getsockname");
  }

  /** The address of a connected socket's peer as a `struct sockaddr`. */
  peerName(fd: number): Uint8Array {
    return this.#name(fd, "getpeername");
  }

  #name(fd: number, call: "getsockname" | "getpeername"): Uint8Array {
    const lengthAt = 256;
    this.#scratchView.setUint32(lengthAt, 128, true);
    const { address } = this.#scratch;
    this.#check(
      this.#symbols[call](fd, address, address + BigInt(lengthAt)),
      "read socket address",
    );
    return this.#scratch.bytes.slice(0, this.#scratchView.getUint32(lengthAt, true));
  }

  /** Another descriptor of what `fd` stands for, which is closed for itself. */
  duplicate(fd: number): number {
    return this.#check(this.#symbols.fcntl(fd, F_DUPFD_CLOEXEC, 3n), "duplicate a descriptor");
  }

  /** Lets the number `fd` stand for what `other` does; what it stood for before is closed. */
  replace(fd: number, other: number): void {
    this.#check(this.#symbols.dup3(other, fd, O_CLOEXEC), "replace a descriptor");
  }

  setOption(fd: number, level: number, name: number, value: number, action: string): void {
    const errno = this.trySetOption(fd, level, name, value);
    if (errno !== 0) throw new SyscallError(action, errno);
  }

  /** Sets an integer option where the kernel has it. Returns 0, or the errno. */
  trySetOption(fd: number, level: number, name: number, value: number): number {
    this.#scratchView.setInt32(0, value, true);
    return this.#symbols.setsockopt(fd, level, name, this.#scratch.address, 4) < 0
      ? this.#errno[0]!
      : 0;
  }

  setOptionString(fd: number, level: number, name: number, value: string, action: string): void {
    const address = this.#putString(value);
    this.#check(this.#symbols.setsockopt(fd, level, name, address, value.length + 1), action);
  }

  /** Sets an option that is a structure, such as `struct sock_fprog`. */
  setOptionBytes(fd: number, level: number, name: number, value: Uint8Array, action: string): void {
    this.#putBytes(value);
    const { address } = this.#scratch;
    this.#check(this.#symbols.setsockopt(fd, level, name, address, value.length), action);
  }

  option(fd: number, level: number, name: number, action: string): number {
    const { address } = this.#scratch;
    this.#scratchView.setUint32(8, 4, true);
    this.#check(this.#symbols.getsockopt(fd, level, name, address, address + 8n), action);
    return this.#scratchView.getInt32(0, true);
  }

  /** An option that is a structure, such as `struct ucred`, of at most 256 bytes. */
  optionBytes(
    fd: number,
    level: number,
    name: number,
    lengthBytes: number,
    action: string,
  ): Uint8Array {
    const lengthAt = 256;
    const { address } = this.#scratch;
    this.#scratchView.setUint32(lengthAt, Math.min(lengthBytes, lengthAt), true);
    const lengthAddress = address + BigInt(lengthAt);
    this.#check(this.#symbols.getsockopt(fd, level, name, address, lengthAddress), action);
    return this.#scratch.bytes.slice(0, this.#scratchView.getUint32(lengthAt, true));
  }

  epollCreate(): number {
    return this.#check(this.#symbols.epoll_create1(EPOLL_CLOEXEC), "open epoll");
  }

  /** `event` is the address of a `struct epoll_event`. */
  epollControl(epoll: number, operation: number, fd: number, event: bigint): void {
    this.#check(this.#symbols.epoll_ctl(epoll, operation, fd, event), "watch a descriptor");
  }

  /** As epollControl, for what may have gone already. */
  tryEpollControl(epoll: number, operation: number, fd: number, event: bigint): void {
    this.#symbols.epoll_ctl(epoll, operation, fd, event);
  }

  /** Hot. Events that are ready, or the negative errno. Blocks the thread for `ms` at most. */
  epollWait(epoll: number, events: bigint, count: number, ms: number): number {
    const result = this.#symbols.epoll_wait(epoll, events, count, ms);
    return result < 0 ? -this.#errno[0]! : result;
  }

  /** An eventfd for waking a thread that blocks in {@link ppoll}. */
  eventfd(): number {
    return this.#check(this.#symbols.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "open eventfd");
  }

  /** Adds 1 to an eventfd. A full counter is already a wake-up, so failure to add is none. */
  signalEventfd(fd: number): void {
    this.#scratchView.setBigUint64(0, 1n, true);
    this.#symbols.write(fd, this.#scratch.address, 8n);
  }

  clearEventfd(fd: number): void {
    this.#symbols.read(fd, this.#scratch.address, 8n);
  }

  /** No core file of this process, and no debugger of another user: its memory holds keys. */
  forbidCoreDumps(): void {
    this.#scratchView.setBigUint64(0, 0n, true);
    this.#scratchView.setBigUint64(8, 0n, true);
    this.#check(this.#symbols.setrlimit(RLIMIT_CORE, this.#scratch.address), "forbid core files");
    this.#check(this.#symbols.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n), "forbid core files");
  }

  /** Gives memory that the allocator holds and nobody uses back to the kernel: that of all threads. */
  trimMemory(): void {
    this.#symbols.malloc_trim(0n);
  }

  /** _exit(2): the process is gone, and nothing registered for its end has run. */
  exitAtOnce(status: number): never {
    this.#symbols._exit(status);
    throw new Error("Cannot end the process");
  }

  /** Hot. Bytes read, or the negative errno. */
  read(fd: number, address: bigint, length: bigint): number {
    const result = this.#symbols.read(fd, address, length);
    return result < 0 ? -this.#errno[0]! : result;
  }

  /** Hot. Bytes written, or the negative errno. */
  write(fd: number, address: bigint, length: bigint): number {
    const result = this.#symbols.write(fd, address, length);
    return result < 0 ? -this.#errno[0]! : result;
  }

  /** Hot. Bytes written, or the negative errno. */
  writev(fd: number, iovec: bigint, count: number): number {
    const result = this.#symbols.writev(fd, iovec, count);
    return result < 0 ? -this.#errno[0]! : result;
  }

  /** Hot. Bytes sent, or the negative errno. */
  sendmsg(fd: number, message: bigint, flags: number): number {
    const result = this.#symbols.sendmsg(fd, message, flags);
    return result < 0 ? -this.#errno[0]! : result;
  }

  /** Hot. Bytes received, or the negative errno. */
  recvmsg(fd: number, message: bigint, flags: number): number {
    const result = this.#symbols.recvmsg(fd, message, flags);
    return result < 0 ? -this.#errno[0]! : result;
  }

  /**
   * Hot. Descriptors that are ready, or the negative errno. Blocks the thread for the `struct
   * timespec` at `timeout` at most.
   */
  ppoll(pollfds: bigint, count: bigint, timeout: bigint): number {
    const result = this.#symbols.ppoll(pollfds, count, timeout, 0n);
    return result < 0 ? -this.#errno[0]! : result;
  }

  #check(result: number, action: string): number {
    if (result >= 0) return result;
    throw new SyscallError(action, this.#errno[0]!);
  }

  #putString(text: string): bigint {
    const { read, written } = new TextEncoder().encodeInto(
      text,
      this.#scratch.bytes.subarray(0, SCRATCH_BYTES - 1),
    );
    if (read < text.length) throw new RangeError(`Cannot pass ${text.length} characters to libc`);
    this.#scratch.bytes[written] = 0;
    return this.#scratch.address;
  }

  #putBytes(bytes: Uint8Array): void {
    if (bytes.length > SCRATCH_BYTES) {
      throw new RangeError(`Cannot pass ${bytes.length} bytes to libc`);
    }
    this.#scratch.bytes.set(bytes);
  }
}
