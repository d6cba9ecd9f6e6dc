/** Two tunnel peers over links on virtual time, transfers inside, and what came of them. */
import { Bbr } from "./bbr.ts";
import { Cubic } from "./cubic.ts";
import { EventQueue } from "./event_queue.ts";
import { randomNumbers } from "../random_numbers.ts";
import { Link, type LinkShape } from "./link.ts";
import { PAYLOAD_BYTES, TcpFlow } from "./tcp_flow.ts";
import { RecordBook } from "./repair_model.ts";
import { type InnerPacket, OVERHEAD, TunnelPeer } from "./tunnel_peer.ts";

export type ControlName = "cubic" | "bbr";

/** A link, and its other direction where that differs. */
export interface LabLink extends LinkShape {
  readonly up?: LinkShape;
  /** Mbit/s that the link is known to carry at the start; else nothing is. */
  readonly known?: number;
}

interface LabOptions {
  readonly links: readonly LabLink[];
  readonly seed?: number;
  /** Whether the peers use repair records; they do unless told. */
  readonly repairs?: boolean;
}

/** Mbit/s of payload in bytes a ms of the wire. */
function onWire(mbit: number): number {
  return mbit * 125;
}

export class Lab {
  readonly events = new EventQueue();
  readonly client: TunnelPeer;
  readonly server: TunnelPeer;
  readonly down: Link[] = [];
  readonly up: Link[] = [];
  readonly flows: TcpFlow[] = [];
  readonly pings: number[] = [];
  pingsSent = 0;
  #hashes = 1;

  constructor({ links, seed = 1, repairs = true }: LabOptions) {
    const book = repairs ? new RecordBook<InnerPacket>() : null;
    this.client = new TunnelPeer(this.events, book);
    this.server = new TunnelPeer(this.events, book);
    this.client.connect(this.server);
    this.server.connect(this.client);
    for (const [id, shape] of links.entries()) {
      const down = new Link(this.events, shape, randomNumbers(seed * 1000 + id));
      const up = new Link(this.events, shape.up ?? shape, randomNumbers(seed * 1000 + 500 + id));
      this.down.push(down);
      this.up.push(up);
      const rate = shape.known === undefined ? {} : { rate: onWire(shape.known) };
      this.server.addPath({ id, ...rate }, down);
      this.client.addPath({ id, ...rate }, up);
    }
    this.client.pump(0);
    this.server.pump(0);
  }

  addFlow(control: ControlName, direction: "down" | "up" = "down", at = 500): TcpFlow {
    const [from, to] = direction === "down"
      ? [this.server, this.client]
      : [this.client, this.server];
    const algorithm = control === "cubic" ? new Cubic() : new Bbr();
    const hash = Math.imul(this.#hashes++, 0x9e3779b1);
    const flow = new TcpFlow(this.events, from, to, algorithm, hash);
    flow.start(at + this.flows.length * 7);
    this.flows.push(flow);
    return flow;
  }

  /** Pings from the client, ten a second. */
  ping(from: number, to: number): void {
    for (let at = from; at < to; at += 100) {
      this.events.at(at, (now) => {
        this.pingsSent++;
        const bytes = 84;
        const hash = 77;
        this.client.send({
          ...{ bytes, hash, traffic: "interactive" },
          deliver: (there) =>
            this.server.send({
              ...{ bytes, hash, traffic: "interactive" },
              deliver: (back) => this.pings.push(back - now),
            }, there),
        }, now);
      });
    }
  }

  /** UDP of one pace from the server. Counts what is lost and what is out of order. */
  udp(mbit: number, from: number, to: number): UdpCount {
    const count: UdpCount = { sent: 0, received: 0, reordered: 0, delays: [] };
    const bytes = 1300;
    let highest = -1;
    const step = (now: number) => {
      if (now >= to) return;
      const number = count.sent++;
      this.server.send({
        ...{ bytes, hash: 4242, traffic: "bulk" },
        deliver: (then) => {
          count.received++;
          count.delays.push(then - now);
          if (number < highest) count.reordered++;
          else highest = number;
        },
      }, now);
      this.events.at(now + bytes / (mbit * 125), step);
    };
    this.events.at(from, step);
    return count;
  }

  /** Mbit/s of each flow between `from` and `to`, ms; runs until `to`. */
  measure(from: number, to: number): number[] {
    this.events.run(from);
    const before = this.flows.map(({ goodput }) => goodput);
    this.events.run(to);
    return this.flows.map(({ goodput }, index) => (goodput - before[index]!) / 125 / (to - from));
  }
}

interface UdpCount {
  sent: number;
  received: number;
  reordered: number;
  /** Of those that arrived, ms. */
  readonly delays: number[];
}

/** The most payload that a link of `mbit` carries for TCP in the tunnel, Mbit/s. */
export function payloadOf(mbit: number): number {
  return mbit * PAYLOAD_BYTES / (PAYLOAD_BYTES + 52 + OVERHEAD);
}
