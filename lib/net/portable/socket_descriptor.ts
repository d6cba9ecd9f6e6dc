/**
 * The descriptor of a UDP socket opened by Deno, and socket options that Deno has no API for. Deno does
 * not expose descriptors, but the kernel lists those of this process, and knows their addresses.
 */
import { SyscallError } from "../../ffi/libc/errno.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import { encodeSockaddr, SO_BINDTODEVICE, SOCK_DGRAM, SOL_SOCKET } from "../../ffi/linux/socket.ts";

// include/uapi/asm-generic/socket.h, include/linux/net.h, include/uapi/linux/in.h and in6.h
const SO_TYPE = 3;

/** Family, port, IPv6 flow and address; what follows is padding, or a scope Deno does not show. */
const SOCKADDR_COMPARED = 24;

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
