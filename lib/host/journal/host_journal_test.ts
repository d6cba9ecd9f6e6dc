import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { CommandError, SystemRunner } from "../command/runner.ts";
import {
  type Change,
  HostJournal,
  JournalError,
  type JournalOptions,
  restoreStale,
} from "./host_journal.ts";
import { ModelHost } from "../../../testing/model_host.ts";
import { deadIdentity, openJournal, TestDirectory, testProgram } from "./test_directory.ts";

const route = (line: string): Change => ({
  kind: "command",
  argv: ["ip", "add", line],
  undo: ["ip", "del", line],
});

const open = (host: ModelHost, directory: TestDirectory, more: Partial<JournalOptions> = {}) =>
  openJournal(host, directory, { sysctl: host, ...more });

Deno.test("undoAll() undoes in reverse order and removes the journal", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("", "");
  const journal = await openJournal(runner, directory);
  await journal.apply(route("a"));
  await journal.apply({ ...route("b"), argv: ["nft", "-f", "-"], input: "table" } as Change);
  assert.equal((await directory.journals()).length, 1);
  assert.deepEqual(await journal.undoAll(), []);
  assert.deepEqual(runner.lines, ["ip add a", "nft -f -", "ip del b", "ip del a"]);
  assert.equal(runner.calls[1]?.input, "table");
  assert.deepEqual(await directory.journals(), []);
  assert.deepEqual(await journal.undoAll(), []);
  await assert.rejects(journal.apply(route("c")), JournalError);
});

Deno.test("a change is on the disk before it is done", async () => {
  await using directory = await TestDirectory.create();
  const host = new ModelHost();
  const journal = await open(host, directory);
  let recorded = "";
  host.onChange = () => recorded ||= Deno.readTextFileSync(journal.path);
  await journal.apply(route("a"));
  assert.match(recorded, /"undo":\["ip","del","a"\]\}\n$/);
  assert.equal(Deno.statSync(journal.path).mode! & 0o777, 0o600);
  await journal.undoAll();
});

Deno.test("a failed command is not undone, a stopped one is", async () => {
  await using directory = await TestDirectory.create();
  const host = new ModelHost();
  host.routes.add("theirs");
  const journal = await open(host, directory);
  await assert.rejects(journal.apply(route("theirs")), /File exists/);
  assert.deepEqual(await journal.undoAll(), []);
  assert.ok(host.routes.has("theirs"));

  const runner = new FakeRunner().on("", "")
    .on("ip add slow", new CommandError(["ip"], null, "", "no answer"));
  const other = await open(host, directory, { runner });
  await assert.rejects(other.apply(route("slow")), /no answer/);
  await other.undoAll();
  assert.deepEqual(runner.lines, ["ip add slow", "ip del slow"]);
});

Deno.test("undoAll() goes on after an error, returns it and can be called again", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("", "");
  const journal = await openJournal(runner, directory);
  for (const line of ["a", "b", "c"]) await journal.apply(route(line));
  runner.on("ip del b", { code: 4, stderr: "locked" });
  const errors = await journal.undoAll();
  assert.deepEqual(errors.map((error) => error.message), [
    'Command "ip del b" failed (exit code 4): locked',
  ]);
  assert.equal((await directory.journals()).length, 1);
  runner.on("ip del b", "");
  assert.deepEqual(await journal.undoAll(), []);
  assert.deepEqual(runner.lines.slice(3), ["ip del c", "ip del b", "ip del a", "ip del b"]);
});

Deno.test("undo() and settle() take single changes out", async () => {
  await using directory = await TestDirectory.create();
  const host = new ModelHost();
  const journal = await open(host, directory);
  const a = await journal.apply(route("a"));
  const b = await journal.apply(route("b"));
  await journal.undo(a!);
  await journal.undo(a!);
  assert.deepEqual([...host.routes], ["b"]);
  await journal.settle(b!);
  await journal.undoAll();
  assert.deepEqual([...host.routes], ["b"]);
});

Deno.test("a journal that lives long does not grow", async () => {
  await using directory = await TestDirectory.create();
  const host = new ModelHost();
  const journal = await open(host, directory, { identity: await deadIdentity() });
  await journal.apply(route("kept"));
  for (let i = 0; i < 1200; i++) await journal.undo((await journal.apply(route(`r${i}`)))!);
  assert.ok(Deno.statSync(journal.path).size < 100_000);
  journal.close();
  await restoreStale(host, directory.path, { sysctl: host });
  assert.equal(host.routes.size, 0);
  assert.deepEqual(await directory.journals(), []);
});

