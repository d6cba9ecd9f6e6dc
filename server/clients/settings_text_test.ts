import { deepEqual, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { PATH_RATE_MAX, PATH_RATE_MIN } from "../../lib/protocol/wire/path_rule.ts";
import { type ClientSettings, endOf, NO_SETTINGS } from "./client_settings.ts";
import { encodeSettings, isDay, REACH_MAX, ROUTES_MAX, settingsFrom } from "./settings_text.ts";

const FULL: ClientSettings = {
  rate: { down: 6_250_000, up: 1_250_000 },
  quotaBytes: 1e11,
  expires: "2027-01-31",
  reach: ["10.1.0.0/16", "fd00:1::/64"],
  address: "10.8.0.77",
  routes: ["192.168.7.0/24"],
};

Deno.test("settings are read as they were written, and what is not prescribed is not there", () => {
  deepEqual(settingsFrom(JSON.parse(encodeSettings(FULL))), FULL);
  equal(encodeSettings(NO_SETTINGS), "{}");
  deepEqual(settingsFrom({}), NO_SETTINGS);
});

Deno.test("property: settings are read as they were written", () => {
  const rate = fc.integer({ min: PATH_RATE_MIN, max: PATH_RATE_MAX });
  const settings = fc.record({
    rate: fc.option(fc.record({ down: rate, up: rate })),
    quotaBytes: fc.option(fc.integer({ min: 1e6, max: 1e15 })),
    expires: fc.option(fc.constantFrom("2024-02-29", "2027-12-31")),
    reach: fc.option(fc.constant(["10.0.0.0/8"])),
    address: fc.option(fc.ipV4()),
    routes: fc.constantFrom([], ["fd12::/48"]),
  });
  fc.assert(fc.property(settings, (each) => {
    deepEqual(settingsFrom(JSON.parse(encodeSettings(each))), each);
  }));
});

Deno.test("what is none of ours, or wrong, is refused by its field", () => {
  const many = (count: number) => Array.from({ length: count }, (_, host) => `10.0.0.${host}/32`);
  const cases: [unknown, RegExp][] = [
    [{ colour: "red" }, /colour is no setting of this version/],
    [{ rate: { down: 1e6, up: 1e6, side: 1 } }, /rate\.side is no setting/],
    [{ rate: { down: 1e6 } }, /rate\.up is not what it should be/],
    [{ rate: { down: 12_499, up: 1e6 } }, /rate\.down is not/],
    [{ rate: { down: 1e6, up: 12_500_000_001 } }, /rate\.up is not/],
    [{ quotaBytes: 999_999 }, /quotaBytes is not/],
    [{ quotaBytes: 1e6 + 0.5 }, /quotaBytes is not/],
    [{ expires: "2027-02-29" }, /expires is no day/],
    [{ reach: [] }, /reach is not/],
    [{ reach: ["10.1.2.3/16"] }, /reach\.0 is no prefix/],
    [{ reach: many(REACH_MAX + 1) }, /reach is not/],
    [{ address: "fd00::2" }, /address is no IPv4 address/],
    [{ routes: ["10.0.0.0/8", "10.1.0.0/16"] }, /routes overlap/],
    [{ routes: many(ROUTES_MAX + 1) }, /routes is not/],
    [[], /the settings are no object/],
    [null, /the settings/],
  ];
  for (const [object, words] of cases) throws(() => settingsFrom(object), words);
});

Deno.test("a day is one of the calendar, and ends with it", () => {
  for (const day of ["2024-02-29", "2027-01-31"]) equal(isDay(day), true, day);
  for (const day of ["2027-02-29", "2027-13-01", "2027-00-10", "2027-1-1", "31.1.2027", ""]) {
    equal(isDay(day), false, day);
  }
  equal(endOf("2027-01-31"), new Date(2027, 1, 1).getTime());
  equal(endOf("2026-12-31"), new Date(2027, 0, 1).getTime());
});
