/** The share of what was sent and did not arrive, over a sliding window of time. */

/** The window is so many buckets of a second. */
const BUCKETS = 5;
const BUCKET_MS = 1000;
/** With fewer in the window, nothing is said: one lost heartbeat is no loss rate. */
const SENT_MIN = 20;

export class LossWindow {
  readonly #sent = new Float64Array(BUCKETS);
  readonly #lost = new Float64Array(BUCKETS);
  #newest = -Infinity;

  /** `lost` may be negative: what was taken for lost has come late. */
  add(sent: number, lost: number, now: number): void {
    const bucket = this.#turnTo(now);
    this.#sent[bucket]! += sent;
    this.#lost[bucket]! += lost;
  }

  /** How many were lost. */
  lostCount(now: number): number {
    this.#turnTo(now);
    return Math.max(0, this.#lost.reduce((sum, each) => sum + each));
  }

  /** 0 to 1, or null when too little was sent to tell. */
  share(now: number): number | null {
    this.#turnTo(now);
    const sent = this.#sent.reduce((sum, each) => sum + each);
    return sent < SENT_MIN ? null : Math.min(1, this.lostCount(now) / sent);
  }

  reset(): void {
    this.#sent.fill(0);
    this.#lost.fill(0);
  }

  #turnTo(now: number): number {
    const present = Math.floor(now / BUCKET_MS);
    const passed = Math.min(BUCKETS, present - this.#newest);
    for (let back = 0; back < passed; back++) {
      this.#sent[(present - back) % BUCKETS] = this.#lost[(present - back) % BUCKETS] = 0;
    }
    if (present > this.#newest) this.#newest = present;
    return present % BUCKETS;
  }
}
