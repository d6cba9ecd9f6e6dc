import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { DatabaseSync } from "node:sqlite";
import { HistoryStore, type Reading } from "./history_store.ts";
import { monthOf, RESOLUTIONS } from "./resolution.ts";

const START = Date.UTC(2026, 4, 10, 12) / 1000;

class Place implements AsyncDisposable {
  readonly path: string;

  private constructor(readonly directory: string) {
    this.path = join(directory, "history.db");
  }

  static async create(): Promise<Place> {
    return new Place(await Deno.makeTempDir({ prefix: `fluxify-history-${Deno.pid}-` }));
  }

  open(limitBytes?: number): HistoryStore {
    return HistoryStore.open({ path: this.path, ...limitBytes ? { limitBytes } : {} }, (line) => {
      this.warnings.push(line);
    });
  }

  readonly warnings: string[] = [];

  /** Of all files together. */
  size(): number {
    return [...Deno.readDirSync(this.directory)]
      .reduce((sum, { name }) => sum + Deno.statSync(join(this.directory, name)).size, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.directory, { recursive: true });
  }
}

function reading(name: string, receivedBytes: number, changes: Partial<Reading> = {}): Reading {
  return {
    ...{ name, run: "1", receivedBytes, sentBytes: 2 * receivedBytes },
    ...{ rttMs: 20, loss: 0.5, isUp: true },
    ...changes,
  };
}

Deno.test("what each resolution has of a span adds up to what was carried, and so does the volume", async () => {
  await using place = await Place.create();
  let number = 0;
  const step = fc.record({
    seconds: fc.integer({ min: 1, max: 60 }),
    bytes: fc.integer({ min: 0, max: 10 ** 9 }),
    restarts: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
      const path = join(place.directory, `${++number}.db`);
      using store = HistoryStore.open({ path }, () => {});
      let [at, total, run, carried] = [START, 0, 0, 0];
      store.record(at, [reading("a", 0, { run: "0" })]);
      for (const { seconds, bytes, restarts } of steps) {
        at += seconds;
        if (restarts) [total, run] = [0, run + 1];
        total += bytes;
        carried += bytes;
        store.record(at, [reading("a", total, { run: String(run) })]);
      }
      const database = new DatabaseSync(path, { readOnly: true });
      const sums = database.prepare(
        "SELECT sum(received) AS received, sum(sent) AS sent FROM bucket GROUP BY resolution",
      ).all();
      database.close();
      for (const { received, sent } of sums) deepEqual([received, sent], [carried, 2 * carried]);
      equal(sums.length, RESOLUTIONS.length);
      equal(store.volumes().reduce((sum, { receivedBytes }) => sum + receivedBytes, 0), carried);
    }),
    { numRuns: 30 },
  );
});

Deno.test("thinning forgets what is older than each resolution keeps, nothing else, and twice is once", async () => {
  await using place = await Place.create();
  using store = place.open();
  let at = START;
  for (let number = 0; number <= 720 * 4; number++, at += 10) {
    store.record(at, [reading("a", number * 1000)]);
  }
  at -= 10;
  const kept = () => {
    using database = new DatabaseSync(place.path, { readOnly: true });
    return database.prepare(
      "SELECT resolution, min(at) AS first, count(*) AS count FROM bucket GROUP BY resolution",
    ).all().map(({ resolution, first, count }) => ({ resolution, first, count }));
  };
  const before = kept();
  store.thin(at);
  const after = kept();
  for (const [number, { keepSeconds, bucketSeconds }] of RESOLUTIONS.entries()) {
    const oldest = Math.max(Number(before[number]!.first), at - keepSeconds - bucketSeconds);
    ok(Number(after[number]!.first) >= oldest, `${number}`);
    ok(Number(after[number]!.first) <= Math.max(oldest + bucketSeconds, START + bucketSeconds));
  }
  ok(Number(after[0]!.count) < Number(before[0]!.count));
  deepEqual(after.slice(1), before.slice(1));
  store.thin(at);
  deepEqual(kept(), after);
  equal(store.volumes()[0]!.receivedBytes, 720 * 4 * 1000);
  const last = store.points("hour", "a", at).at(-1)!;
  deepEqual([last.receivedBytesPerSecond, last.rttMs, last.loss, last.up], [100, 20, 0.5, 1]);
});

