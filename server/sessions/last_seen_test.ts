import { deepEqual, equal, rejects } from "node:assert/strict";
import { join } from "node:path";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { LastSeen } from "./last_seen.ts";
import { readLastSeen, SEEN_MAX, writeLastSeen } from "./last_seen_file.ts";

const NOW = Date.UTC(2026, 10, 28, 13);
const SECOND = 1000;

Deno.test("who comes is written at once, who stays every five minutes, and the rest at the end", () => {
  const seen = new LastSeen(new Map());
  equal(seen.due(NOW, "last"), null);
  seen.note("laptop", NOW);
  deepEqual([...seen.due(NOW, "in time")!], [["laptop", NOW]]);
  seen.note("laptop", NOW + 10 * SECOND);
  equal(seen.due(NOW + 10 * SECOND, "in time"), null);
  deepEqual([...seen.due(NOW + 10 * SECOND, "last")!], [["laptop", NOW + 10 * SECOND]]);
  seen.note("laptop", NOW + 20 * SECOND);
  equal(seen.due(NOW + 300 * SECOND, "in time"), null);
  deepEqual(seen.due(NOW + 310 * SECOND, "in time")!.size, 1);
  // It was away for a while.
  seen.note("laptop", NOW + 400 * SECOND);
  equal(seen.due(NOW + 400 * SECOND, "in time")!.get("laptop"), NOW + 400 * SECOND);
});

Deno.test("an earlier time changes nothing, and the least recent makes room", () => {
  const before = new Map(Array.from({ length: SEEN_MAX }, (_, at) => [`c${at}`, NOW + at]));
  const seen = new LastSeen(before);
  seen.note("c7", NOW);
  equal(seen.due(NOW, "last"), null);
  seen.note("c0", NOW + 2 * SEEN_MAX);
  seen.note("new", NOW + 2 * SEEN_MAX);
  const written = seen.due(NOW, "last")!;
  equal(written.size, SEEN_MAX);
  equal(written.has("c0"), true);
  equal(written.has("c1"), false);
});

Deno.test("the file is read as it was written; a damaged one is named", async () => {
  await using directory = await TemporaryDirectory.create();
  deepEqual(await readLastSeen(directory.path), new Map());
  const seen = new Map([["phone", NOW - 5], ["laptop", NOW], ["", NOW]]);
  await writeLastSeen(directory.path, seen);
  deepEqual([...await readLastSeen(directory.path)], [["phone", NOW - 5], ["laptop", NOW]]);
  const path = join(directory.path, "last-seen.json");
  equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  for (
    const text of ["{", '{"version":2,"clients":[]}', '{"version":1,"clients":[{"name":"a"}]}']
  ) {
    await Deno.writeTextFile(path, text);
    await rejects(readLastSeen(directory.path), /last-seen\.json is damaged/);
  }
});

Deno.test("as many clients as are kept can be read again, with the longest names", async () => {
  await using directory = await TemporaryDirectory.create();
  const name = (at: number) => `${at}`.padEnd(64, "x");
  const seen = new Map(Array.from({ length: SEEN_MAX }, (_, at) => [name(at), NOW + at]));
  await writeLastSeen(directory.path, seen);
  equal((await readLastSeen(directory.path)).size, SEEN_MAX);
});
