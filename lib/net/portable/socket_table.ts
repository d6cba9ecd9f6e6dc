/** The sockets of the portable engine, numbered so that a path can name one. */
import { SOCKETS_MAX } from "../engine.ts";
import type { DatagramSocket } from "./datagram_socket.ts";

interface NumberedSocket {
  readonly socket: DatagramSocket;
  /** The only peer of a client's socket; null for the one a server's sessions share. */
  readonly server: Deno.NetAddr | null;
}

export class SocketTable {
  readonly #sockets = new Map<number, NumberedSocket>();
  #lastNumber = -1;

  /** Returns the socket's number, which no other will have. @throws RangeError with too many. */
  add(socket: DatagramSocket, server: Deno.NetAddr | null): number {
    if (this.#sockets.size >= SOCKETS_MAX) throw new RangeError("Cannot use more sockets");
    this.#sockets.set(++this.#lastNumber, { socket, server });
    return this.#lastNumber;
  }

  get(number: number): DatagramSocket | undefined {
    return this.#sockets.get(number)?.socket;
  }

  /** Where all datagrams of a client's socket go, or null. */
  server(number: number): Deno.NetAddr | null {
    return this.#sockets.get(number)?.server ?? null;
  }

  /** Forgets a socket without closing it. */
  remove(number: number): void {
    this.#sockets.delete(number);
  }

  /** Whether the queue of some socket is half full: the kernel takes less than it is given. */
  get isAnyBusy(): boolean {
    for (const { socket } of this.#sockets.values()) if (socket.isBusy) return true;
    return false;
  }

  /** Resolves when what waits in those has been sent. */
  async whenSent(): Promise<void> {
    for (const { socket } of [...this.#sockets.values()]) {
      if (socket.isBusy) await socket.whenSent();
    }
  }

  /** All sockets' numbers. */
  numbers(): number[] {
    return [...this.#sockets.keys()];
  }
}
