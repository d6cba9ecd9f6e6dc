const BACKOFF_FIRST_MS = 1000;
/** How much of a wait jitter may take off: clients that lost a server together come back apart. */
const BACKOFF_JITTER_SHARE = 0.25;

/**
 * Says how long to wait before the next attempt, in milliseconds: 1 s after the first failure, doubled
 * after each one that follows, up to `maxMs`, less up to a quarter of it as `jitter` (0 to 1) says.
 *
 * Throws RangeError when `failures` is not a whole number of at least 1 or `jitter` is out of range.
 */
export function backoffMs(failures: number, jitter: number, maxMs: number): number {
  if (!Number.isInteger(failures) || failures < 1) {
    throw new RangeError(`Cannot wait after ${failures} failures: give a whole number from 1`);
  }
  if (!(jitter >= 0 && jitter <= 1)) {
    throw new RangeError(`Cannot use ${jitter} as jitter: give a number from 0 to 1`);
  }
  const fullMs = Math.min(maxMs, BACKOFF_FIRST_MS * 2 ** (failures - 1));
  return fullMs * (1 - BACKOFF_JITTER_SHARE * jitter);
}
