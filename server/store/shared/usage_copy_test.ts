import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { join } from "node:path";
import { TemporaryDirectory } from "../../../testing/pki/temporary_directory.ts";
import { openUsageCopy, readUsageCopy, writeUsageCopy } from "./usage_copy.ts";
import type { UsageCopy } from "./usage_counters.ts";

const COPY: UsageCopy = {
  id: "0".repeat(16),
  run: "1".repeat(16),
  clients: new Map([["__proto__", {
    own: new Map([["2026-11", { contributed: 5, foreign: 7 }]]),
    others: new Map([["2".repeat(16), {
      by: "3".repeat(16),
      months: new Map([["2026-11", 100], ["2026-12", 1]]),
    }]]),
  }]]),
};

Deno.test("what other servers have counted is read as it was written, by its owner alone", async () => {
  await using directory = await TemporaryDirectory.create();
  equal(await readUsageCopy(directory.path), null);
  await writeUsageCopy(directory.path, COPY);
  deepEqual(await readUsageCopy(directory.path), COPY);
  const path = join(directory.path, "client-usage-shared.json");
  equal((await Deno.stat(path)).mode! & 0o777, 0o600);
});

Deno.test("a copy that cannot be used is kept beside, and said", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "client-usage-shared.json");
  for (const text of ["{", "{}", '{"version":1,"id":"x","run":"y","clients":[]}']) {
    await Deno.writeTextFile(path, text);
    await rejects(readUsageCopy(directory.path), /is damaged or cannot be read.*the store tells/);
    const warnings: string[] = [];
    equal(await openUsageCopy(directory.path, (line) => warnings.push(line)), null);
    match(warnings.join(), /it is kept as .*\.bad, and what this server has counted .* twice/);
    equal(await Deno.readTextFile(`${path}.bad`), text);
  }
});
