/**
 * Says whether compressing leaves the processor enough time for everything else, so that the links,
 * and not the processor, are the limit.
 *
 * What compressing costs is measured, and averaged over a second: slow start may be fast for a
 * moment, and compressed packets leave a slow link faster than plain ones. The gate closes when more
 * than 0.7 of a second went into compressing. While it is closed the cost of a packet is known from
 * before, so it opens when the packets of the last second would have taken less than 0.5.
 */

const WINDOW_MS = 100;
const WINDOWS = 10;
const SPAN_MS = WINDOW_MS * WINDOWS;
const CLOSING_SHARE = 0.7;
const OPENING_SHARE = 0.5;

export class ProcessorGate {
  /** Of each window of the last second, the one that counts now at `#window`. */
  readonly #packets = new Float64Array(WINDOWS);
  readonly #costMs = new Float64Array(WINDOWS);
  #window = 0;
  #windowStart = -Infinity;
  #isOpen = true;
  /** What a packet that was counted cost on average, before the gate closed. */
  #costPerPacketMs = 0;

  /** Hot. Counts a packet at `now` (ms, never less than before). True while open. */
  count(now: number): boolean {
    if (now - this.#windowStart >= WINDOW_MS) this.#beginWindow(now);
    this.#packets[this.#window]!++;
    return this.#isOpen;
  }

  /** Hot. Compressing the packet counted last took so long. */
  noteCost(costMs: number): void {
    this.#costMs[this.#window]! += costMs;
  }

  #beginWindow(now: number): void {
    const passed = Math.min(Math.floor((now - this.#windowStart) / WINDOW_MS), WINDOWS);
    this.#judge();
    for (let i = 0; i < passed; i++) {
      this.#window = (this.#window + 1) % WINDOWS;
      this.#packets[this.#window] = this.#costMs[this.#window] = 0;
    }
    // Windows in which nothing was sent lie between the last one and this.
    if (passed > 1) this.#judge();
    this.#windowStart = passed === WINDOWS ? now : this.#windowStart + passed * WINDOW_MS;
  }

  #judge(): void {
    const packets = sum(this.#packets);
    if (this.#isOpen) {
      const costMs = sum(this.#costMs);
      if (costMs <= CLOSING_SHARE * SPAN_MS) return;
      this.#costPerPacketMs = costMs / packets;
      this.#isOpen = false;
    } else if (packets * this.#costPerPacketMs < OPENING_SHARE * SPAN_MS) {
      this.#isOpen = true;
      // The cost before the gate closed does not predict the cost after.
      this.#costMs.fill(0);
    }
  }
}

function sum(values: Float64Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}
