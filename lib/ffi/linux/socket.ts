/**
 * UDP sockets of Linux: socket addresses, options and the offloads of include/uapi/linux/udp.h.
 * Every offload is probed; a missing one is done without.
 */
import { isIPv4, isIPv6 } from "node:net";
import { parseCidr } from "cidr-tools";
import { EADDRINUSE, EAFNOSUPPORT, SyscallError } from "../libc/errno.ts";
import type { Libc } from "../libc/libc.ts";

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_DGRAM = 2;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
const SERVER_SOCKET_TYPE = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

export const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_BINDTODEVICE = 25;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;

export const SOL_IP = 0;
export const IP_PKTINFO = 8;
export const IP_TOS = 1;
const IP_RECVTOS = 13;
const IP_MTU_DISCOVER = 10;
const IP_PMTUDISC_DONT = 0;
/** Never fragment, and let the sender find out itself what fits. */
const IP_PMTUDISC_PROBE = 3;
export const SOL_IPV6 = 41;
const IPV6_MTU_DISCOVER = 23;
export const IPV6_V6ONLY = 26;
const IPV6_RECVPKTINFO = 49;
const IPV6_RECVTCLASS = 66;
export const IPV6_TCLASS = 67;
export const IPV6_PKTINFO = 50;

export const SOL_UDP = 17;
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;

export const MSG_DONTWAIT = 0x40;

/** Where the parts of a program find each other. */
export const LOOPBACK = "127.0.0.1";

/** Asked of the kernel for each socket: room for a burst of 64 KiB super-datagrams. */
export const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;

interface UdpSocket {
  readonly fd: number;
  /** Whether the kernel cuts one send into many datagrams. */
  readonly gso: boolean;
  /** Whether the kernel hands many datagrams over in one receive. */
  readonly gro: boolean;
}

export interface ServerSocket extends UdpSocket {
  /** Whether it takes IPv6 addresses, IPv4 mapped; else IPv4 alone. */
  readonly isV6: boolean;
}

/** Sets options of a socket that has no port yet. */
type Prepare = (fd: number) => void;

/** An address and port as a `struct sockaddr_in` or `sockaddr_in6`. @throws RangeError */
export function encodeSockaddr(host: string, port: number, scope = 0): Uint8Array {
  if (isIPv4(host)) {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, AF_INET, true);
    view.setUint16(2, port);
    view.setUint32(4, Number(parseCidr(host).start));
    return bytes;
  }
  if (!isIPv6(host)) throw new RangeError(`Cannot use '${host}': it is no IP address`);
  const bytes = new Uint8Array(28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET6, true);
  view.setUint16(2, port);
  const { start } = parseCidr(host);
  view.setBigUint64(8, BigInt.asUintN(64, start >> 64n));
  view.setBigUint64(16, BigInt.asUintN(64, start));
  view.setUint32(24, scope, true);
  return bytes;
}

/** What a path of the client needs of its socket. */
export interface PathSocketOptions {
  /** The interface the socket is bound to. */
  readonly device: string;
  /** The server's IP address and data port. */
  readonly server: string;
  readonly port: number;
  /** The source address, when it is prescribed. */
  readonly source?: string;
  /** The source port that is wanted, where it is free: v1 servers know a path by it. */
  readonly sourcePort?: number;
  /** Whether datagrams that are too large for the path are lost rather than sent in fragments. */
  readonly forbidsFragments?: boolean;
}

interface PathSocket extends UdpSocket {
  readonly sourcePort: number;
}

/**
 * A socket that sends through one interface only and is connected to the server.
 * @throws SyscallError
 */
export function openPathSocket(libc: Libc, options: PathSocketOptions): PathSocket {
  const isV6 = isIPv6(options.server);
  const fd = libc.socket(
    isV6 ? AF_INET6 : AF_INET,
    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
  );
  try {
    libc.setOptionString(
      fd,
      SOL_SOCKET,
      SO_BINDTODEVICE,
      options.device,
      `bind a socket to interface ${options.device}`,
    );
    const { source = isV6 ? "::" : "0.0.0.0", sourcePort = 0 } = options;
    bindWhereFree(libc, fd, source, sourcePort);
    libc.connect(
      fd,
      encodeSockaddr(options.server, options.port),
      `reach ${options.server} through ${options.device}`,
    );
    const socket = tune(libc, fd);
    if (options.forbidsFragments === true) forbidFragments(libc, fd);
    return { ...socket, sourcePort: portIn(libc.socketName(fd)) };
  } catch (error) {
    libc.closeFile(fd);
    throw error;
  }
}

