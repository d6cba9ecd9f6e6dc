/**
 * The receiver's one reorder domain of a v1 session: at most 128 packets wait, none longer than
 * 50 ms. Sequences wrap at 2^32 and pass 0 over.
 */
export const QUEUE_PACKETS_MAX = 128;
export const QUEUE_TIMEOUT_MS = 50;

const MODULUS = 2 ** 32;

interface Waiting {
  sequence: number;
  /** Null: the sequence was spent on something that is no packet. */
  packet: Uint8Array | null;
  since: number;
}

export class ReorderQueue {
  /** Gaps given up. */
  flushes = 0;
  /** Came after its place had been passed, or twice. */
  late = 0;
  #next: number;
  #waiting: Waiting[] = [];

  constructor(first = 1) {
    this.#next = first;
  }

  push(sequence: number, packet: Uint8Array | null, now: number): void {
    const isOld = this.#distance(sequence) >= MODULUS / 2;
    if (isOld || this.#waiting.some((other) => other.sequence === sequence)) this.late++;
    else this.#waiting.push({ sequence, packet, since: now });
  }

  /** The packets whose turn it is. */
  take(now: number): Uint8Array[] {
    const due: Uint8Array[] = [];
    this.#waiting.sort((a, b) => this.#distance(a.sequence) - this.#distance(b.sequence));
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      if (first.sequence !== this.#next) {
        const isStale = this.#waiting.some(({ since }) => now - since >= QUEUE_TIMEOUT_MS);
        if (!isStale && this.#waiting.length <= QUEUE_PACKETS_MAX) break;
        this.flushes++;
      }
      this.#waiting.shift();
      this.#next = nextSequence(first.sequence);
      if (first.packet !== null) due.push(first.packet);
    }
    return due;
  }

  #distance(sequence: number): number {
    return (sequence - this.#next + MODULUS) % MODULUS;
  }
}

/** The number after `sequence`: 1 follows on 2^32 - 1. */
export function nextSequence(sequence: number): number {
  return sequence === MODULUS - 1 ? 1 : sequence + 1;
}
