import assert from "node:assert/strict";
import { type HostJournal, restoreStale } from "./host_journal.ts";
import { ModelHost } from "../../../testing/model_host.ts";
import { formatLine, parseJournal } from "./record.ts";
import { openDeadJournal, TestDirectory } from "./test_directory.ts";

const open = (host: ModelHost, directory: TestDirectory) =>
  openDeadJournal(host, directory, { sysctl: host });

function restore(host: ModelHost, directory: TestDirectory, lasting?: "leave" | HostJournal) {
  return restoreStale(host, directory.path, { sysctl: host, lasting });
}

async function addBoth(journal: HostJournal): Promise<void> {
  const change = (line: string) => ({
    kind: "command" as const,
    argv: ["iptables", "add", line],
    undo: ["iptables", "del", line],
  });
  await journal.apply({ ...change("guard"), handover: "for the next one" });
  await journal.apply(change("rule"));
}

Deno.test("undoAll() can leave lasting changes in place, for restoreStale()", async () => {
  await using directory = await TestDirectory.create();
  const host = new ModelHost();
  const journal = await open(host, directory);
  await addBoth(journal);
  assert.deepEqual(await journal.undoAll("leave"), []);
  assert.deepEqual([...host.rules], ["guard"]);
  assert.equal((await directory.journals()).length, 1);
  assert.deepEqual(await journal.undoAll(), [], "it is closed");
  assert.deepEqual([...host.rules], ["guard"]);
  assert.match((await restore(host, directory)).join(), /undid 1 change /);
  assert.deepEqual([...host.rules], []);
  assert.deepEqual(await directory.journals(), []);
});

Deno.test("undoAll() undoes lasting changes too unless told otherwise", async () => {
  await using directory = await TestDirectory.create();
  const host = new ModelHost();
  const journal = await open(host, directory);
  await addBoth(journal);
  assert.deepEqual(await journal.undoAll(), []);
  assert.deepEqual([...host.rules], []);
  assert.deepEqual(await directory.journals(), []);
});

Deno.test("restoreStale() leaves lasting changes when told to, as often as it is called", async () => {
  await using directory = await TestDirectory.create();
  const host = new ModelHost();
  const journal = await open(host, directory);
  await addBoth(journal);
  journal.close();
  assert.match((await restore(host, directory, "leave")).join(), /undid 1 .*left 1 .*in place/);
  assert.deepEqual(
    (await restore(host, directory, "leave")).map((line) => line.replace(/\d+\)/, "N)")),
    ["left 1 change by fluxify-test (process N) in place, as they outlive it"],
  );
  assert.deepEqual([...host.rules], ["guard"]);
  await restore(host, directory);
  assert.deepEqual([...host.rules], []);
});

Deno.test("restoreStale() hands lasting changes over to a journal, once", async () => {
  await using directory = await TestDirectory.create();
  const host = new ModelHost();
  const crashed = await open(host, directory);
  await addBoth(crashed);
  crashed.close();
  const heir = await open(host, directory);
  // Something of the one that is gone cannot be undone, so that its journal stays.
  host.changesLeft = 0;
  assert.match((await restore(host, directory, heir)).join(), /could not undo/);
  host.changesLeft = Infinity;
  assert.deepEqual(heir.lasting.map(({ handover }) => handover), ["for the next one"]);
  await restore(host, directory, heir);
  assert.equal(heir.lasting.length, 1);
  assert.deepEqual([...host.rules], ["guard"]);
  assert.equal((await directory.journals()).length, 1, "the heir's own");
  assert.deepEqual(await heir.undoAll(), []);
  assert.deepEqual([...host.rules], []);
});

Deno.test("a handover is bounded", () => {
  const header = { fluxify: 1 as const, program: "p", pid: 1, startTime: "0", bootId: "b" };
  const text = (handover: string) =>
    formatLine({ ...header, network: "1", processes: "1" }) +
    formatLine({ id: 1, kind: "command", undo: ["x"], handover });
  assert.equal(parseJournal(text("x".repeat(4096))).outstanding.length, 1);
  assert.equal(parseJournal(text("x".repeat(4097))).outstanding.length, 0);
});

Deno.test("a file that was never replaced needs nothing to be said", async () => {
  await using directory = await TestDirectory.create();
  const host = new ModelHost();
  const path = directory.file("resolv.conf");
  await Deno.writeTextFile(path, "old");
  const journal = await open(host, directory);
  await journal.apply({ kind: "file", path, content: "new" });
  journal.close();
  // As a crash between the record and the change leaves it.
  await Deno.writeTextFile(path, "old");
  assert.equal((await restore(host, directory)).length, 1);
  assert.equal(await Deno.readTextFile(path), "old");
});
