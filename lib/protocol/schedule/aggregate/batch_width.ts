/**
 * What leaves together, in ms at the pace of its path: more while nearly all packets have to wait. Where
 * senders pace themselves, or what passes is sparse, packets find no queue, and larger batches would
 * delay them.
 */
import { BATCH_MS } from "../../path/pacer.ts";

const BATCH_QUEUED_MS = 1;
/** A packet that waited less found no queue; the share of those is averaged over so many packets. */
const QUEUED_MS = 1;
const UNQUEUED_GAIN = 1 / 128;
const UNQUEUED_SHARE = 0.1;

export class BatchWidth {
  #unqueuedShare = 1;

  /** Hot. A packet that waited for `waitedMs` has got a path. */
  placed(waitedMs: number): void {
    const isUnqueued = waitedMs < QUEUED_MS ? 1 : 0;
    this.#unqueuedShare += UNQUEUED_GAIN * (isUnqueued - this.#unqueuedShare);
  }

  /** Hot. */
  get ms(): number {
    return this.#unqueuedShare < UNQUEUED_SHARE ? BATCH_QUEUED_MS : BATCH_MS;
  }
}
