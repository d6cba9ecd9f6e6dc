/** TCP sockets that do not block: to be connected over one interface, or taken over from the runtime. */
import { isIPv6 } from "node:net";
import { EINPROGRESS, SyscallError } from "../libc/errno.ts";
import type { Libc } from "../libc/libc.ts";
import { unwatch } from "./epoll.ts";
import { AF_INET, AF_INET6, encodeSockaddr, SO_BINDTODEVICE, SOL_SOCKET } from "./socket.ts";

const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000;
const SO_ERROR = 4;
const SO_KEEPALIVE = 9;
const SOL_TCP = 6;
const TCP_NODELAY = 1;
const TCP_USER_TIMEOUT = 18;
const TCP_NOTSENT_LOWAT = 25;
/** Until it is known how fast a connection is. */
const UNSENT_BYTES = 32 * 1024;
/** Sent and not acknowledged for so long: the connection is over. */
const UNANSWERED_MS_MAX = 10_000;

interface StreamTarget {
  /** The interface to use alone; null: whatever routes say. */
  readonly device: string | null;
  readonly address: string;
  readonly port: number;
  /** The source address, when it is prescribed. */
  readonly source: string | null;
}

/** Begins to connect. Returns the descriptor, which is writable when that is over. @throws SyscallError */
export function beginConnect(libc: Libc, target: StreamTarget): number {
  const { device, address, port, source } = target;
  const fd = libc.socket(isIPv6(address) ? AF_INET6 : AF_INET, SOCK_STREAM_NONBLOCK_CLOEXEC);
  try {
    if (device !== null) {
      const action = `bind a socket to interface ${device}`;
      libc.setOptionString(fd, SOL_SOCKET, SO_BINDTODEVICE, device, action);
    }
    if (source !== null) libc.bind(fd, encodeSockaddr(source, 0), `bind a socket to ${source}`);
    libc.connect(fd, encodeSockaddr(address, port), `reach ${address}`);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === EINPROGRESS) return fd;
    libc.closeFile(fd);
    throw error;
  }
  return fd;
}

/** The errno that ended connecting; 0: it stands. */
export function connectResult(libc: Libc, fd: number): number {
  return libc.option(fd, SOL_SOCKET, SO_ERROR, "read the state of a connection");
}

/** For a stream of records: nothing waits in the kernel that could wait in a queue of ours. */
export function tuneStream(libc: Libc, fd: number): void {
  libc.trySetOption(fd, SOL_TCP, TCP_NODELAY, 1);
  limitUnsent(libc, fd, UNSENT_BYTES);
  libc.trySetOption(fd, SOL_TCP, TCP_USER_TIMEOUT, UNANSWERED_MS_MAX);
  libc.trySetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

/** The kernel takes so much that TCP has not sent for the first time: what waits beyond is the sender's. */
export function limitUnsent(libc: Libc, fd: number, bytes: number): void {
  libc.trySetOption(fd, SOL_TCP, TCP_NOTSENT_LOWAT, bytes);
}

/**
 * Takes a connection away from the runtime, which is left with an unconnected socket in its place:
 * when it closes a connection of its own it ends the stream for whoever else has it. Returns the
 * descriptor. @throws SyscallError, Error when it cannot be found
 */
export function takeOver(libc: Libc, tcp: Deno.TcpConn): number {
  const local = namesOf(tcp.localAddr as Deno.NetAddr);
  const peer = namesOf(tcp.remoteAddr as Deno.NetAddr);
  const descriptors = [...Deno.readDirSync(DESCRIPTORS)].map(({ name }) => Number(name));
  const fd = descriptors.find((fd) => {
    try {
      return isOneOf(local, libc.socketName(fd)) && isOneOf(peer, libc.peerName(fd));
    } catch (error) {
      // Most descriptors are no sockets.
      if (error instanceof SyscallError) return false;
      throw error;
    }
  });
  if (fd === undefined) throw new Error("Cannot find the descriptor of a connection");
  // Else the event loop would be woken for each packet.
  for (const poll of descriptors.filter(isEpoll)) unwatch(libc, poll, fd);
  const own = libc.duplicate(fd);
  let placeholder: number | null = null;
  try {
    placeholder = libc.socket(AF_INET, SOCK_STREAM_NONBLOCK_CLOEXEC);
    libc.replace(fd, placeholder);
  } catch (error) {
    libc.closeFile(own);
    throw error;
  } finally {
    if (placeholder !== null) libc.closeFile(placeholder);
  }
  return own;
}

const DESCRIPTORS = "/proc/self/fd";

function isEpoll(fd: number): boolean {
  try {
    return Deno.readLinkSync(`${DESCRIPTORS}/${fd}`).includes("eventpoll");
  } catch {
    return false; // the one that listed them is closed already
  }
}

/** How the kernel may write an address: IPv4 as it is, or mapped, on a socket of both families. */
function namesOf({ hostname, port }: Deno.NetAddr): Uint8Array[] {
  const plain = hostname.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
  const bytes = encodeSockaddr(plain, port);
  if (isIPv6(plain)) return [bytes.subarray(0, COMPARED6)];
  const mapped = new Uint8Array(COMPARED6);
  new DataView(mapped.buffer).setUint16(0, AF_INET6, true);
  mapped.set(bytes.subarray(2, 4), 2);
  mapped.fill(0xff, 18, 20);
  mapped.set(bytes.subarray(4, 8), 20);
  return [bytes.subarray(0, COMPARED4), mapped];
}

/** Family, port and address; for IPv6 the flow between them. */
const COMPARED4 = 8;
const COMPARED6 = 24;

function isOneOf(names: readonly Uint8Array[], sockaddr: Uint8Array): boolean {
  return names.some((name) =>
    sockaddr.length >= name.length && name.every((byte, at) => byte === sockaddr[at])
  );
}
