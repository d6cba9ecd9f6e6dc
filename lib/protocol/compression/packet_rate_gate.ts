/**
 * Says whether few enough packets are sent that the links, and not the processor, are the limit.
 *
 * Open at first. Closes within the window in which the packets of a rate of 10,000 a second have
 * been counted, and opens when the rate has been below 4000 a second for a while. That while is one
 * second, and doubles up to 32 each time the gate has to close again soon: compressed packets leave
 * a slow link faster, which alone can close it.
 */

const WINDOW_MS = 100;
/** Packets of a window that close the gate: 10,000 a second. */
const CLOSING_PACKETS = 1000;
/** A window of fewer is quiet: 4000 a second. */
const QUIET_PACKETS = 400;
const HOLD_WINDOWS_MIN = 10;
const HOLD_WINDOWS_MAX = 320;
/** A gate that was open for fewer is about to flap. */
const STEADY_WINDOWS = 100;

export class PacketRateGate {
  #windowStart = -Infinity;
  #packets = 0;
  #isOpen = true;
  /** How long it has been open, in whole windows; while closed, how long it has been quiet. */
  #windows = 0;
  #holdWindows = HOLD_WINDOWS_MIN;

  /** Hot. Counts a packet sent at `now` (ms, never less than before). True while open. */
  count(now: number): boolean {
    if (now - this.#windowStart >= WINDOW_MS) this.#beginWindow(now);
    this.#packets++;
    if (this.#isOpen && this.#packets >= CLOSING_PACKETS) this.#close();
    return this.#isOpen;
  }

  #beginWindow(now: number): void {
    const passed = Math.floor((now - this.#windowStart) / WINDOW_MS);
    const wasQuiet = this.#packets < QUIET_PACKETS;
    // Windows in which nothing was sent lie between the last one and this.
    this.#windows = this.#isOpen || wasQuiet ? this.#windows + passed : passed - 1;
    if (!this.#isOpen && this.#windows >= this.#holdWindows) {
      this.#isOpen = true;
      this.#windows = 0;
    }
    this.#windowStart = passed === Infinity ? now : this.#windowStart + passed * WINDOW_MS;
    this.#packets = 0;
  }

  #close(): void {
    this.#holdWindows = this.#windows >= STEADY_WINDOWS
      ? HOLD_WINDOWS_MIN
      : Math.min(2 * this.#holdWindows, HOLD_WINDOWS_MAX);
    this.#isOpen = false;
    this.#windows = 0;
  }
}
