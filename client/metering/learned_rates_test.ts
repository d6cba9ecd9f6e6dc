import { deepEqual, equal } from "node:assert/strict";
import { NO_RULE } from "../../lib/protocol/wire/path_rule.ts";
import { LearnedRates } from "./learned_rates.ts";
import { type PlaceRates, PLACES_MAX, RateFile } from "./rate_file.ts";

const DAY_MS = 24 * 3600 * 1000;
const WAN = "wan via 192.0.2.1";

const settled = () => new Promise((resolve) => setTimeout(resolve));

/** Remembers what was written last. */
class FakeFile {
  written: Map<string, PlaceRates> | null = null;
  error: Error | null = null;
  write(places: ReadonlyMap<string, PlaceRates>): Promise<void> {
    if (this.error !== null) return Promise.reject(this.error);
    this.written = new Map(places);
    return Promise.resolve();
  }
}

Deno.test("a place begins with what was learned of it, for thirty days", () => {
  const learned = new LearnedRates(new Map(), null);
  equal(learned.startOf("wan", WAN, NO_RULE, 0), NO_RULE);
  learned.note("wan", null, 5_000_000, 0);
  deepEqual(learned.startOf("wan", WAN, NO_RULE, DAY_MS), { ...NO_RULE, receiveStart: 5_000_000 });
  learned.note("wan", 1_000_000, null, DAY_MS);
  const both = { ...NO_RULE, sendStart: 1_000_000, receiveStart: 5_000_000 };
  deepEqual(learned.startOf("wan", WAN, NO_RULE, 2 * DAY_MS), both);
  equal(learned.startOf("wan", "wan via 192.0.2.254", NO_RULE, 2 * DAY_MS), NO_RULE);
  equal(learned.startOf("wan", WAN, NO_RULE, 32 * DAY_MS), NO_RULE);
});

Deno.test("no more places are remembered than fit, the newest", () => {
  const learned = new LearnedRates(new Map(), null);
  for (let each = 0; each <= PLACES_MAX; each++) {
    learned.startOf("wan", `${each}`, NO_RULE, each);
    learned.note("wan", 1e6, 1e6, each);
  }
  learned.note("dsl", 1e6, 1e6, 0);
  equal(learned.startOf("wan", "0", NO_RULE, 99), NO_RULE);
  equal(learned.startOf("wan", "1", NO_RULE, 99).sendStart, 1e6);
});

Deno.test("what is new is written once a minute and at the end, and what cannot be is tried again", async () => {
  const file = new FakeFile();
  const learned = new LearnedRates(new Map(), file);
  learned.startOf("wan", WAN, NO_RULE, 0);
  learned.keep(0);
  equal(file.written, null, "nothing is new");
  learned.note("wan", 1e6, Infinity, 0);
  learned.keep(0);
  await settled();
  learned.note("wan", 2e6, null, 1);
  learned.keep(30_000);
  equal(file.written!.get(WAN)!.send, 1e6);
  equal(file.written!.get(WAN)!.receive, null, "it is no rate");
  file.error = new Error("disk full");
  learned.keep(60_000);
  await settled();
  file.error = null;
  await learned[Symbol.asyncDispose]();
  await learned[Symbol.asyncDispose]();
  equal(file.written!.get(WAN)!.send, 2e6);
});

Deno.test("rates are read as they were written; a file that cannot be used is none", async () => {
  const before = Deno.env.get("FLUXIFY_STATE_DIR");
  const path = await Deno.makeTempDir({ prefix: `fluxify-rates-${Deno.pid}-` });
  Deno.env.set("FLUXIFY_STATE_DIR", path);
  try {
    const file = await RateFile.open("home");
    deepEqual(await file.read(), new Map());
    const places = new Map([[WAN, { send: null, receive: 5_000_000, at: 12 }]]);
    await file.write(places);
    deepEqual(await (await RateFile.open("home")).read(), places);
    equal((await Deno.stat(file.path)).mode! & 0o777, 0o600);
    for (
      const text of [
        ...["{", '{"version":2,"places":{}}', " ".repeat(70_000)],
        '{"version":1,"places":{"a":{"send":1,"receive":null,"at":0}}}',
        '{"version":1,"places":{"a":{"send":null,"receive":1e12,"at":0}}}',
      ]
    ) {
      await Deno.writeTextFile(file.path, text);
      deepEqual(await file.read(), new Map(), text.slice(0, 80));
    }
  } finally {
    if (before === undefined) Deno.env.delete("FLUXIFY_STATE_DIR");
    else Deno.env.set("FLUXIFY_STATE_DIR", before);
    await Deno.remove(path, { recursive: true });
  }
});
