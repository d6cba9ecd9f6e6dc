/**
 * A client and a server joined by virtual links, on virtual time: a test runs minutes in
 * milliseconds, and the same way each time. Link k carries the client's path k.
 *
 *   client  path 0 == link 0, 203.0.113.1:4000 ==\
 *           path 1 == link 1, 203.0.113.2:4001 ===- server
 */
import type { SchedulerName } from "../lib/protocol/wire/scheduler_name.ts";
import type { EpochLimits } from "../lib/protocol/crypto/key_epochs.ts";
import { PeerAddress } from "../lib/protocol/path/peer_address.ts";
import type { SessionPath } from "../lib/protocol/path/session_path.ts";
import { randomNumbers } from "./random_numbers.ts";
import { Peer } from "../tests/two_peers/peer.ts";
import { RecordingSuite } from "../tests/two_peers/recording_suite.ts";

type Way = "up" | "down";

interface Link {
  /** One way, in milliseconds. */
  delayMs: number;
  /** Up to this much is added to the delay of each datagram. */
  jitterMs: number;
  /** Share of datagrams lost, 0 to 1. */
  loss: number;
  /** What the link carries each way, in bytes per second, and what waits for it at most. */
  rate: number;
  queueMs: number;
  /** Larger packets of the link vanish; in bytes, IPv4 and UDP included. */
  mtu: number;
  /** Ways on which nothing passes. */
  cut: Set<Way>;
  /** Where the server sees the client. */
  address: PeerAddress;
  /** Lets a test look at each datagram sent, and lose it by answering false. */
  tap: ((datagram: Uint8Array, way: Way, now: number) => boolean) | null;
}

interface NetworkOptions {
  readonly delaysMs: readonly number[];
  readonly x1?: boolean;
  /** Whether both sides know repair records; as `x1` unless told. */
  readonly repairs?: boolean;
  readonly seed?: number;
  readonly epochLimits?: EpochLimits;
  /** The client's choice, which the server follows unless it has its own. */
  readonly scheduler?: SchedulerName;
  readonly serverScheduler?: SchedulerName;
  readonly mtuCeiling?: number;
  readonly firstSequence?: number;
}

interface Delivery {
  readonly at: number;
  readonly datagram: Uint8Array;
  readonly way: Way;
  readonly link: Link;
  readonly from: PeerAddress;
}

/** Peers do not look at their timers more often than this, as engines do not. */
const TICK_MS = 1;
/** IPv4 and UDP. */
const LINK_HEADERS_BYTES = 28;

export class VirtualNetwork implements Disposable {
  now = 0;
  readonly suite = new RecordingSuite();
  readonly links: Link[];
  readonly client: Peer;
  readonly server: Peer;
  readonly random: () => number;
  #deliveries: Delivery[] = [];
  readonly #busyUntil = new WeakMap<Link, Record<Way, number>>();
  #tasks: { at: number; everyMs: number; run: (now: number) => void }[] = [];
  #nextTick = 0;

  constructor(options: NetworkOptions) {
    const { x1 = true, epochLimits, firstSequence, scheduler = "flow" } = options;
    const { serverScheduler = null, mtuCeiling = null, repairs } = options;
    this.random = randomNumbers(options.seed ?? 1);
    const { suite, random } = this;
    this.links = options.delaysMs.map((delayMs, index) => ({
      delayMs,
      jitterMs: 0,
      loss: 0,
      rate: Infinity,
      queueMs: 50,
      mtu: Infinity,
      cut: new Set<Way>(),
      address: clientAddress(index + 1, 4000 + index),
      tap: null,
    }));
    this.client = new Peer({
      ...{ role: "client", x1, suite, random, epochLimits, firstSequence, scheduler, mtuCeiling },
      repairs,
      send: (datagram, path) => this.#send(datagram, "up", this.links[path.socket]!),
    });
    this.server = new Peer({
      ...{ role: "server", x1, suite, random, epochLimits, firstSequence },
      repairs,
      scheduler: serverScheduler,
      send: (datagram, path) => {
        const link = this.links.find(({ address }) => address.equals(path.peer));
        if (link !== undefined) this.#send(datagram, "down", link);
      },
    });
    for (const index of this.links.keys()) this.addPath(index);
  }

