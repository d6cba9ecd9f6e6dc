/**
 * How much of what calls itself interactive goes before everything else: a flow that sends more than
 * {@link BYTES_MAX} a second is bulk for the rest of it, whatever it says.
 */
import { FLOWS } from "./fair_queue.ts";

export const BYTES_MAX = 32_768;
const WINDOW_MS = 1000;

export class InteractiveAllowance {
  readonly #bytes = new Uint32Array(FLOWS);
  readonly #since = new Float64Array(FLOWS).fill(-Infinity);

  /** Hot. Whether `bytes` of the flow may go first. */
  take(flow: number, bytes: number, now: number): boolean {
    if (now - this.#since[flow]! >= WINDOW_MS) {
      this.#since[flow] = now;
      this.#bytes[flow] = 0;
    }
    if (this.#bytes[flow]! + bytes > BYTES_MAX) return false;
    this.#bytes[flow]! += bytes;
    return true;
  }
}
