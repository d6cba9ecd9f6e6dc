/** The UDP sockets of the native engine, numbered so that a path can name one. */
import { SOCKETS_MAX } from "../engine.ts";

export interface EngineSocket {
  readonly fd: number;
  readonly gso: boolean;
}

export class SocketTable {
  /** Grows with each change. */
  version = 0;
  readonly #sockets: (EngineSocket | null)[] = [];

  /**
   * @param isConnected whether each socket is connected to its peer (client), else the one socket
   * speaks to many (server).
   * @param isV6 whether an unconnected socket takes IPv6 addresses, IPv4 mapped.
   */
  constructor(readonly isConnected: boolean, readonly isV6: boolean) {}

  /** Returns the socket's number. @throws RangeError when there are too many. */
  add(socket: EngineSocket): number {
    this.version++;
    const free = this.#sockets.indexOf(null);
    if (free >= 0) {
      this.#sockets[free] = socket;
      return free;
    }
    if (this.#sockets.length >= SOCKETS_MAX) throw new RangeError("Cannot use more sockets");
    return this.#sockets.push(socket) - 1;
  }

  has(number: number): boolean {
    return (this.#sockets[number] ?? null) !== null;
  }

  /** Hot. A socket that is there. */
  get(number: number): EngineSocket {
    return this.#sockets[number]!;
  }

  remove(number: number): void {
    this.version++;
    this.#sockets[number] = null;
  }

  /** The numbers in use, and their sockets. */
  *entries(): Iterable<[number, EngineSocket]> {
    for (const [number, socket] of this.#sockets.entries()) {
      if (socket !== null) yield [number, socket];
    }
  }
}
