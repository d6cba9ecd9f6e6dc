/**
 * What the emulator understands: its configuration, one JSON argument, and requests, one JSON object
 * per line on standard input. Each request is answered by one line on standard output.
 *
 *     {"link":"fiber","direction":"down","rateMbit":5,"delayMs":40}   -> {"changed":"fiber"}
 *     {"link":"fiber","cut":true}                                     -> {"changed":"fiber"}
 *     {"link":"fiber","mtuBytes":1400}                                -> {"changed":"fiber"}
 *     {"statistics":true}                                             -> {"statistics":{...}}
 *     anything else                                                   -> {"error":"..."}
 */

import * as v from "valibot";
import type { DirectionCounters, DirectionSettings } from "./link_model.ts";

const LINKS_MAX = 64;

const settingsEntries = {
  rateMbit: v.pipe(v.number(), v.minValue(0.01), v.maxValue(100_000)),
  delayMs: v.pipe(v.number(), v.minValue(0), v.maxValue(10_000)),
  jitterMs: v.pipe(v.number(), v.minValue(0), v.maxValue(10_000)),
  lossRate: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
  duplicateRate: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
  queueMs: v.pipe(v.number(), v.minValue(0), v.maxValue(60_000)),
  queueBytes: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(0))),
  mtuBytes: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(0))),
  reorder: v.boolean(),
  cut: v.boolean(),
};

const settingsSchema = v.partial(v.strictObject(settingsEntries));

const linkName = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,12}$/));

const configurationSchema = v.strictObject({
  seed: v.optional(v.pipe(v.number(), v.integer()), 1),
  links: v.pipe(
    v.array(v.strictObject({
      name: linkName,
      up: v.optional(settingsSchema, {}),
      down: v.optional(settingsSchema, {}),
    })),
    v.minLength(1),
    v.maxLength(LINKS_MAX),
    v.check(
      (links) => new Set(links.map(({ name }) => name)).size === links.length,
      "two links have the same name",
    ),
  ),
});

const directionSchema = v.picklist(["up", "down", "both"]);

const changeSchema = v.strictObject({
  ...v.partial(v.strictObject(settingsEntries)).entries,
  link: linkName,
  direction: v.optional(directionSchema, "both"),
});

const statisticsSchema = v.strictObject({ statistics: v.literal(true) });

export type Direction = v.InferOutput<typeof directionSchema>;
export type Configuration = v.InferOutput<typeof configurationSchema>;
export type ConfigurationInput = v.InferInput<typeof configurationSchema>;

export type Request =
  | { kind: "statistics" }
  | { kind: "change"; link: string; direction: Direction; settings: Partial<DirectionSettings> };

export interface DirectionStatistics extends DirectionCounters {
  /** Frames the receiving end did not take, because its device was down. */
  refusedFrames: number;
  queuedBytes: number;
  settings: DirectionSettings;
}

export type Statistics = Record<string, { up: DirectionStatistics; down: DirectionStatistics }>;

export type Reply = { changed: string } | { statistics: Statistics } | { error: string };

/** The two TAP devices of a link as the emulator makes them; "a" is the end that sends "up". */
export function tapNames(link: string): { a: string; b: string } {
  return { a: `${link}-a`, b: `${link}-b` };
}

/** Throws an Error that names the wrong part. */
export function parseConfiguration(json: string): Configuration {
  return parse(configurationSchema, parseJson(json), "configuration");
}

/** Throws an Error that names the wrong part. */
export function parseRequest(line: string): Request {
  const value = parseJson(line);
  if (v.is(statisticsSchema, value)) return { kind: "statistics" };
  const { link, direction, ...settings } = parse(changeSchema, value, "request");
  return { kind: "change", link, direction, settings };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("Cannot read the request: it is not JSON");
  }
}

function parse<Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
  what: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const where = v.getDotPath(issue) ?? "as a whole";
  throw new Error(`Cannot read the ${what} (${where}): ${issue.message}`);
}
