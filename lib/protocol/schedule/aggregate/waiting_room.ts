/** How many bytes may wait for paths; what drops when more do is `queue_limit.ts`. */

/**
 * What may wait for a path, beyond what makes up for different delays: much for one flow, so that it
 * fills the paths when it has halved its window; flows together fill each other's gaps.
 */
const QUEUE_MS = 70;
const QUEUE_MS_MIN = 25;
/** More of it would fill the store of packets where paths carry much. */
const QUEUE_BYTES_MAX = 2_000_000;
const QUEUE_LAG_SHARE = 0.4;
/** What may wait for a moment beyond that: acknowledgements come in bursts when a gap is closed. */
const BURST_MS = 100;
/** When paths carry less, more than that may wait, by this factor: they may soon carry more. */
const STANDING_FORGET_MS = 10_000;
const STANDING_RATE_MAX = 1.8;
const QUEUE_BYTES_MIN = 30_000;

export class WaitingRoom {
  /** What may always wait, and what may for a moment, in bytes. */
  standing = QUEUE_BYTES_MIN;
  burst = QUEUE_BYTES_MIN;
  #rate = 0;
  #updatedAt = 0;

  /**
   * Hot.
   * @param rate bytes a ms that all paths carry.
   * @param flows that have something waiting.
   * @param spreadMs delay that makes up for different paths.
   * @param grace bytes that may wait because a path is gone.
   */
  update(rate: number, flows: number, spreadMs: number, grace: number, now: number): void {
    const forgotten = (now - this.#updatedAt) / STANDING_FORGET_MS;
    this.#updatedAt = now;
    this.#rate = Math.max(rate, this.#rate * (1 - forgotten));
    const counted = Math.min(this.#rate, STANDING_RATE_MAX * rate);
    const waiting = Math.max(
      counted * QUEUE_MS_MIN,
      Math.min(counted * QUEUE_MS / flows, QUEUE_BYTES_MAX),
    );
    const lagging = counted * QUEUE_LAG_SHARE * spreadMs;
    this.standing = Math.max(QUEUE_BYTES_MIN, waiting + lagging, grace);
    this.burst = this.standing + this.#rate * BURST_MS;
  }
}
