/** One datagram to somebody over one interface, and the first answer that is taken for one. */
import { isIPv6 } from "node:net";
import { EAGAIN, ECONNREFUSED, SyscallError } from "../libc/errno.ts";
import type { Libc } from "../libc/libc.ts";
import { pinnedBytes } from "../memory/arena.ts";
import {
  AF_INET,
  AF_INET6,
  encodeSockaddr,
  SO_BINDTODEVICE,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from "./socket.ts";

const SO_MARK = 36;
const ANSWER_BYTES_MAX = 4096;
/** As often the kernel is asked whether there is an answer. */
const LOOK_EVERY_MS = 10;

interface UdpTarget {
  readonly device: string;
  readonly address: string;
  readonly port: number;
  /** Index of the interface, for an address that is link-local; else 0. */
  readonly scope: number;
  /** Of the packets, for firewalls and policy rules. */
  readonly mark: number;
}

/**
 * Sends `question` and returns the first datagram from there that `isAnswer` takes, or null when none
 * came in `timeoutMs`. @throws SyscallError when the target cannot be reached or refuses.
 */
export async function askUdp(
  libc: Libc,
  target: UdpTarget,
  question: Uint8Array,
  isAnswer: (datagram: Uint8Array) => boolean,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<Uint8Array | null> {
  const { device, address, port } = target;
  const action = `ask ${address} port ${port} over ${device}`;
  const fd = libc.socket(
    isIPv6(address) ? AF_INET6 : AF_INET,
    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
  );
  try {
    libc.setOptionString(fd, SOL_SOCKET, SO_BINDTODEVICE, device, `use ${device}`);
    libc.setOption(fd, SOL_SOCKET, SO_MARK, target.mark, "mark packets");
    libc.connect(fd, encodeSockaddr(address, port, target.scope), action);
    const buffer = pinnedBytes(Math.max(ANSWER_BYTES_MAX, question.length));
    buffer.bytes.set(question);
    const sent = libc.write(fd, buffer.address, BigInt(question.length));
    if (sent < 0) throw new SyscallError(action, -sent);
    const deadlineMs = performance.now() + timeoutMs;
    while (!signal.aborted && performance.now() < deadlineMs) {
      const length = libc.read(fd, buffer.address, BigInt(ANSWER_BYTES_MAX));
      if (length >= 0) {
        const datagram = buffer.bytes.slice(0, length);
        if (isAnswer(datagram)) return datagram;
        continue;
      }
      if (length === -ECONNREFUSED) throw new SyscallError(action, ECONNREFUSED);
      // Others are errors of earlier datagrams on the way, which anybody may send.
      if (length !== -EAGAIN) continue;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    return null;
  } finally {
    libc.closeFile(fd);
  }
}
