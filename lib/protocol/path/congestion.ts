/** Detects queues and black holes from the delay and the loss of records. Pure. */

/** A least queueing delay above this, and twice the jitter, is a queue that does not drain. */
const QUEUED_MS = 5;
const QUEUED_JITTERS = 2;
/** So many records lost at once, and this share of all, may be all that were large. */
const LOST_MIN = 3;
const VANISHING_SHARE = 0.3;

/** Whether records waited for others all the time. */
export function isQueueFilled(queueDelayMs: number, jitterMs: number): boolean {
  return queueDelayMs >= Math.max(QUEUED_MS, QUEUED_JITTERS * jitterMs);
}

/** Whether so much of what was sent is lost that it may be all above some size. */
export function areVanishing(sent: number, lost: number): boolean {
  return lost >= LOST_MIN && lost > sent * VANISHING_SHARE;
}
