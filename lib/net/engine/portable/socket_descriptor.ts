/**
 * The descriptor of a UDP socket that Deno has opened, and what libc can set on it that Deno has no
 * word for. Deno shows no descriptors, but the kernel lists ours, and knows each one's address.
 */
import { SyscallError } from "../../../ffi/libc/errno.ts";
import type { Libc } from "../../../ffi/libc/libc.ts";
import { encodeSockaddr, SOL_IPV6 } from "../../../ffi/linux/socket.ts";

// include/uapi/asm-generic/socket.h, include/linux/net.h, include/uapi/linux/in.h and in6.h
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_BINDTODEVICE = 25;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOCK_DGRAM = 2;
const SOL_IP = 0;
const IP_MTU_DISCOVER = 10;
const IPV6_MTU_DISCOVER = 23;
const IP_PMTUDISC_DONT = 0;

/** Family, port, IPv6 flow and address; what follows is padding, or a scope Deno does not show. */
const SOCKADDR_COMPARED = 24;
/** Room for a burst; the event loop may be away for some milliseconds. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * The descriptor of the one UDP socket of this process bound to `address`. It goes on belonging to
 * Deno. The kernel lets no second socket have the same address and port unless both are bound to
 * interfaces or share the port on purpose, so ask before binding to an interface.
 * @throws Error when there is none, or it cannot be told from another.
 */
export function socketDescriptor(libc: Libc, address: Deno.NetAddr): number {
  const wanted = encodeSockaddr(address.hostname, address.port).subarray(0, SOCKADDR_COMPARED);
  const found = openDescriptors().filter((fd) => isDatagramSocket(libc, fd, wanted));
  const [fd] = found;
  if (fd === undefined || found.length > 1) {
    throw new Error(
      `Cannot find the descriptor of UDP socket ${address.hostname}:${address.port}: ` +
        `${found.length} of /proc/self/fd have that address`,
    );
  }
  return fd;
}

function openDescriptors(): number[] {
  return [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => Number(name));
}

function isDatagramSocket(libc: Libc, fd: number, sockaddr: Uint8Array): boolean {
  try {
    const name = libc.socketName(fd);
    return name.length >= sockaddr.length && sockaddr.every((byte, at) => byte === name[at]) &&
      libc.option(fd, SOL_SOCKET, SO_TYPE, "read the type of a socket") === SOCK_DGRAM;
  } catch (error) {
    // Most descriptors are no sockets, and the one that listed them is closed already.
    if (error instanceof SyscallError) return false;
    throw error;
  }
}

/** Sends through one interface only. @throws SyscallError, EPERM without the right to. */
export function bindToDevice(libc: Libc, fd: number, device: string): void {
  const action = `bind a socket to interface ${device}`;
  libc.setOptionString(fd, SOL_SOCKET, SO_BINDTODEVICE, device, action);
}

/** Takes and gives datagrams of one peer only. @throws SyscallError when no route leads there. */
export function connectSocket(libc: Libc, fd: number, server: string, port: number): void {
  libc.connect(fd, encodeSockaddr(server, port), `reach ${server}`);
}

/** Large buffers, and outer datagrams that may be fragmented: each only where the kernel has it. */
export function tuneSocket(libc: Libc, fd: number): void {
  for (
    const [force, plain] of [[SO_RCVBUFFORCE, SO_RCVBUF], [SO_SNDBUFFORCE, SO_SNDBUF]] as const
  ) {
    if (libc.trySetOption(fd, SOL_SOCKET, force, SOCKET_BUFFER_BYTES) !== 0) {
      libc.trySetOption(fd, SOL_SOCKET, plain, SOCKET_BUFFER_BYTES);
    }
  }
  libc.trySetOption(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
  libc.trySetOption(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DONT);
}
