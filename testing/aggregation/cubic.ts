/** CUBIC (RFC 9438) with the delay test of HyStart, as Linux has it. */
import type { CongestionControl, RateSample } from "./congestion_control.ts";

const BETA = 0.7;
const C = 0.4;
const INITIAL = 10;
const WINDOW_MAX = 6000;

export class Cubic implements CongestionControl {
  window = INITIAL;
  readonly pacingRate = Infinity;
  #threshold = Infinity;
  #maximum = 0;
  #epochAt = -1;
  #origin = 0;
  #k = 0;
  #friendly = 0;
  #leastRtt = Infinity;
  #roundLeast = Infinity;
  #samples = 0;
  #isRecovering = false;

  acknowledged(sample: RateSample): void {
    if (sample.rtt !== null) this.#leastRtt = Math.min(this.#leastRtt, sample.rtt);
    if (this.#isRecovering) return;
    // Only a window that is used may grow.
    if (sample.inFlight + sample.delivered < this.window * 0.9) return;
    if (this.window < this.#threshold) {
      this.#slowStart(sample);
      this.window = Math.min(WINDOW_MAX, this.window + sample.delivered);
    } else this.#avoid(sample);
  }

  #slowStart(sample: RateSample): void {
    if (sample.isRoundStart) {
      this.#roundLeast = Infinity;
      this.#samples = 0;
    }
    if (sample.rtt === null || this.window < 16) return;
    this.#roundLeast = Math.min(this.#roundLeast, sample.rtt);
    const slack = Math.min(16, Math.max(4, this.#leastRtt / 8));
    if (++this.#samples >= 8 && this.#roundLeast > this.#leastRtt + slack) {
      this.#threshold = this.window;
    }
  }

  #avoid({ now, delivered }: RateSample): void {
    if (this.#epochAt === -1) {
      this.#epochAt = now;
      this.#k = this.window < this.#maximum ? Math.cbrt((this.#maximum - this.window) / C) : 0;
      this.#origin = Math.max(this.window, this.#maximum);
      this.#friendly = this.window;
    }
    const seconds = (now - this.#epochAt + this.#leastRtt) / 1000;
    const target = this.#origin + C * (seconds - this.#k) ** 3;
    const bounded = Math.min(target, this.window * 1.5);
    if (bounded > this.window) this.window += delivered * (bounded - this.window) / this.window;
    else this.window += delivered * 0.01 / this.window;
    // Linux: before the first loss, at least 5 % a round trip.
    if (this.#maximum === 0) this.window += delivered / 20;
    this.#friendly += delivered * 3 * (1 - BETA) / (1 + BETA) / this.window;
    this.window = Math.min(WINDOW_MAX, Math.max(this.window, this.#friendly));
  }

  lossBegins(): void {
    this.#isRecovering = true;
    this.#epochAt = -1;
    this.#maximum = this.window < this.#maximum ? this.window * (1 + BETA) / 2 : this.window;
    this.window = this.#threshold = Math.max(2, this.window * BETA);
  }

  lossEnds(): void {
    this.#isRecovering = false;
  }

  timedOut(): void {
    this.lossBegins();
    this.window = 1;
    this.#isRecovering = false;
  }
}
