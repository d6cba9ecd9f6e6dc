/**
 * Transfers over a virtual network that go as fast as they can: a window that doubles each round trip
 * until something is lost, then grows by a packet, and halves at a loss. Acknowledgements are not
 * sent over the tunnel: they reach the sender after a constant time.
 */
import type { Peer } from "./peer.ts";
import type { VirtualNetwork } from "../../testing/virtual_network.ts";

const TICK_MS = 1;
const ACK_DELAY_MS = 10;
const WINDOW_START = 10;
/** Packets that overtake another by more prove it lost. */
const REORDERING = 20;
const SILENT_MS = 400;

class Transfer {
  window = WINDOW_START;
  threshold = Infinity;
  next = 0;
  /** Packets sent and neither acknowledged nor lost. */
  readonly flying = new Set<number>();
  /** A loss of an earlier packet is one of a window that was halved already. */
  recover = -1;
  heardAt: number;

  constructor(readonly flow: number, now: number) {
    this.heardAt = now;
  }

  acknowledge(number: number, now: number): void {
    this.heardAt = now;
    if (!this.flying.delete(number)) return;
    this.window += this.window < this.threshold ? 1 : 1 / this.window;
    for (const other of this.flying) {
      if (other >= number - REORDERING) break;
      this.flying.delete(other);
      if (other > this.recover) this.#halve();
    }
  }

  lookAtClock(now: number): void {
    if (this.flying.size === 0 || now - this.heardAt < SILENT_MS) return;
    this.heardAt = now;
    this.flying.clear();
    this.#halve();
    this.window = 2;
  }

  #halve(): void {
    this.recover = this.next;
    this.threshold = Math.max(2, this.window / 2);
    this.window = this.threshold;
  }
}

export class Transfers {
  readonly #network: VirtualNetwork;
  readonly #from: Peer;
  readonly #to: Peer;
  readonly #transfers = new Map<number, Transfer>();
  readonly #acks: { at: number; flow: number; number: number }[] = [];
  #seen: number;
  #nextFlow = 1000;

  constructor(network: VirtualNetwork, from: Peer) {
    this.#network = network;
    this.#from = from;
    this.#to = from === network.client ? network.server : network.client;
    this.#seen = this.#to.received.length;
    network.every(TICK_MS, (now) => this.#tick(now));
  }

  /** Begins so many more. */
  begin(count: number): void {
    for (let each = 0; each < count; each++) {
      const flow = this.#nextFlow++;
      this.#transfers.set(flow, new Transfer(flow, this.#network.now));
    }
  }

  /** Ends all but `count`, the oldest of which go on. */
  endAllBut(count: number): void {
    for (const flow of [...this.#transfers.keys()].slice(count)) this.#transfers.delete(flow);
  }

  /** What arrived in the last `ms`, in bytes per second, by path. */
  rates(ms: number): number[] {
    const { now, links } = this.#network;
    const bytes = links.map(() => 0);
    const { received } = this.#to;
    for (let at = received.length - 1; at >= 0; at--) {
      const packet = received[at]!;
      if (packet.at <= now - ms) break;
      bytes[packet.path]! += this.#from.packetBytes;
    }
    return bytes.map((each) => 1000 * each / ms);
  }

  /** The share of the rates of all links together that arrived in the last `ms`. */
  share(ms: number): number {
    const sum = (values: number[]) => values.reduce((total, each) => total + each, 0);
    return sum(this.rates(ms)) / sum(this.#network.links.map(({ rate }) => rate));
  }

  #tick(now: number): void {
    const { received } = this.#to;
    for (; this.#seen < received.length; this.#seen++) {
      const { flow, number } = received[this.#seen]!;
      this.#acks.push({ at: now + ACK_DELAY_MS, flow, number });
    }
    while (this.#acks.length > 0 && this.#acks[0]!.at <= now) {
      const { flow, number } = this.#acks.shift()!;
      this.#transfers.get(flow)?.acknowledge(number, now);
    }
    for (const transfer of this.#transfers.values()) {
      transfer.lookAtClock(now);
      while (transfer.flying.size < transfer.window) {
        const number = transfer.next++;
        transfer.flying.add(number);
        this.#from.sendPacket({ flow: transfer.flow, number }, now);
      }
    }
  }
}
