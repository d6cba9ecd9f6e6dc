/**
 * How long to let packets collect before the next turn. In a slow stream, the wake-up for each packet
 * costs more than the packet. So once packets arrive fast and few at a time, each turn is followed by
 * half a millisecond in which they collect, as with interrupt moderation (NAPI), and up to a whole one
 * while others are held back anyway. Single packets, packets after a rest, and turns that are long or
 * bring much, or leave something behind, do not wait. Nor does a turn that brings little amid much, such
 * as one of acknowledgements: a fast flow has only a few hundred KiB on their way into the TUN device
 * (TCP small queues of Linux) and stands still while nobody takes them.
 */

/** Between the end of a turn and the next one; a turn that takes as long is not followed by it. */
export const COLLECT_MS = 0.5;
/** The same while packets are held back: what comes would wait behind them. */
export const COLLECT_HELD_MS = 1;
/** Packets come fast when so many waits in a row were no longer than this. */
const FAST_WAITS = 8;
const FAST_WAIT_MS = 1;
/** A turn that brings more needs no collecting: 64 KiB in half a millisecond are a Gbit/s. */
const FEW_BYTES = 32 * 1024;
/** What comes is summed up over so long; 1 MiB in it are two Gbit/s. */
const RATE_WINDOW_MS = 4;
const MUCH_BYTES = 1024 * 1024;

export class WakeModeration {
  #fastWaits = 0;
  #startedAt = -Infinity;
  #bytes = 0;
  #windowStartedAt = -Infinity;
  #windowBytes = 0;
  /** Whether much came in the window before, or has come in this one. */
  #isMuch = false;
  #isMoreLeft = false;

  /** Hot. A wait of `waitedMs` has ended at `now` because something came; a turn begins. */
  turnStarted(waitedMs: number, now: number): void {
    this.#fastWaits = waitedMs > FAST_WAIT_MS ? 0 : Math.min(this.#fastWaits + 1, FAST_WAITS);
    this.#startedAt = now;
    this.#bytes = 0;
    this.#isMoreLeft = false;
    if (now - this.#windowStartedAt < RATE_WINDOW_MS) return;
    this.#isMuch = this.#windowBytes >= MUCH_BYTES &&
      now - this.#windowStartedAt < 2 * RATE_WINDOW_MS;
    this.#windowStartedAt = now;
    this.#windowBytes = 0;
  }

  /** Hot. The turn has moved so much. */
  moved(bytes: number): void {
    this.#bytes += bytes;
    this.#windowBytes += bytes;
    if (this.#windowBytes >= MUCH_BYTES) this.#isMuch = true;
  }

  /**
   * Hot. The turn has ended before all that waits was taken. Many small records are few bytes: whoever
   * paused after each turn's worth of them would take no more than that in each half millisecond.
   */
  leftMore(): void {
    this.#isMoreLeft = true;
  }

  /**
   * Hot. For how long after `now` nothing should be looked at; 0: at once.
   * @param isHolding whether packets are held back that leave shortly.
   */
  pauseMs(now: number, isHolding = false): number {
    if (this.#isMoreLeft || this.#fastWaits < FAST_WAITS) return 0;
    if (this.#bytes > FEW_BYTES || this.#isMuch) return 0;
    const pauseMs = isHolding ? COLLECT_HELD_MS : COLLECT_MS;
    return now - this.#startedAt < pauseMs ? pauseMs : 0;
  }
}
