import { deepEqual, equal, match } from "node:assert/strict";
import { join } from "node:path";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { ClientUsage } from "./client_usage.ts";

function openAt(directory: string, clock: { now: Date }) {
  const warnings: string[] = [];
  const warn = (line: string) => void warnings.push(line);
  const usage = ClientUsage.open({ directory, warn, now: () => clock.now });
  return usage.then((opened) => ({ usage: opened, warnings }));
}

Deno.test("what clients carry is counted over restarts, and begins anew with the month", async () => {
  await using directory = await TemporaryDirectory.create();
  const clock = { now: new Date(2026, 10, 28) };
  {
    const { usage } = await openAt(directory.path, clock);
    await using _ = usage;
    usage.add("laptop", 1000);
    usage.add("laptop", 500);
    usage.add("cam", 7);
    equal(usage.bytesOf("laptop"), 1500);
  }
  {
    const { usage } = await openAt(directory.path, clock);
    await using _ = usage;
    equal(usage.bytesOf("laptop"), 1500);
    usage.add("laptop", 20);
    equal(usage.bytesOf("laptop"), 1520);
    equal(usage.bytesOf("cam"), 7);
    clock.now = new Date(2026, 11, 1);
    equal(usage.bytesOf("laptop"), 0);
    usage.add("laptop", 3);
    equal(usage.bytesOf("laptop"), 3);
  }
  const { usage, warnings } = await openAt(directory.path, clock);
  await using _ = usage;
  deepEqual([usage.bytesOf("laptop"), usage.bytesOf("cam")], [3, 0]);
  deepEqual(warnings, []);
});

Deno.test("a file that cannot be used is kept beside, and said", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "client-usage.json");
  await Deno.writeTextFile(path, "{");
  const { usage, warnings } = await openAt(directory.path, { now: new Date(2026, 10, 28) });
  await using _ = usage;
  equal(usage.bytesOf("laptop"), 0);
  match(warnings.join(), /Cannot use .*client-usage\.json .*kept as .*; quotas begin anew/);
  equal(await Deno.readTextFile(`${path}.bad`), "{");
});
