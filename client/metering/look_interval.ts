/** How soon the volume of metered links is looked at again, so that none goes far beyond its cap. */

export const LOOK_MS_MAX = 2000;
/** Each look runs `ip` once, which takes some milliseconds of processor time. */
export const LOOK_MS_MIN = 200;
/** A link that rests may begin to carry so much at any moment: 200 Mbit/s. */
export const BYTES_PER_SECOND_MIN = 25_000_000;

interface CappedLink {
  /** Below its cap; 0 or less when that is reached. */
  readonly leftBytes: number;
  /** What it has carried of late. */
  readonly bytesPerSecond: number;
}

/** Half the time in which the first of them would be at its cap. In milliseconds. */
export function lookIntervalMs(links: readonly CappedLink[]): number {
  const times = links.filter(({ leftBytes }) => leftBytes > 0).map((
    { leftBytes, bytesPerSecond },
  ) => 1000 * leftBytes / (2 * Math.max(bytesPerSecond, BYTES_PER_SECOND_MIN)));
  return Math.max(LOOK_MS_MIN, Math.min(LOOK_MS_MAX, ...times));
}
