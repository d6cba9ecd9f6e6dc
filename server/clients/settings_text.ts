/**
 * The settings of a client as text, one JSON object with what is prescribed and nothing else:
 *
 *   {"rate":{"down":6250000,"up":1250000},"quotaBytes":100000000000,"address":"10.8.0.77"}
 */
import { isIPv4 } from "node:net";
import * as v from "valibot";
import { VOLUME_MAX, VOLUME_MIN } from "../../lib/cli/traffic_figures.ts";
import { isCanonicalPrefix, prefixesOverlap } from "../../lib/host/links/address.ts";
import { PATH_RATE_MAX, PATH_RATE_MIN } from "../../lib/protocol/wire/path_rule.ts";
import { type ClientSettings, encodedFields, NO_SETTINGS } from "./client_settings.ts";

/** Looked through for each packet of the client, and one entry of a table each. */
export const REACH_MAX = 64;
/** Of one client: each is a route of the machine's. */
export const ROUTES_MAX = 16;

/** Loopback, link-local, multicast, broadcast: no network behind a client has any of these. */
const NOBODYS = [
  ...["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"],
  ...["::/96", "::ffff:0:0/96", "fe80::/10", "ff00::/8"],
];

const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;

const rate = v.pipe(
  v.number(),
  v.minValue(PATH_RATE_MIN),
  v.maxValue(PATH_RATE_MAX),
);
const prefix = v.pipe(v.string(), v.check(isCanonicalPrefix, "is no prefix"));
const prefixes = (max: number) => v.pipe(v.array(prefix), v.minLength(1), v.maxLength(max));

/** Unknown keys are refused: what a later version prescribes must not be lost in silence. */
const Settings = v.strictObject({
  rate: v.optional(v.strictObject({ down: rate, up: rate })),
  quotaBytes: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(VOLUME_MIN), v.maxValue(VOLUME_MAX)),
  ),
  expires: v.optional(v.pipe(v.string(), v.check(isDay, "is no day"))),
  reach: v.optional(prefixes(REACH_MAX)),
  address: v.optional(v.pipe(v.string(), v.check(isIPv4, "is no IPv4 address"))),
  routes: v.optional(
    v.pipe(prefixes(ROUTES_MAX), v.check((list: string[]) => areApart(list), "overlap")),
  ),
});

export function encodeSettings(settings: ClientSettings): string {
  return JSON.stringify(Object.fromEntries(encodedFields(settings)));
}

/**
 * Reads the object that `encodeSettings` wrote, parsed.
 * @throws RangeError that says which field cannot be used, as in "expires is no day".
 */
export function settingsFrom(object: unknown): ClientSettings {
  if (Array.isArray(object)) throw new RangeError("the settings are no object");
  const parsed = v.safeParse(Settings, object, { abortEarly: true });
  if (parsed.success) return { ...NO_SETTINGS, ...parsed.output };
  const [issue] = parsed.issues;
  const where = v.getDotPath(issue) ?? "the settings";
  const isUnknown = issue.type === "strict_object" && issue.expected === "never";
  throw new RangeError(
    isUnknown
      ? `${where} is no setting of this version`
      : issue.type === "check"
      ? `${where} ${issue.message}`
      : `${where} is not what it should be`,
  );
}

/** Whether `text` is a day of the calendar, as in 2027-01-31. */
export function isDay(text: string): boolean {
  const [, ...figures] = DAY.exec(text) ?? [];
  if (figures.length === 0) return false;
  const [year, month, day] = figures.map(Number) as [number, number, number];
  const date = new Date(year, month - 1, day);
  return date.getFullYear() === year && date.getMonth() === month - 1 && date.getDate() === day;
}

/** Whether none of the prefixes overlaps another. */
export function areApart(prefixes: readonly string[]): boolean {
  return prefixes.every((one, index) =>
    prefixes.slice(index + 1).every((other) => !prefixesOverlap(one, other))
  );
}

/** What a prefix overlaps that can be behind no client, such as 224.0.0.0/3; null: nothing. */
export function reservedIn(prefix: string): string | null {
  return NOBODYS.find((reserved) => prefixesOverlap(reserved, prefix)) ?? null;
}
