/**
 * The numbers that packets of spread flows bear. They belong to the session: the receiver takes what
 * is numbered anew for what it has had.
 */
import { STREAMS_MAX } from "../../wire/header.ts";

export class OrderNumbers {
  #order = 0;
  readonly #sequences = new Uint32Array(STREAMS_MAX);

  /** Hot. The next place in the one order of all packets. */
  nextOrder(): number {
    return this.#order = (this.#order + 1) >>> 0;
  }

  /** Hot. */
  nextSequence(stream: number): number {
    return this.#sequences[stream]!++;
  }
}
