/**
 * A session of lib/ on one side, a v1 session of the test-suite's own on the other, joined by
 * virtual links on virtual time. Link k carries the client's path k.
 */
import { Peer } from "../two_peers/peer.ts";
import { RecordingSuite } from "../two_peers/recording_suite.ts";
import { HEADERS_BYTES, readPacket, writePacket } from "../two_peers/test_packet.ts";
import { SESSION_ID, SESSION_KEY } from "../two_peers/peer.ts";
import { randomNumbers } from "../../testing/random_numbers.ts";
import { clientAddress } from "../../testing/virtual_network.ts";
import type { CompressionMode } from "../../lib/protocol/compression/compression_mode.ts";
import { buildPacket, ICMP, type IpPacket, parsePacket } from "./packet.ts";
import { type ReceivedType, V1Session } from "./v1_session.ts";

interface MixedLink {
  delayMs: number;
  isCut: boolean;
}

interface MixedOptions {
  /** The role of the session of lib/. */
  ours: "client" | "server";
  delaysMs: readonly number[];
  firstSequence?: number;
  /** Of our side; "off" unless told. */
  compression?: CompressionMode;
  /** Whether the v1 side's host answers pings; it does unless told. */
  answersPings?: boolean;
  /** The host that the control connection came from, where our side is the server. */
  controlHost?: string;
}

interface Delivery {
  at: number;
  link: number;
  datagram: Uint8Array;
  to: "ours" | "v1";
}

interface Arrival {
  type: ReceivedType;
  link: number;
  at: number;
  payload: Uint8Array;
}

const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;

/** A v1 client's. */
export const V1_HEARTBEAT_MS = 2000;
/** The wall clock in nanoseconds, as the first clients send it: beyond 2^53. */
const WALL_CLOCK_NS = 1_790_000_000_123_456_789n;

export class MixedNetwork implements Disposable {
  now = 0;
  readonly links: MixedLink[];
  readonly ours: Peer;
  readonly v1: V1Session;
  /** Whatever the v1 side received, and the packets it delivered in order. */
  readonly arrivals: Arrival[] = [];
  /** Every datagram that our side has sent. */
  readonly sent: Uint8Array[] = [];
  /** How many bytes of datagrams our side has got from, and sent to, each link. */
  readonly bytes: { got: number; sent: number }[];
  readonly delivered: { flow: number; number: number }[] = [];
  /** Links on which the v1 side has been addressed: a server knows no others. */
  readonly #known = new Set<number>();
  readonly #deliveries: Delivery[] = [];
  readonly #oursIsClient: boolean;
  readonly #answersPings: boolean;
  #tasks: { at: number; everyMs: number; run: (now: number) => void }[] = [];

