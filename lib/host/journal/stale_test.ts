import assert, { deepEqual } from "node:assert/strict";
import fc from "fast-check";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { type Change, type HostJournal, restoreStale, tellsOfFailure } from "./host_journal.ts";
import { ModelHost } from "../../../testing/model_host.ts";
import { isRunning, ownIdentity } from "./process_identity.ts";
import { readLeftBehind } from "./stale.ts";
import { deadIdentity, openDeadJournal, openJournal, TestDirectory } from "./test_directory.ts";

const route = (line: string): Change => ({
  kind: "command",
  argv: ["ip", "add", line],
  undo: ["ip", "del", line],
});

async function leave(host: ModelHost, directory: TestDirectory, identity: object): Promise<void> {
  const journal = await openJournal(host, directory, {
    sysctl: host,
    identity: { ...await deadIdentity(), ...identity },
  });
  await journal.apply(route("a"));
  await journal.apply({ kind: "sysctl", path: "p", value: "1" });
  await journal.apply({ kind: "file", path: directory.file("resolv.conf"), content: "ours" });
  journal.close();
}

function machine(): ModelHost {
  const host = new ModelHost();
  host.parameters.set("p", "0");
  return host;
}

Deno.test("restoreStale() undoes what a dead process left, once", async () => {
  await using directory = await TestDirectory.create();
  const host = machine();
  const before = host.state();
  await leave(host, directory, {});
  const lines = await restoreStale(host, directory.path, { sysctl: host });
  assert.deepEqual(lines, [
    `undid 3 changes left by fluxify-test (process ${Deno.pid}), which is gone: ` +
    "1 kernel parameter, 1 file, 1 other change",
  ]);
  assert.equal(host.state(), before);
  assert.deepEqual(await restoreStale(host, directory.path, { sysctl: host }), []);
});

Deno.test("readLeftBehind() tells what a dead process left, and leaves it there", async () => {
  await using directory = await TestDirectory.create();
  const host = machine();
  deepEqual(await readLeftBehind(directory.file("none")), []);
  assert.throws(() => Deno.statSync(directory.file("none")), Deno.errors.NotFound);
  await leave(host, directory, {});
  await leave(machine(), directory, { network: "1" });
  const changed = host.state();
  const owner = `fluxify-test (process ${Deno.pid})`;
  const expected = [{ owner, what: "1 kernel parameter, 1 file, 1 other change" }];
  deepEqual(await readLeftBehind(directory.path), expected);
  deepEqual(await readLeftBehind(directory.path), expected, "nothing was undone");
  assert.equal(host.state(), changed);
  const running = await openJournal(host, directory, { sysctl: host });
  await running.apply(route("kept"));
  deepEqual(await readLeftBehind(directory.path), expected, "one that runs keeps its own");
  await running.undoAll();
});

Deno.test("restoreStale() tells of each change it undid", async () => {
  await using directory = await TestDirectory.create();
  const host = machine();
  await leave(host, directory, {});
  const undone: string[] = [];
  const onUndone = (text: string) => undone.push(text);
  await restoreStale(host, directory.path, { sysctl: host, onUndone });
  deepEqual(undone, [
    `file: ${directory.file("resolv.conf")}`,
    "kernel parameter: p (1, before 0)",
    "other: ip del a",
  ]);
});

Deno.test("restoreStale() undoes the latest change first", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("", "");
  const journal = await openDeadJournal(runner, directory);
  for (const line of ["a", "b", "c"]) await journal.apply(route(line));
  journal.close();
  await restoreStale(runner, directory.path);
  assert.deepEqual(runner.lines.slice(3), ["ip del c", "ip del b", "ip del a"]);
});

Deno.test("restoreStale() leaves the living alone, by lock and by process", async () => {
  await using directory = await TestDirectory.create();
  const host = machine();
  await leave(host, directory, await ownIdentity());
  const locked = await openDeadJournal(host, directory, {
    program: "fluxify-locked",
    sysctl: host,
  });
  const changed = host.state();
  const kept: string[] = [];
  const onKept = (line: string) => kept.push(line);
  assert.deepEqual(await restoreStale(host, directory.path, { sysctl: host, onKept }), []);
  assert.deepEqual(kept, [
    `fluxify-locked (process ${Deno.pid}) is running and keeps its 0 changes`,
    `fluxify-test (process ${Deno.pid}) is running and keeps its 3 changes`,
  ]);
  assert.equal(host.state(), changed);
  await locked.undoAll();
});

