/**
 * How finely the past is kept: the last hours in steps of ten seconds, the last days in steps of two
 * minutes, the last year in steps of an hour. What is recorded goes into a bucket of each at once, so
 * thinning is nothing but forgetting the fine ones first.
 */

interface Resolution {
  /** What it is for, as a person asks for it. */
  readonly range: "hour" | "day" | "month";
  readonly bucketSeconds: number;
  /** Buckets that began longer ago are forgotten. */
  readonly keepSeconds: number;
  /** How far back `range` looks. */
  readonly showSeconds: number;
}

const HOUR = 3600;
const DAY = 24 * HOUR;

export const RESOLUTIONS: readonly Resolution[] = [
  { range: "hour", bucketSeconds: 10, keepSeconds: 2 * HOUR, showSeconds: HOUR },
  { range: "day", bucketSeconds: 120, keepSeconds: 2 * DAY, showSeconds: DAY },
  { range: "month", bucketSeconds: HOUR, keepSeconds: 400 * DAY, showSeconds: 31 * DAY },
];

/** The beginning of the bucket that `seconds` is in. */
export function bucketOf(seconds: number, { bucketSeconds }: Resolution): number {
  return Math.floor(seconds / bucketSeconds) * bucketSeconds;
}

/** Buckets that begin before it are forgotten at `nowSeconds`. */
export function forgottenBefore(nowSeconds: number, resolution: Resolution): number {
  return bucketOf(nowSeconds - resolution.keepSeconds, resolution);
}

/** `2026-03`, in the time zone of this machine, as data plans are counted. */
export function monthOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}`;
}