Deno.test("the steps of all together are the sums, with the nearest round trip", async () => {
  await using place = await Place.create();
  using store = place.open();
  for (const number of [0, 1, 2]) {
    store.record(START + number * 10, [
      reading("a", number * 1000),
      reading("b", number * 500, { rttMs: 5, isUp: false }),
    ]);
  }
  const [first] = store.points("hour", null, START + 30);
  deepEqual([first!.receivedBytesPerSecond, first!.sentBytesPerSecond, first!.rttMs], [
    150,
    300,
    5,
  ]);
  equal(store.points("hour", "b", START + 30)[0]!.up, 0);
  deepEqual(store.names().sort(), ["a", "b"]);
});

Deno.test("what was carried while nobody read is in the volume, not in the graph", async () => {
  await using place = await Place.create();
  using store = place.open();
  store.record(START, [reading("a", 0)]);
  store.record(START + 3600, [reading("a", 5_000_000)]);
  deepEqual(store.points("day", "a", START + 3600), []);
  const [volume] = store.volumes();
  deepEqual([volume!.month, volume!.receivedBytes], [monthOf(START), 5_000_000]);
});

Deno.test("the files stay below their limit, whatever is recorded, and the newest is there", async () => {
  await using place = await Place.create();
  const limitBytes = 2_000_000;
  using store = place.open(limitBytes);
  const names = Array.from({ length: 60 }, (_, number) => `client-${number}`);
  let at = START;
  let largest = 0;
  for (let number = 0; number < 600; number++, at += 10) {
    store.record(at, names.map((name) => reading(name, number * 1000)));
    if (number % 20 === 0) largest = Math.max(largest, place.size());
  }
  ok(largest <= limitBytes, `${largest} bytes`);
  ok(largest > limitBytes / 2, `the limit was never near: ${largest} bytes`);
  equal(store.points("hour", names[7]!, at).at(-1)!.at, Math.floor((at - 10) / 10) * 10);
  equal(store.volumes().find(({ name }) => name === names[7])!.receivedBytes, 599 * 1000);
});

Deno.test("a database that is damaged is begun anew, and that is said", async () => {
  await using place = await Place.create();
  await Deno.writeTextFile(
    place.path,
    "no database at all, but long enough to be looked at".repeat(90),
  );
  using store = place.open();
  store.record(START, [reading("a", 0)]);
  ok(/is damaged .* a new one is begun/.test(place.warnings[0]!), place.warnings[0]);
  equal(place.warnings.length, 1);
});

Deno.test("a process that is killed while it writes leaves a whole history", async () => {
  await using place = await Place.create();
  const program = new URL("./test_writer.ts", import.meta.url).pathname;
  for (let times = 0; times < 3; times++) {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", program, place.path, "50000000"],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    for (let lines = 0; lines < 20 + times * 7; lines++) await reader.read();
    child.kill("SIGKILL");
    await reader.cancel();
    await child.status;
    using store = place.open();
    const database = new DatabaseSync(place.path, { readOnly: true });
    const { integrity_check: found } = database.prepare("PRAGMA integrity_check").get()!;
    const sums = database.prepare("SELECT sum(received) AS sum FROM bucket GROUP BY resolution")
      .all();
    database.close();
    equal(found, "ok");
    const volume = store.volumes().reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
    ok(volume > 0);
    for (const { sum } of sums) equal(sum, volume);
  }
  deepEqual(place.warnings, []);
});

Deno.test({
  name: "a disk that is full loses steps of the graph, and no byte of the volume",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using place = await Place.create();
    const program = new URL("./test_full_disk.ts", import.meta.url).pathname;
    // In a mount namespace of its own: the small disk is gone with it.
    const { success, stdout, stderr } = await new Deno.Command("unshare", {
      args: ["-m", Deno.execPath(), "run", "-A", "--no-check", program, place.directory],
    }).output();
    ok(success, new TextDecoder().decode(stderr));
    const { refused, volume, carried } = JSON.parse(new TextDecoder().decode(stdout));
    ok(refused > 0, "the disk was never full");
    equal(volume, carried);
  },
});
