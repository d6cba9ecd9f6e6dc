/** One direction of a link on virtual time: a rate, a queue that drops its tail, delay, jitter, loss. */
import type { EventQueue } from "./event_queue.ts";

export interface LinkShape {
  /** Mbit/s. */
  readonly rate: number;
  /** Round trip of the empty link, ms; each direction has half of it. */
  readonly rtt: number;
  /** Delay varies by so much either way, ms; order is kept. */
  readonly jitter?: number;
  /** Share that gets lost. */
  readonly loss?: number;
  /** What the queue holds, in ms at the link's rate. */
  readonly queue?: number;
}

export class Link {
  /** Mbit/s; may be changed at any time. */
  rate: number;
  isCut = false;
  delivered = 0;
  dropped = 0;
  readonly #events: EventQueue;
  readonly #shape: LinkShape;
  readonly #random: () => number;
  #busyUntil = 0;
  #lastArrival = 0;

  constructor(events: EventQueue, shape: LinkShape, chance: () => number) {
    this.#events = events;
    this.#shape = shape;
    this.#random = chance;
    this.rate = shape.rate;
  }

  /** Takes `bytes`; `arrive` is called when they are there, if ever. */
  send(bytes: number, now: number, arrive: (now: number) => void): void {
    const { queue = 100, jitter = 0, loss = 0, rtt } = this.#shape;
    if (this.isCut || this.#busyUntil - now > queue) {
      this.dropped++;
      return;
    }
    this.#busyUntil = Math.max(now, this.#busyUntil) + bytes / (this.rate * 125);
    if (loss > 0 && this.#random() < loss) return;
    const variation = jitter > 0 ? jitter * (2 * this.#random() - 1) : 0;
    const at = Math.max(this.#busyUntil + rtt / 2 + variation, this.#lastArrival);
    this.#lastArrival = at;
    this.#events.at(at, (then) => {
      if (this.isCut) return;
      this.delivered += bytes;
      arrive(then);
    });
  }
}
