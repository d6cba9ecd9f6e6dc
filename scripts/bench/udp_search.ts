/**
 * Looks for the largest packet rate that passes, in few trials. From the first rate it doubles or
 * halves until one rate has passed and one failed, then tries between them, until they are close
 * or the trials are used up. A rate has failed after `attemptsPerRate` trials: noise of the machine
 * makes a good rate fail, hardly a bad one pass.
 */

import type { UdpResult } from "./iperf.ts";

export interface UdpSearchLimits {
  trialsMax: number;
  attemptsPerRate: number;
}

/** A rate passes when less than this is lost. */
const LOSS_MAX = 0.01;
const FIRST_RATE = 30_000;
const RATE_MIN = 100;
/** Close enough: the passed and the failed rate differ by less than this factor. */
const RESOLUTION = 1.08;
/** A sender this much below the rate it was told is at its own limit. */
const SENDER_LIMIT = 0.9;

export class UdpSearch {
  #limits: UdpSearchLimits;
  #rate: number | null = FIRST_RATE;
  #trials = 0;
  #attempts = 0;
  #passed = 0;
  #failed = Infinity;
  #best: number | null = null;

  constructor(limits: UdpSearchLimits) {
    this.#limits = limits;
  }

  /** Packets a second to try next; null when the search is over. */
  get rate(): number | null {
    return this.#rate;
  }

  /** The largest rate, packets a second, that arrived with under 1 % lost; null when none did. */
  get best(): number | null {
    return this.#best;
  }

  /** Takes the outcome of a trial at `rate`. */
  report(result: UdpResult): void {
    const rate = this.#rate;
    if (rate === null) throw new Error("Cannot take a result: the search is over");
    this.#trials++;
    this.#attempts++;
    if (result.loss < LOSS_MAX) {
      this.#best = Math.max(this.#best ?? 0, result.receivedPerSecond);
      this.#passed = rate;
      if (result.sentPerSecond < rate * SENDER_LIMIT) this.#failed = rate;
    } else if (this.#attempts < this.#limits.attemptsPerRate) {
      if (this.#trials >= this.#limits.trialsMax) this.#rate = null;
      return;
    } else {
      this.#failed = rate;
    }
    this.#attempts = 0;
    this.#rate = this.#trials < this.#limits.trialsMax ? this.#nextRate() : null;
  }

  #nextRate(): number | null {
    if (this.#failed === Infinity) return this.#passed * 2;
    if (this.#passed === 0) return this.#failed / 2 < RATE_MIN ? null : this.#failed / 2;
    const close = this.#failed / this.#passed < RESOLUTION;
    return close ? null : Math.round(Math.sqrt(this.#passed * this.#failed));
  }
}
