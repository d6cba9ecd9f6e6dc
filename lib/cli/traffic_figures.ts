/** Rates and monthly volumes as people write them: 50mbit/10mbit, 20GB/month. */
import { PATH_RATE_MAX, PATH_RATE_MIN } from "../protocol/wire/path_rule.ts";
import { UsageError } from "./exit.ts";

/** Bytes a second, to the client and from it. */
export interface DownUp {
  readonly down: number;
  readonly up: number;
}

const BITS = new Map([["kbit", 1e3], ["mbit", 1e6], ["gbit", 1e9]]);
const BYTES = new Map([["MB", 1e6], ["GB", 1e9], ["TB", 1e12]]);
/** Bytes. */
export const VOLUME_MIN = 1e6;
export const VOLUME_MAX = 1e15;
const RATE = /^(\d{1,9}(?:\.\d{1,3})?)(kbit|mbit|gbit)?$/i;
const VOLUME = /^(\d{1,9}(?:\.\d{1,3})?)(MB|GB|TB)(?:\/month)?$/i;

/**
 * `50/10mbit`, down/up, or `20mbit` for both.
 * @param what as in `-rate fiber`
 * @param form how it is to be written.
 * @throws UsageError
 */
export function parseDownUp(what: string, text: string, form: string): DownUp {
  const figures = text.split("/");
  const [down = "", up = down] = figures;
  const unit = RATE.exec(up)?.[2] ?? RATE.exec(down)?.[2];
  if (figures.length > 2 || unit === undefined) {
    throw new UsageError(`${what} must be ${form}, not '${text}'`);
  }
  const read = (figure: string) => bytesPerSecond(what, figure, unit, form);
  return { down: read(down), up: read(up) };
}

function bytesPerSecond(what: string, figure: string, unitOfBoth: string, form: string): number {
  const [, number, unit = unitOfBoth] = RATE.exec(figure) ?? [];
  if (number === undefined) throw new UsageError(`${what} must be ${form}, not '${figure}'`);
  const rate = Number(number) * BITS.get(unit.toLowerCase())! / 8;
  if (rate >= PATH_RATE_MIN && rate <= PATH_RATE_MAX) return rate;
  throw new UsageError(`${what} must be 100kbit to 100gbit, not '${figure}'`);
}

/**
 * `20GB/month`, in bytes.
 * @param what as in `-link lte: cap`
 * @throws UsageError
 */
export function parseVolume(what: string, text: string): number {
  const [, number, unit] = VOLUME.exec(text) ?? [];
  if (number === undefined) {
    throw new UsageError(`${what} must be as in 20GB/month, with MB, GB or TB, not '${text}'`);
  }
  const bytes = Number(number) * BYTES.get(unit!.toUpperCase())!;
  if (bytes >= VOLUME_MIN && bytes <= VOLUME_MAX) return bytes;
  throw new UsageError(`${what} must be 1MB to 1000TB, not '${text}'`);
}