Deno.test("a parameter is put back only while it has our value", async () => {
  await using directory = await TestDirectory.create();
  const host = new ModelHost();
  host.parameters.set("a", "0").set("b", "0").set("c", "1").set("side", "7");
  const journal = await open(host, directory);
  assert.notEqual(
    await journal.apply({ kind: "sysctl", path: "a", value: "1", sideEffects: ["side", "none"] }),
    null,
  );
  host.parameters.set("side", "8"); // as the kernel would
  await journal.apply({ kind: "sysctl", path: "b", value: "1" });
  assert.equal(await journal.apply({ kind: "sysctl", path: "c", value: "1" }), null);
  await assert.rejects(
    journal.apply({ kind: "sysctl", path: "d", value: "1" }),
    /no such parameter/,
  );
  host.parameters.set("b", "2");
  assert.deepEqual(await journal.undoAll(), []);
  assert.deepEqual(Object.fromEntries(host.parameters), { a: "0", b: "2", c: "1", side: "7" });
});

Deno.test("files, links and absent files come back as they were", async () => {
  await using directory = await TestDirectory.create();
  const path = (name: string) => directory.file(name);
  await Deno.writeTextFile(path("file"), "old", { mode: 0o640 });
  await Deno.chmod(path("file"), 0o640);
  await Deno.symlink("file", path("link"));
  await Deno.writeTextFile(path("edited"), "old");
  await Deno.writeTextFile(path("same"), "new");
  const journal = await open(new ModelHost(), directory);
  const names = ["file", "link", "absent", "edited"];
  for (const name of names) {
    assert.ok(await journal.apply({ kind: "file", path: path(name), content: "new" }), name);
    assert.equal(Deno.readTextFileSync(path(name)), "new");
  }
  assert.equal(await journal.apply({ kind: "file", path: path("same"), content: "new" }), null);
  assert.ok(Deno.lstatSync(path("link")).isFile);
  await Deno.writeTextFile(path("edited"), "newest");
  await assert.rejects(
    journal.apply({ kind: "file", path: directory.path, content: "" }),
    /a copy/,
  );

  assert.deepEqual(await journal.undoAll(), []);
  assert.equal(Deno.readTextFileSync(path("file")), "old");
  assert.equal(Deno.lstatSync(path("file")).mode! & 0o777, 0o640);
  assert.equal(Deno.readLinkSync(path("link")), "file");
  assert.throws(() => Deno.lstatSync(path("absent")), Deno.errors.NotFound);
  assert.equal(Deno.readTextFileSync(path("edited")), "newest");
});

Deno.test("without a journal nothing is done", async () => {
  await using directory = await TestDirectory.create();
  const host = new ModelHost();
  await Deno.writeTextFile(directory.file("taken"), "");
  await assert.rejects(
    HostJournal.open({ program: "fluxify-test", runner: host, directory: directory.file("taken") }),
    (error) => error instanceof JournalError && /FLUXIFY_STATE_DIR/.test(error.message),
  );
  await assert.rejects(open(host, directory, { program: "../x" }), RangeError);
});

Deno.test({
  name: "netns: a full disk refuses the change and keeps what is on record",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using directory = await TestDirectory.create();
    // A mount namespace of its own, so that the small disk is nobody else's.
    const mount = `mount -t tmpfs -o size=16k,mode=700 tmpfs "$0" && exec "$@"`;
    const argv = testProgram("fill", directory.path);
    const result = await new SystemRunner().run(
      ["unshare", "-m", "sh", "-c", mount, directory.path, ...argv],
      { timeoutMs: 60_000 },
    );
    assert.deepEqual([result.stdout, result.code], ["refused, then undone\n", 0], result.stderr);
  },
});

Deno.test("putBack() does nothing again that it cannot tell to be missing", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("", "")
    .on("iptables -C", { code: 4, stderr: "Another app is currently holding the xtables lock" });
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  const rule = (verb: string) => ["iptables", verb, "FORWARD", "-j", "ACCEPT"];
  await journal.apply({ kind: "command", argv: rule("-A"), undo: rule("-D"), check: rule("-C") });
  await assert.rejects(journal.putBack(), /holding the xtables lock/);
  runner.on("iptables -C", { code: 1 });
  assert.deepEqual(await journal.putBack(), ["iptables"]);
  assert.deepEqual(await journal.undoAll(), []);
  assert.equal(runner.lines.filter((line) => line.includes("-A")).length, 2);
});
