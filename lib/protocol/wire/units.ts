/** The wire tells times in microseconds (send time, hold time); everything inside is milliseconds. */
export const US_PER_MS = 1000;
/** Heartbeats tell nanoseconds, as v1 does. */
export const NS_PER_MS = 1_000_000;