function bindWhereFree(libc: Libc, fd: number, source: string, port: number): void {
  const bind = (to: number) =>
    libc.bind(fd, encodeSockaddr(source, to), `bind a socket to ${source}`);
  if (port === 0) return bind(0);
  try {
    bind(port);
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === EADDRINUSE)) throw error;
    bind(0);
  }
}

/** Both families have it at the same place. */
export function portIn(sockaddr: Uint8Array): number {
  return new DataView(sockaddr.buffer, sockaddr.byteOffset).getUint16(2);
}

/** Sets "don't fragment", for whoever probes what size a path carries. */
export function forbidFragments(libc: Libc, fd: number): void {
  libc.trySetOption(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  libc.trySetOption(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_PROBE);
}

/**
 * The server's socket: both families on one port, or IPv4 alone where the machine has no IPv6. It
 * reports the local address of each datagram (as IPv6, IPv4 mapped), so that answers leave from there.
 * @param prepare called before the socket gets its port.
 * @throws SyscallError, EADDRINUSE among them.
 */
export function openServerSocket(libc: Libc, port: number, prepare?: Prepare): ServerSocket {
  let fd: number;
  try {
    fd = libc.socket(AF_INET6, SERVER_SOCKET_TYPE);
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === EAFNOSUPPORT)) throw error;
    return openIpv4ServerSocket(libc, port, prepare);
  }
  try {
    prepare?.(fd);
    libc.setOption(fd, SOL_IPV6, IPV6_V6ONLY, 0, "listen on both IP families");
    libc.setOption(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1, "learn local addresses");
    return { ...listen(libc, fd, "::", port), isV6: true };
  } catch (error) {
    libc.closeFile(fd);
    throw error;
  }
}

/** The server's socket of a machine without IPv6. @throws SyscallError */
export function openIpv4ServerSocket(
  libc: Libc,
  port: number,
  prepare?: Prepare,
): ServerSocket {
  const fd = libc.socket(AF_INET, SERVER_SOCKET_TYPE);
  try {
    prepare?.(fd);
    libc.setOption(fd, SOL_IP, IP_PKTINFO, 1, "learn local addresses");
    return { ...listen(libc, fd, "0.0.0.0", port), isV6: false };
  } catch (error) {
    libc.closeFile(fd);
    throw error;
  }
}

function listen(libc: Libc, fd: number, host: string, port: number): UdpSocket {
  libc.bind(fd, encodeSockaddr(host, port), `listen on UDP port ${port}`);
  return tune(libc, fd);
}

/** A socket that the programs of this machine reach, and nobody else; on a port of the kernel's choice. */
export interface LoopbackSocket extends UdpSocket {
  readonly port: number;
}

/** @throws SyscallError */
export function openLoopbackSocket(libc: Libc): LoopbackSocket {
  const fd = libc.socket(AF_INET, SERVER_SOCKET_TYPE);
  try {
    libc.bind(fd, encodeSockaddr(LOOPBACK, 0), "listen on the loopback interface");
    return { ...tune(libc, fd), port: portIn(libc.socketName(fd)) };
  } catch (error) {
    libc.closeFile(fd);
    throw error;
  }
}

/** From now on the socket takes and gives datagrams of that port of this machine only. @throws SyscallError */
export function connectLoopback(libc: Libc, fd: number, port: number): void {
  libc.connect(fd, encodeSockaddr(LOOPBACK, port), `reach UDP port ${port} of this machine`);
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
  // Outer datagrams may be fragmented on a link smaller than we believe: late beats lost.
  libc.trySetOption(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
  libc.trySetOption(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DONT);
}

/** All of that, the traffic class of what comes, and offloads. */
function tune(libc: Libc, fd: number): UdpSocket {
  tuneSocket(libc, fd);
  libc.trySetOption(fd, SOL_IP, IP_RECVTOS, 1);
  libc.trySetOption(fd, SOL_IPV6, IPV6_RECVTCLASS, 1);
  const gso = libc.trySetOption(fd, SOL_UDP, UDP_SEGMENT, 0) === 0;
  const gro = libc.trySetOption(fd, SOL_UDP, UDP_GRO, 1) === 0;
  return { fd, gso, gro };
}
