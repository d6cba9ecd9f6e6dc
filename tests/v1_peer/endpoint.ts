/** What the client and the server program have in common. */
import { randomBytes } from "node:crypto";
import { type AskKind, InnerHost } from "./inner_host.ts";
import { TunEnd } from "./tun_end.ts";
import type { V1Session } from "./v1_session.ts";

export const DATAGRAM_BYTES_MAX = 65_535;
/** Copies of what was sent last, for whoever wants to send it again. */
const SENT_KEPT = 64;
/** More at a time would fill the buffers of a busy machine, and loss is not what is looked for. */
const ASKED_AT_A_TIME = 8;
/** Less than the reorder timeout that the tests give our programs. */
const ASK_PATIENCE_MS = 5000;
const LOOK_EVERY_MS = 2;

export interface Ask {
  kind: AskKind;
  to: string;
  count: number;
  /** Of a UDP echo or a TCP connection. */
  port?: number;
  bytes?: number;
  content?: "text" | "random";
  /** How long to wait for the answers. */
  patienceMs?: number;
}

export interface EndpointOptions {
  addresses: readonly string[];
  answersFor: "own" | "any";
  /** What is at the end of the tunnel; null: the host of the peer's own. */
  tun: TunEnd | null;
}

export interface Report {
  violations: number;
  samples: string[];
  received: { packet: number; heartbeat: number; handshake: number };
  packetsSent: number;
  gzipSent: number;
  gzipReceived: number;
  /** Packets of the other side that did not come. */
  missing: number;
  flushes: number;
  late: number;
  host: { packets: number; answered: number; unasked: number };
}

export abstract class Endpoint {
  readonly host: InnerHost | null;
  readonly tun: TunEnd | null;
  readonly sent: Uint8Array[] = [];
  readonly #complain = (what: string) => this.session?.inspector.complain(what);
  #asked = 0;

  constructor(options: EndpointOptions) {
    this.tun = options.tun;
    const send = (packet: Uint8Array) => this.sendPacket(packet);
    this.host = this.tun === null
      ? new InnerHost({ ...options, send, complain: this.#complain })
      : null;
  }

  /** The session in use. */
  abstract get session(): V1Session | null;
  /** Sends a datagram on the next path in turn. */
  abstract send(datagram: Uint8Array): void;

  sendPacket(packet: Uint8Array): void {
    if (this.session !== null) this.sendKept(this.session.packet(packet));
  }

  sendKept(datagram: Uint8Array): void {
    this.sent.push(datagram);
    if (this.sent.length > SENT_KEPT) this.sent.shift();
    this.send(datagram);
  }

  /** To be called every few milliseconds. */
  deliver(now: number): void {
    for (const packet of this.session?.deliver(now) ?? []) {
      this.host?.receive(packet);
      this.tun?.receive(packet, this.#complain);
    }
  }

  /** Returns how many answers came. */
  async ask(ask: Ask): Promise<number> {
    const { kind, to, count, port = 7, bytes = 56, content = "text" } = ask;
    const { host } = this;
    if (host === null) throw new Error("Cannot ask: the end is a TUN device");
    const giveUpAt = performance.now() + (ask.patienceMs ?? ASK_PATIENCE_MS);
    const answered = async (pendingMax: number) => {
      while (host.pending > pendingMax && performance.now() < giveUpAt) await wait(LOOK_EVERY_MS);
    };
    for (let i = 0; i < count; i++) {
      const number = this.#asked++ % 40_000;
      const payload = content === "text"
        ? new TextEncoder().encode(`${number} `.repeat(bytes).slice(0, bytes))
        : Uint8Array.from(randomBytes(bytes));
      host.ask(kind, to, number, port, payload);
      await answered(ASKED_AT_A_TIME - 1);
    }
    await answered(0);
    const answers = count - host.pending;
    host.forget();
    return answers;
  }

  /**
   * Takes the counter of sent packets to `to` in steps of less than half its range, so that the
   * other side can follow; each step is a ping.
   */
  async walk(to: number, address: string): Promise<void> {
    for (const sequence of [0x7000_0000, 0xe000_0000, to]) {
      this.session!.nextSequence = sequence;
      await this.ask({ kind: "ping", to: address, count: 1 });
    }
  }

  report(): Report {
    const { session } = this;
    if (session === null) throw new Error("Cannot report: there is no session");
    const { violations, inspector, queue, counters } = session;
    return {
      violations: violations.total,
      samples: violations.samples,
      ...counters,
      missing: inspector.missing,
      flushes: queue.flushes,
      late: queue.late,
      host: (this.host ?? this.tun)!.counters,
    };
  }
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function fillRandom(into: Uint8Array): void {
  crypto.getRandomValues(into as Uint8Array<ArrayBuffer>);
}