  addPath(index: number, link = index): SessionPath {
    const path = { id: index, name: `link ${link}`, socket: link, peer: null };
    return this.client.addPath(path, this.now);
  }

  /** Calls `run` every so often from now on. Returns what stops it. */
  every(everyMs: number, run: (now: number) => void): () => void {
    const task = { at: this.now, everyMs, run };
    this.#tasks.push(task);
    return () => this.#tasks.splice(this.#tasks.indexOf(task), 1);
  }

  /** Lets so much time pass. */
  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = Math.min(
        this.#deliveries[0]?.at ?? Infinity,
        Math.max(this.#nextTick, this.#nextTimeout()),
        ...this.#tasks.map(({ at }) => at),
      );
      if (next > end) break;
      this.now = Math.max(this.now, next);
      this.#step();
    }
    this.now = end;
  }

  /** Hands a datagram to the server, as if it came from `from` just now. */
  inject(datagram: Uint8Array, from: PeerAddress) {
    return this.server.receive(datagram, 0, from, this.now);
  }

  [Symbol.dispose](): void {
    this.client.close(this.now);
    this.server.close(this.now);
  }

  #nextTimeout(): number {
    return Math.min(this.client.nextTimeout, this.server.nextTimeout);
  }

  #step(): void {
    const { now } = this;
    while (this.#deliveries.length > 0 && this.#deliveries[0]!.at <= now) {
      const { datagram, way, link, from } = this.#deliveries.shift()!;
      if (way === "up") this.server.receive(datagram, 0, from, now);
      else this.client.receive(datagram, this.links.indexOf(link), null, now);
    }
    for (const task of this.#tasks) {
      if (task.at > now) continue;
      task.at = now + task.everyMs;
      task.run(now);
    }
    if (now >= this.#nextTick) {
      this.#nextTick = now + TICK_MS;
      this.client.handleTimeout(now);
      this.server.handleTimeout(now);
    }
  }

  #send(datagram: Uint8Array, way: Way, link: Link): void {
    if (link.tap !== null && !link.tap(datagram, way, this.now)) return;
    if (link.cut.has(way) || this.random() < link.loss) return;
    const bytes = datagram.length + LINK_HEADERS_BYTES;
    if (bytes > link.mtu) return;
    const sentAt = this.#passBottleneck(bytes, way, link);
    if (sentAt === null) return;
    const at = sentAt + link.delayMs + this.random() * link.jitterMs;
    const from = new PeerAddress();
    from.copyFrom(link.address);
    const place = this.#deliveries.findLastIndex((other) => other.at <= at) + 1;
    this.#deliveries.splice(place, 0, { at, datagram, way, link, from });
  }

  /** When the last bit is on the link; null: the queue before it is full. */
  #passBottleneck(bytes: number, way: Way, link: Link): number | null {
    if (link.rate === Infinity) return this.now;
    const busyUntil = this.#busyUntil.get(link) ?? { up: 0, down: 0 };
    this.#busyUntil.set(link, busyUntil);
    const startsAt = Math.max(this.now, busyUntil[way]);
    if (startsAt - this.now > link.queueMs) return null;
    return busyUntil[way] = startsAt + 1000 * bytes / link.rate;
  }
}

/** 203.0.113.`host`, IPv4-mapped. */
export function clientAddress(host: number, port: number): PeerAddress {
  const address = new PeerAddress();
  address.a2 = 0xffff;
  address.a3 = (203 << 24) | (113 << 8) | host;
  address.port = port;
  return address;
}
