/**
 * A UDP socket of Deno's with a bounded queue in front: datagrams leave in the order in which they
 * were handed over, and a full queue means that the kernel's is full too.
 */
import { isIPv6 } from "node:net";
import {
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  SyscallError,
} from "../../ffi/libc/errno.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import type { EnginePath } from "../engine.ts";
import {
  forbidFragments,
  IP_TOS,
  IPV6_TCLASS,
  IPV6_V6ONLY,
  SOL_IP,
  SOL_IPV6,
  tuneSocket,
} from "../../ffi/linux/socket.ts";
import { bindToDevice, connectSocket, socketDescriptor } from "./socket_descriptor.ts";

const QUEUE_MAX = 256;
/** After an error, receiving is retried after this: it may be of a datagram sent before. */
const RETRY_MS = 10;

interface QueuedDatagram {
  readonly datagram: Uint8Array;
  /** DSCP and ECN. */
  readonly trafficClass: number;
  readonly to: Deno.NetAddr;
  readonly sent: () => void;
  /** @param code the kernel's name of the error, "" when there is none. */
  readonly failed: (code: string) => void;
}

interface Received {
  readonly length: number;
  readonly from: Deno.NetAddr;
}

export class DatagramSocket {
  /** Whether it takes IPv6 addresses, IPv4 mapped. */
  readonly isV6: boolean;
  readonly #connection: Deno.DatagramConn;
  readonly #queue: QueuedDatagram[] = [];
  #sending: Promise<void> | null = null;
  #isClosed = false;
  readonly #libc: Libc;
  readonly #fd: number;
  #trafficClass = 0;

  private constructor(libc: Libc, connection: Deno.DatagramConn, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
    this.#connection = connection;
    this.isV6 = isIPv6((connection.addr as Deno.NetAddr).hostname);
  }

  /**
   * A socket that sends through one interface only and is connected to the server.
   * @throws SyscallError
   */
  static openPath(libc: Libc, path: EnginePath): DatagramSocket {
    const source = path.source ?? (isIPv6(path.server) ? "::" : "0.0.0.0");
    const open = (port: number) =>
      DatagramSocket.#open(libc, source, port, `bind a socket to ${source}`, (fd) => {
        bindToDevice(libc, fd, path.device);
        connectSocket(libc, fd, path.server, path.port);
        if (path.forbidsFragments === true) forbidFragments(libc, fd);
      });
    if (path.sourcePort === undefined) return open(0);
    try {
      return open(path.sourcePort);
    } catch (error) {
      if (!(error instanceof SyscallError && error.errno === EADDRINUSE)) throw error;
      return open(0);
    }
  }

  /** Its own. */
  get port(): number {
    return (this.#connection.addr as Deno.NetAddr).port;
  }

  /**
   * The server's socket: both families on one port, or IPv4 alone where the machine has no IPv6.
   * The kernel chooses the local address of answers, so a server with several should be called by
   * the one its routes prefer.
   * @throws SyscallError, EADDRINUSE among them; Error where a socket takes one family only.
   */
  static openServer(libc: Libc, port: number): DatagramSocket {
    const action = `listen on UDP port ${port}`;
    try {
      return DatagramSocket.#open(libc, "::", port, action, (fd) => checkBothFamilies(libc, fd));
    } catch (error) {
      if (!(error instanceof SyscallError && error.errno === EAFNOSUPPORT)) throw error;
      return DatagramSocket.#open(libc, "0.0.0.0", port, action, () => {});
    }
  }

  static #open(
    libc: Libc,
    hostname: string,
    port: number,
    action: string,
    prepare: (fd: number) => void,
  ): DatagramSocket {
    const connection = listen(hostname, port, action);
    try {
      const fd = socketDescriptor(libc, connection.addr as Deno.NetAddr);
      tuneSocket(libc, fd);
      prepare(fd);
      return new DatagramSocket(libc, connection, fd);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** The next datagram, in `into`; null when the socket has been closed. */
  async receive(into: Uint8Array<ArrayBuffer>): Promise<Received | null> {
    while (!this.#isClosed) {
      try {
        const [datagram, from] = await this.#connection.receive(into);
        return { length: datagram.length, from: from as Deno.NetAddr };
      } catch {
        if (this.#isClosed) break;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    return null;
  }

  /** False when there is no room for more: the link is slower than what is sent. */
  send(outgoing: QueuedDatagram): boolean {
    if (this.#queue.length >= QUEUE_MAX) return false;
    this.#queue.push(outgoing);
    // Most sends are done at once; what the kernel has no room for yet makes the others wait.
    this.#sending ??= this.#sendAll();
    return true;
  }

  /** Whether so much waits that no more packets should be read. */
  get isBusy(): boolean {
    return this.#queue.length >= QUEUE_MAX / 2;
  }

  /** Resolves when what has been handed over has left, or failed to. */
  async whenSent(): Promise<void> {
    await this.#sending;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.close();
  }

  async #sendAll(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      try {
        await this.#sendOne(next);
      } catch (error) {
        next.failed(errorCode(error));
        continue;
      }
      next.sent();
    }
    this.#sending = null;
  }

  async #sendOne({ datagram, trafficClass, to }: QueuedDatagram): Promise<void> {
    if (trafficClass !== this.#trafficClass) {
      // One after the other, so it holds for this datagram.
      this.#trafficClass = trafficClass;
      this.#libc.trySetOption(this.#fd, SOL_IP, IP_TOS, trafficClass);
      this.#libc.trySetOption(this.#fd, SOL_IPV6, IPV6_TCLASS, trafficClass);
    }
    try {
      await this.#connection.send(datagram, to);
    } catch {
      // A connected socket tells here once what became of a datagram sent before (ICMP).
      await this.#connection.send(datagram, to);
    }
  }
}

/** Deno cannot set IPV6_V6ONLY, and the kernel refuses to once a socket is bound. */
function checkBothFamilies(libc: Libc, fd: number): void {
  if (libc.option(fd, SOL_IPV6, IPV6_V6ONLY, "learn what a socket takes") === 0) return;
  throw new Error(
    "Cannot listen on both IP families with one socket: this machine keeps them apart; set the " +
      "sysctl net.ipv6.bindv6only to 0, or use -engine native",
  );
}

/** The failures that callers act on, or that people meet, by the kernel's name. */
const ERRNOS: Readonly<Record<string, number>> = {
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
};

function listen(hostname: string, port: number, action: string): Deno.DatagramConn {
  try {
    return Deno.listenDatagram({ transport: "udp", hostname, port });
  } catch (error) {
    const errno = ERRNOS[errorCode(error)];
    throw errno === undefined ? error : new SyscallError(action, errno);
  }
}

function errorCode(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : "";
}
