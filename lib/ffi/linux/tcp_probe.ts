/** Whether a TCP port answers over one interface, and how fast. */
import { isIPv6 } from "node:net";
import { SyscallError } from "../libc/errno.ts";
import type { Libc } from "../libc/libc.ts";
import {
  AF_INET,
  AF_INET6,
  encodeSockaddr,
  SO_BINDTODEVICE,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from "./socket.ts";

const SOCK_STREAM = 1;
const EISCONN = 106;
const EALREADY = 114;
const EINPROGRESS = 115;
/** As often the kernel is asked whether the connection stands: what the time is exact to. */
const LOOK_EVERY_MS = 2;

/**
 * Connects to `address` through `device` and closes again. Returns how long it took in ms, or null
 * when there was no answer in `timeoutMs`.
 * @throws SyscallError when it is refused or cannot be reached
 */
export async function probeTcp(
  libc: Libc,
  { device, address, port, timeoutMs }: {
    device: string;
    address: string;
    port: number;
    timeoutMs: number;
  },
): Promise<number | null> {
  const fd = libc.socket(
    isIPv6(address) ? AF_INET6 : AF_INET,
    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
  );
  try {
    libc.setOptionString(fd, SOL_SOCKET, SO_BINDTODEVICE, device, `use ${device}`);
    const sockaddr = encodeSockaddr(address, port);
    const startMs = performance.now();
    for (;;) {
      const state = tryConnect(libc, fd, sockaddr, `reach ${address} port ${port} over ${device}`);
      const tookMs = performance.now() - startMs;
      if (state === "connected") return tookMs;
      if (tookMs >= timeoutMs) return null;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  } finally {
    libc.closeFile(fd);
  }
}

function tryConnect(
  libc: Libc,
  fd: number,
  sockaddr: Uint8Array,
  action: string,
): "connected" | "under way" {
  try {
    libc.connect(fd, sockaddr, action);
    return "connected";
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.errno === EISCONN) return "connected";
    if (error.errno === EINPROGRESS || error.errno === EALREADY) return "under way";
    throw error;
  }
}