Deno.test("restoreStale() leaves another network namespace alone", async () => {
  await using directory = await TestDirectory.create();
  const host = machine();
  await leave(host, directory, { network: "1" });
  const changed = host.state();
  const [line] = await restoreStale(host, directory.path, { sysctl: host });
  assert.match(line!, /left 3 changes .* another network namespace/);
  assert.equal(host.state(), changed);
  assert.equal((await directory.journals()).length, 1);
});

Deno.test("restoreStale() restores only files after another boot", async () => {
  await using directory = await TestDirectory.create();
  const host = machine();
  await leave(host, directory, { network: "1", bootId: "earlier" });
  const changed = host.state();
  assert.deepEqual(await restoreStale(host, directory.path, { sysctl: host }), [
    `undid 1 change left by fluxify-test (process ${Deno.pid}), which is gone: 1 file`,
    `2 changes by fluxify-test (process ${Deno.pid}) ended with an earlier boot`,
  ]);
  assert.equal(host.state(), changed);
  assert.throws(() => Deno.statSync(directory.file("resolv.conf")), Deno.errors.NotFound);
  assert.deepEqual(await directory.journals(), []);
});

Deno.test("restoreStale() keeps what it could not undo, and says so", async () => {
  await using directory = await TestDirectory.create();
  const host = machine();
  const before = host.state();
  await leave(host, directory, {});
  host.changesLeft = 1;
  const lines = await restoreStale(host, directory.path, { sysctl: host });
  assert.match(lines.join("\n"), /could not undo a change .*: killed/);
  assert.equal(lines.filter(tellsOfFailure).length, 1);
  host.changesLeft = Infinity;
  await restoreStale(host, directory.path, { sysctl: host });
  assert.equal(host.state(), before);
  assert.deepEqual(await directory.journals(), []);
});

Deno.test("restoreStale() undoes a change once, also where another one could not be undone", async () => {
  await using directory = await TestDirectory.create();
  const host = machine();
  const journal = await openDeadJournal(host, directory);
  for (const line of ["a", "b"]) await journal.apply(route(line));
  journal.close();
  host.changesLeft = 1;
  assert.equal((await restoreStale(host, directory.path)).filter(tellsOfFailure).length, 1);
  host.changesLeft = Infinity;
  assert.deepEqual([...host.routes], ["a"]);
  // A program that has started since makes the same route.
  host.routes.add("b");
  await restoreStale(host, directory.path);
  assert.deepEqual([...host.routes], ["b"]);
  assert.deepEqual(await directory.journals(), []);
});

Deno.test("journals without a first line: empty goes, unreadable stays", async () => {
  await using directory = await TestDirectory.create();
  const host = machine();
  await leave(host, directory, {});
  const [name] = await directory.journals();
  const text = await Deno.readTextFile(directory.file(name!));
  await Deno.writeTextFile(directory.file(name!), "?" + text);
  await Deno.writeTextFile(directory.file("fluxify-torn.1.0.journal"), text.slice(0, 20));
  const lines = await restoreStale(host, directory.path, { sysctl: host });
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /cannot tell whose 3 changes/);
  assert.deepEqual(await directory.journals(), [name]);
});

Deno.test("isRunning() knows processes by more than their number", async () => {
  const own = await ownIdentity();
  assert.ok(await isRunning(own, own));
  assert.ok(!await isRunning({ ...own, startTime: "0" }, own));
  assert.ok(!await isRunning({ ...own, bootId: "earlier" }, own));
  assert.ok(!await isRunning({ ...own, processes: "1" }, own));
  assert.ok(!await isRunning({ ...own, pid: 0x7fffffff }, own));
});

const PATHS = ["p", "q", "r"];

const anyChange: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ program: fc.constantFrom("ip", "iptables"), line: fc.integer({ min: 0, max: 5 }) })
    .map(({ program, line }): Change => ({
      kind: "command",
      argv: [program, "add", `${line}`],
      undo: [program, "del", `${line}`],
    })),
  fc.record({ path: fc.constantFrom(...PATHS), value: fc.constantFrom("0", "1", "2") })
    .map(({ path, value }): Change => ({ kind: "sysctl", path, value })),
);

