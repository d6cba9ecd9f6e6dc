import { UsageError } from "./exit.ts";

// No leading zero: Go reads 010 as octal, so the same command line would mean two things.
const DECIMAL = /^(?:0|[1-9]\d{0,14})$/;

/** Reads a plain decimal integer of at most 15 digits. Returns null when `text` is none. */
export function parseInteger(text: string): number | null {
  return DECIMAL.test(text) ? Number(text) : null;
}

/**
 * A parser for the option `flag` that accepts the integers `min` to `max`, and `also` where one
 * value outside the range has a meaning of its own. The parser throws UsageError.
 */
export function integerIn(
  flag: string,
  min: number,
  max: number,
  also?: number,
): (text: string) => number {
  const range = also === undefined ? `${min} to ${max}` : `${also} or ${min} to ${max}`;
  return (text) => {
    const value = parseInteger(text);
    if (value !== null && (value === also || (value >= min && value <= max))) return value;
    throw new UsageError(`${flag} must be ${range}, not '${text}'`);
  };
}
