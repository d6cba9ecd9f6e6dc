/**
 * Receives from the sockets. Opening a record takes a turn of the event loop, so several are opened at a
 * time; they change the session afterwards, in the order of arrival.
 */
import type { Inbound } from "../driver/inbound.ts";
import type { PacketMemory } from "../driver/memory.ts";
import { DatagramPool } from "./datagram_buffer.ts";
import type { DatagramSocket } from "./datagram_socket.ts";
import { InOrder } from "./in_order.ts";
import { peerAddress } from "./net_address.ts";
import type { WebOpener, WebSealer } from "./web_crypto.ts";

/** Records opened at a time; beyond that, datagrams wait in their sockets, except one of each. */
const OPENING_MAX = 64;

interface Datagram {
  readonly buffer: PacketMemory;
  readonly length: number;
  /** The number of the socket it came to. */
  readonly socket: number;
  /** Where it came from; null when the socket is connected to the peer. */
  readonly from: Deno.NetAddr | null;
}

interface ReceiverHooks {
  /** A record was handled. */
  readonly handled: (now: number) => void;
  /** Told of errors that should not be. */
  readonly fail: (error: unknown) => void;
}

interface OpenedRecord {
  readonly datagram: Datagram;
  readonly opener: WebOpener;
  readonly isAuthentic: boolean;
}

export class DatagramReceiver {
  readonly #inbound: Inbound<WebSealer, WebOpener>;
  readonly #hooks: ReceiverHooks;
  readonly #pool = new DatagramPool();
  readonly #opening: InOrder<OpenedRecord>;

  constructor(inbound: Inbound<WebSealer, WebOpener>, hooks: ReceiverHooks) {
    this.#inbound = inbound;
    this.#hooks = hooks;
    this.#opening = new InOrder(OPENING_MAX, (opened) => this.#finish(opened), hooks.fail);
  }

  /** Takes what comes to a socket until that is closed. */
  async run(number: number, socket: DatagramSocket, isConnected: boolean): Promise<void> {
    for (;;) {
      if (!this.#opening.hasRoom) await this.#opening.whenRoom();
      const buffer = this.#pool.take();
      const received = await socket.receive(buffer.bytes);
      if (received === null) return this.#pool.give(buffer);
      const { length, from } = received;
      this.receive({ buffer, length, socket: number, from: isConnected ? null : from });
    }
  }

  /** Resolves when all that has been received so far is delivered. */
  whenDone(): Promise<void> {
    return this.#opening.whenDone();
  }

  /** Takes a datagram over, and its buffer with it. */
  receive(datagram: Datagram): void {
    const { buffer, length } = datagram;
    const opener = this.#inbound.begin(buffer, 0, length, performance.now());
    if (opener === null) return this.#pool.give(buffer);
    this.#opening.push(this.#open(datagram, opener));
  }

  async #open(datagram: Datagram, opener: WebOpener): Promise<OpenedRecord> {
    const record = datagram.buffer.bytes.subarray(0, datagram.length);
    return { datagram, opener, isAuthentic: await opener.open(record) };
  }

  #finish({ datagram, opener, isAuthentic }: OpenedRecord): void {
    const inbound = this.#inbound;
    const { buffer, length, socket, from } = datagram;
    const now = performance.now();
    if (!isAuthentic) {
      inbound.refuse("not authentic");
    } else {
      // What was said of the record before was said of the moment: a copy of it may have come since,
      // and its epoch may be over.
      const openerNow = inbound.begin(buffer, 0, length, now);
      if (openerNow === opener) {
        inbound.accept(buffer, 0, socket, from === null ? null : peerAddress(from), now);
        inbound.flush();
      } else if (openerNow !== null) {
        inbound.refuse("unknown epoch");
      }
    }
    this.#pool.give(buffer);
    this.#hooks.handled(now);
  }
}
