/**
 * One side of one v1 session, without sockets and clock: datagrams go in and come out, `now` is in
 * milliseconds.
 */
import { constants, gunzipSync, gzipSync } from "node:zlib";
import { Inspector, Violations } from "./inspector.ts";
import {
  NONCE_BYTES,
  openRecord,
  sealRecord,
  TYPE_HANDSHAKE,
  TYPE_HEARTBEAT,
  TYPE_PACKET,
} from "./record.ts";
import { nextSequence, ReorderQueue } from "./reorder_queue.ts";

const PACKET_BYTES_MAX = 1500;

interface V1SessionOptions {
  role: "client" | "server";
  id: number;
  key: Uint8Array;
  /** Compress each packet that gets shorter by it. */
  gzip: boolean;
  /** Fills a nonce. */
  random: (into: Uint8Array) => void;
  /** Of the first packet sent; 1 unless told. */
  firstSequence?: number;
}

export type ReceivedType = "packet" | "heartbeat" | "handshake";

export class V1Session {
  readonly role: "client" | "server";
  readonly violations = new Violations();
  readonly inspector = new Inspector(this.violations);
  readonly queue = new ReorderQueue();
  readonly counters = {
    received: { packet: 0, heartbeat: 0, handshake: 0 },
    gzipReceived: 0,
    gzipSent: 0,
    packetsSent: 0,
  };
  readonly #options: V1SessionOptions;
  #sequence: number;

  constructor(options: V1SessionOptions) {
    this.#options = options;
    this.role = options.role;
    this.#sequence = options.firstSequence ?? 1;
  }

  get id(): number {
    return this.#options.id;
  }

  /** The next packet gets this sequence. */
  set nextSequence(sequence: number) {
    this.#sequence = sequence;
  }

  get nextSequence(): number {
    return this.#sequence;
  }

  handshake(): Uint8Array {
    return this.#seal(TYPE_HANDSHAKE, 0, new Uint8Array(0), false);
  }

  /** A client's own. */
  heartbeat(clockNs: bigint): Uint8Array {
    const payload = new Uint8Array(8);
    new DataView(payload.buffer).setBigUint64(0, clockNs);
    return this.#seal(TYPE_HEARTBEAT, 0, payload, false);
  }

  packet(packet: Uint8Array): Uint8Array {
    const zipped = this.#options.gzip ? gzipSync(packet) : packet;
    if (zipped.length >= packet.length) return this.rawPacket(packet, false);
    this.counters.gzipSent++;
    return this.rawPacket(zipped, true);
  }

  /** A packet record with this payload, whatever it is. */
  rawPacket(payload: Uint8Array, isGzip: boolean): Uint8Array {
    this.counters.packetsSent++;
    return this.#seal(TYPE_PACKET, this.#takeSequence(), payload, isGzip);
  }

  /**
   * Takes a datagram. Returns what it was and, for a server that got a heartbeat, the answer to send
   * on the same path; null for one that is a violation.
   */
  receive(
    datagram: Uint8Array,
    now: number,
  ): { type: ReceivedType; echo: Uint8Array | null; payload: Uint8Array } | null {
    const record = openRecord(this.#options.key, this.id, datagram);
    if (typeof record === "string") {
      this.inspector.refuse(record);
      return null;
    }
    this.inspector.inspect(record);
    const { received } = this.counters;
    const { payload } = record;
    switch (record.type) {
      case TYPE_HANDSHAKE:
        received.handshake++;
        return { type: "handshake", echo: null, payload };
      case TYPE_HEARTBEAT: {
        received.heartbeat++;
        // As the first servers did, and why their clients met gaps: an echo takes a number.
        const echo = this.role === "server"
          ? this.#seal(TYPE_HEARTBEAT, this.#takeSequence(), payload, false)
          : null;
        return { type: "heartbeat", echo, payload };
      }
      default:
        received.packet++;
        this.queue.push(record.sequence, this.#unzip(payload, record.isGzip), now);
        return { type: "packet", echo: null, payload };
    }
  }

  /** The packets that are due, in their order. */
  deliver(now: number): Uint8Array[] {
    return this.queue.take(now);
  }

  #unzip(payload: Uint8Array, isGzip: boolean): Uint8Array | null {
    if (!isGzip) return payload;
    this.counters.gzipReceived++;
    try {
      return gunzipSync(payload, {
        maxOutputLength: PACKET_BYTES_MAX,
        finishFlush: constants.Z_FINISH,
      });
    } catch (error) {
      this.inspector.complain(`gzip: ${error}`);
      return null;
    }
  }

  #takeSequence(): number {
    const sequence = this.#sequence;
    this.#sequence = nextSequence(sequence);
    return sequence;
  }

  #seal(type: number, sequence: number, payload: Uint8Array, isGzip: boolean): Uint8Array {
    const { key, id, random } = this.#options;
    const nonce = new Uint8Array(NONCE_BYTES);
    random(nonce);
    return sealRecord(key, nonce, { type, session: id, sequence, isGzip, payload });
  }
}
