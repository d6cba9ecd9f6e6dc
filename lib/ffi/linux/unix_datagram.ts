/** Datagrams to unix sockets of other programs, such as a service manager: unix(7). */
import { SyscallError } from "../libc/errno.ts";
import type { Libc } from "../libc/libc.ts";
import { pinnedBytes } from "../memory/arena.ts";
import { SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "./socket.ts";

const AF_UNIX = 1;
// include/linux/net.h, and the flags of socket(2).
/** sun_path of struct sockaddr_un. */
const PATH_BYTES_MAX = 108;
const DATAGRAM_BYTES_MAX = 64 * 1024;

/** Sends to one socket, which may be another one behind the same path each time. */
export class UnixDatagrams {
  readonly #libc: Libc;
  readonly #address: Uint8Array;
  readonly #buffer = pinnedBytes(DATAGRAM_BYTES_MAX);

  /** `path` begins with / or, for a name without a file, with @. @throws RangeError. */
  constructor(libc: Libc, path: string) {
    this.#libc = libc;
    this.#address = encodeUnixAddress(path);
  }

  /** Whether it was sent: never waits, and never throws. What is too large is not sent. */
  send(bytes: Uint8Array): boolean {
    if (bytes.length > DATAGRAM_BYTES_MAX) return false;
    let fd = -1;
    try {
      fd = this.#libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
      this.#libc.connect(fd, this.#address, "connect to a unix socket");
      this.#buffer.bytes.set(bytes);
      return this.#libc.write(fd, this.#buffer.address, BigInt(bytes.length)) === bytes.length;
    } catch (error) {
      if (error instanceof SyscallError) return false;
      throw error;
    } finally {
      if (fd >= 0) this.#libc.closeFile(fd);
    }
  }
}

/** struct sockaddr_un. @throws RangeError for a path that is none. */
export function encodeUnixAddress(path: string): Uint8Array {
  const name = new TextEncoder().encode(path);
  const isAbstract = path.startsWith("@");
  const isUsable = (isAbstract || path.startsWith("/")) && name.length < PATH_BYTES_MAX &&
    !path.includes("\0");
  if (!isUsable) throw new RangeError("Cannot use it as the address of a unix socket");
  // The name of an abstract one has the length it has; a path ends with a zero.
  const bytes = new Uint8Array(2 + name.length + (isAbstract ? 0 : 1));
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(name, 2);
  if (isAbstract) bytes[2] = 0;
  return bytes;
}