  constructor(options: MixedOptions) {
    const { ours, delaysMs, firstSequence, compression = "off", controlHost } = options;
    this.#answersPings = options.answersPings ?? true;
    this.bytes = delaysMs.map(() => ({ got: 0, sent: 0 }));
    this.#oursIsClient = ours === "client";
    this.links = delaysMs.map((delayMs) => ({ delayMs, isCut: false }));
    const random = randomNumbers(1);
    this.ours = new Peer({
      ...{ role: ours, x1: false, suite: new RecordingSuite(), random, compression },
      // A server numbers its packets from the time of day; what counts them begins at 1.
      unixOffsetMs: ours === "server" ? 0 : Number(WALL_CLOCK_NS / 1_000_000n),
      ...(controlHost === undefined ? {} : { controlHost }),
      send: (datagram, path) => {
        this.sent.push(datagram);
        const link = this.#oursIsClient ? path.socket : path.peer.port - 4000;
        if (link in this.bytes) this.bytes[link]!.sent += datagram.length;
        this.#send({ link, datagram, to: "v1" });
      },
    });
    const other = randomNumbers(2);
    this.v1 = new V1Session({
      ...{ role: this.#oursIsClient ? "server" : "client", id: SESSION_ID, key: SESSION_KEY },
      ...{ gzip: false, firstSequence },
      random: (into) => into.forEach((_, i) => into[i] = other() * 256),
    });
    for (const link of this.links.keys()) {
      if (this.#oursIsClient) {
        const path = { id: link, name: `link ${link}`, socket: link, peer: null };
        this.ours.addPath(path, 0);
      } else {
        this.sendV1(this.v1.handshake(), link);
        this.every(V1_HEARTBEAT_MS, () => this.sendV1(this.v1.heartbeat(this.clockNs()), link));
      }
    }
  }

  clockNs(): bigint {
    return this.clockNsAt(this.now);
  }

  clockNsAt(now: number): bigint {
    return WALL_CLOCK_NS + BigInt(Math.round(now * 1e6));
  }

  /** Links the v1 side may send packets on. */
  get usableLinks(): number[] {
    return this.#oursIsClient ? [...this.#known] : [...this.links.keys()];
  }

  every(everyMs: number, run: (now: number) => void): () => void {
    const task = { at: this.now, everyMs, run };
    this.#tasks.push(task);
    return () => this.#tasks = this.#tasks.filter((other) => other !== task);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (; this.now < end; this.now++) this.#tick();
  }

  sendV1(datagram: Uint8Array, link: number): void {
    this.#send({ link, datagram, to: "ours" });
  }

  sendV1Packet(packet: { flow: number; number: number }, link: number): void {
    const from = this.#oursIsClient ? "server" : "client";
    this.sendV1(this.v1.packet(writePacket(packet, from, HEADERS_BYTES)), link);
  }

  /** Hands a datagram to our side at once: to a server as if from another port of the first link. */
  inject(datagram: Uint8Array, port: number) {
    const from = this.#oursIsClient ? null : clientAddress(1, port);
    return this.ours.receive(datagram, 0, from, this.now);
  }

  [Symbol.dispose](): void {
    this.ours.close(this.now);
  }

  #send(delivery: Omit<Delivery, "at">): void {
    const link = this.links[delivery.link];
    // Where a test injected from, nobody listens.
    if (link?.isCut === false) this.#deliveries.push({ ...delivery, at: this.now + link.delayMs });
  }

  #tick(): void {
    const { now } = this;
    const due = this.#deliveries.filter(({ at }) => at <= now);
    for (const delivery of due) this.#deliveries.splice(this.#deliveries.indexOf(delivery), 1);
    for (const { datagram, link, to } of due) {
      if (to === "ours") this.bytes[link]!.got += datagram.length;
      if (to === "v1") this.#receiveV1(datagram, link);
      else if (this.#oursIsClient) this.ours.receive(datagram, link, null, now);
      else this.ours.receive(datagram, 0, clientAddress(link + 1, 4000 + link), now);
    }
    for (const task of this.#tasks) {
      if (task.at > now) continue;
      task.at = now + task.everyMs;
      task.run(now);
    }
    this.ours.handleTimeout(now);
    this.#deliverV1();
  }

  #receiveV1(datagram: Uint8Array, link: number): void {
    const received = this.v1.receive(datagram, this.now);
    if (received === null) return;
    this.#known.add(link);
    this.arrivals.push({ type: received.type, link, at: this.now, payload: received.payload });
    if (received.echo !== null) this.sendV1(received.echo, link);
  }

  #answerPing({ source, destination, protocol, payload }: IpPacket): void {
    if (!this.#answersPings || payload[0] !== ECHO_REQUEST) return;
    const answer = Uint8Array.from(payload);
    answer[0] = ECHO_REPLY;
    const reply = { source: destination, destination: source, protocol, payload: answer };
    const link = this.usableLinks.find((one) => !this.links[one]!.isCut);
    if (link !== undefined) this.sendV1(this.v1.packet(buildPacket(reply)), link);
  }

  #deliverV1(): void {
    for (const payload of this.v1.deliver(this.now)) {
      const packet = parsePacket(payload);
      if (typeof packet !== "string" && packet.protocol === ICMP) {
        this.#answerPing(packet);
        continue;
      }
      const view = new DataView(payload.buffer, payload.byteOffset);
      this.delivered.push(readPacket(view, 0));
    }
  }
}
