/** The forms of what is kept of volumes, in the store and on disk. */
import * as v from "valibot";

/** As in `2026-11`. */
export const Month = v.pipe(v.string(), v.regex(/^\d{4}-(0[1-9]|1[0-2])$/));
export const Bytes = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(0),
  v.maxValue(Number.MAX_SAFE_INTEGER),
);
/** Of a server, or a run of one. */
export const ServerId = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
