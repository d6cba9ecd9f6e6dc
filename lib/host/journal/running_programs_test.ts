import { deepEqual } from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { HostJournal } from "./host_journal.ts";
import { ownIdentity, type ProcessIdentity } from "./process_identity.ts";
import { runningPrograms } from "./running_programs.ts";
import { deadIdentity, TestDirectory } from "./test_directory.ts";

async function open(directory: TestDirectory, program: string, identity?: ProcessIdentity) {
  const runner = new FakeRunner().on("", "");
  const journal = await HostJournal.open({ program, runner, directory: directory.path, identity });
  await journal.apply({ kind: "command", argv: ["ip", "a"], undo: ["ip", "b"] });
  return journal;
}

Deno.test("runningPrograms() names those of the program that run here, but not itself", async () => {
  await using directory = await TestDirectory.create();
  const own = await open(directory, "client");
  const options = { directory: directory.path };
  deepEqual(await runningPrograms("client", own, options), []);
  const other = await open(directory, "client");
  const server = await open(directory, "server");
  deepEqual(await runningPrograms("client", own, options), [`client (process ${Deno.pid})`]);
  await other.undoAll();
  deepEqual(await runningPrograms("client", own, options), []);
  for (const journal of [own, server]) await journal.undoAll();
});

Deno.test("runningPrograms() leaves out the dead, and those of another network namespace", async () => {
  await using directory = await TestDirectory.create();
  const own = await open(directory, "client");
  const dead = await open(directory, "client", await deadIdentity());
  dead.close();
  const elsewhere = await open(directory, "client", { ...await ownIdentity(), network: "1" });
  deepEqual(await runningPrograms("client", own, { directory: directory.path }), []);
  for (const journal of [own, elsewhere]) await journal.undoAll();
});