const anyMachine = fc.record({
  routes: fc.subarray(["0", "1", "2"]),
  rules: fc.subarray(["0", "1", "2"]),
  values: fc.tuple(...PATHS.map(() => fc.constantFrom("0", "1", "2"))),
});

function machineFrom(start: { routes: string[]; rules: string[]; values: string[] }): ModelHost {
  const host = new ModelHost();
  for (const line of start.routes) host.routes.add(line);
  for (const line of start.rules) host.rules.add(line);
  PATHS.forEach((path, i) => host.parameters.set(path, start.values[i] ?? "0"));
  return host;
}

Deno.test("property: a crash at any byte of the journal is undone", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyMachine,
      fc.array(anyChange, { maxLength: 8 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      async (start, changes, where) => {
        await using directory = await TestDirectory.create();
        const host = machineFrom(start);
        const before = host.state();
        const journal = await openDeadJournal(host, directory, { sysctl: host });
        // What the machine was while the journal had which length.
        const moments = [{ lengthBytes: 0, state: before }];
        host.onChange = () => {
          const lengthBytes = Deno.statSync(journal.path).size;
          moments.push({ lengthBytes, state: host.state() });
        };
        for (const change of changes) await journal.apply(change).catch(() => {});
        journal.close();
        host.onChange = () => {};

        const bytes = await Deno.readFile(journal.path);
        const crashAt = Math.round(where * bytes.length);
        const past = moments.filter((moment) => moment.lengthBytes <= crashAt);
        const last = past.at(-1)!;
        // With its line just written, a change is still to be done or done; later it is done.
        const possible = crashAt > last.lengthBytes
          ? [last]
          : past.filter((one) => one.lengthBytes === crashAt);
        for (const { state } of possible) {
          host.load(state);
          await Deno.writeFile(journal.path, bytes.subarray(0, crashAt));
          await restoreStale(host, directory.path, { sysctl: host });
          assert.equal(host.state(), before);
          assert.deepEqual(await directory.journals(), []);
        }
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("property: a crash while undoing is undone", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyMachine,
      fc.array(anyChange, { maxLength: 8 }),
      fc.nat(8),
      fc.boolean(),
      async (start, changes, undone, marksLost) => {
        await using directory = await TestDirectory.create();
        const host = machineFrom(start);
        const before = host.state();
        const journal = await openDeadJournal(host, directory, { sysctl: host });
        for (const change of changes) await journal.apply(change).catch(() => {});
        const bytes = await Deno.readFile(journal.path);
        host.changesLeft = undone;
        await journal.undoAll();
        journal.close();
        host.changesLeft = Infinity;
        if (marksLost) await Deno.writeFile(journal.path, bytes);
        await restoreStale(host, directory.path, { sysctl: host });
        assert.equal(host.state(), before);
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("property: parameters shared by several programs outlive all but the last", async () => {
  const step = fc.record({
    program: fc.nat(2),
    action: fc.constantFrom("set", "set", "stop", "crash", "restore"),
    path: fc.constantFrom(...PATHS),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 16 }), async (steps) => {
      await using directory = await TestDirectory.create();
      const host = machineFrom({ routes: [], rules: [], values: ["0", "1", "2"] });
      const before = host.state();
      const running = new Map<number, { journal: HostJournal; paths: Set<string> }>();
      for (const { program, action, path } of steps) {
        const present = running.get(program);
        if (action === "restore") {
          await restoreStale(host, directory.path, { sysctl: host });
        } else if (action === "set") {
          const journal = present?.journal ?? await openDeadJournal(host, directory, {
            program: `program-${program}`,
            sysctl: host,
          });
          const paths = present?.paths ?? new Set();
          await journal.apply({ kind: "sysctl", path, value: "1" });
          running.set(program, { journal, paths: paths.add(path) });
        } else if (present !== undefined) {
          if (action === "stop") assert.deepEqual(await present.journal.undoAll(), []);
          else present.journal.close();
          running.delete(program);
        }
        for (const { paths } of running.values()) {
          for (const wanted of paths) assert.equal(host.parameters.get(wanted), "1");
        }
      }
      for (const { journal } of running.values()) assert.deepEqual(await journal.undoAll(), []);
      await restoreStale(host, directory.path, { sysctl: host });
      assert.equal(host.state(), before);
    }),
    { numRuns: 100 },
  );
});
