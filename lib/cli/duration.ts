import { UsageError } from "./exit.ts";

const UNIT_MS = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  "μs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
} as const;
const DURATION = /^\+?(?:(?:\d{1,19}(?:\.\d{0,19})?|\.\d{1,19})(?:ns|us|µs|μs|ms|s|m|h))+$/;
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
/** Longer than any duration a person means; it bounds the work of a hostile argument. */
const TEXT_LENGTH_MAX = 40;

/**
 * Reads a duration as Go does: `50ms`, `1.5s`, `2m`, `1h`, `1m30s`, `500us`, `.5s`, or `0`.
 * Returns milliseconds, or null when `text` is none (a number needs a unit, except 0).
 */
export function parseDurationMs(text: string): number | null {
  if (text === "0") return 0;
  if (text.length > TEXT_LENGTH_MAX || !DURATION.test(text)) return null;
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(PART)) {
    totalMs += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  return totalMs;
}

/** The shortest exact spelling in one unit: `50ms`, `10s`, `2m`, `0`. */
export function formatDurationMs(durationMs: number): string {
  if (durationMs === 0) return "0";
  for (const unit of ["h", "m", "s"] as const) {
    if (durationMs % UNIT_MS[unit] === 0) return `${durationMs / UNIT_MS[unit]}${unit}`;
  }
  return `${durationMs}ms`;
}

/**
 * A parser for the option `flag` that accepts durations from `minMs` to `maxMs` and returns
 * milliseconds. The parser throws UsageError.
 */
export function durationMsIn(flag: string, minMs: number, maxMs: number): (text: string) => number {
  return (text) => {
    const durationMs = parseDurationMs(text);
    if (durationMs === null) {
      throw new UsageError(`${flag} must be a duration such as 50ms, 1s or 2m, not '${text}'`);
    }
    if (durationMs < minMs || durationMs > maxMs) {
      const range = `${formatDurationMs(minMs)} to ${formatDurationMs(maxMs)}`;
      throw new UsageError(`${flag} must be ${range}, not '${text}'`);
    }
    return durationMs;
  };
}
