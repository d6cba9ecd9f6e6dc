/** The wire tells times in microseconds (send time, hold time); everything inside is milliseconds. */
export const US_PER_MS = 1000;
