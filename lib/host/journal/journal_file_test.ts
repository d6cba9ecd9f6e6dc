/** The file of a journal whose process runs, as another process would find it at any moment. */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { JournalFile, noteSettled, ownerOf, readJournal, removeJournal } from "./journal_file.ts";
import { ownIdentity } from "./process_identity.ts";
import type { ChangeRecord } from "./record.ts";
import { StateDirectory } from "./state_directory.ts";
import { TestDirectory } from "./test_directory.ts";

const PROGRAM = "fluxify-client";

function change(id: number): ChangeRecord {
  return { id, kind: "command", undo: ["ip", "route", "del", `203.0.113.${id % 250}/32`] };
}

async function newJournal(directory: TestDirectory): Promise<JournalFile> {
  return await JournalFile.create(
    await StateDirectory.open(directory.path),
    PROGRAM,
    await ownIdentity(),
  );
}

async function idsIn(path: string): Promise<number[]> {
  return [...(await readJournal(path)).outstanding.values()].map(({ id }) => id);
}

Deno.test("a change is on the disk when it is recorded, and gone when it is settled", async () => {
  await using directory = await TestDirectory.create();
  const journal = await newJournal(directory);
  for (const id of [1, 2, 3]) {
    await journal.record(change(id));
    deepEqual((await idsIn(journal.path)).at(-1), id);
  }
  await journal.settle(2);
  await journal.settle(99);
  deepEqual(await idsIn(journal.path), [1, 3]);
  deepEqual([...journal.outstanding.keys()], [1, 3]);
  equal((await readJournal(journal.path)).header?.pid, Deno.pid);
  equal((await Deno.stat(journal.path)).mode! & 0o777, 0o600);
  await journal.remove();
  deepEqual(await directory.journals(), []);
});

Deno.test("the journals of one process have files of their own, each locked", async () => {
  await using directory = await TestDirectory.create();
  const [one, two] = [await newJournal(directory), await newJournal(directory)];
  ok(one.path !== two.path);
  for (const { path } of [one, two]) {
    using file = await Deno.open(path, { write: true });
    equal(await file.tryLock(true), false);
  }
  one.close();
  two.close();
});

Deno.test("many changes that come and go do not make the file long", async () => {
  await using directory = await TestDirectory.create();
  const journal = await newJournal(directory);
  await journal.record(change(1));
  for (let id = 2; id < 700; id++) {
    await journal.record(change(id));
    await journal.settle(id);
  }
  deepEqual(await idsIn(journal.path), [1]);
  const lines = (await Deno.readTextFile(journal.path)).split("\n").length;
  ok(lines < 800, `${lines} lines`);
  using file = await Deno.open(journal.path, { write: true });
  equal(await file.tryLock(true), false, "the new file is locked, too");
  journal.close();
});

Deno.test("a journal that is full takes no more, and keeps what it has", async () => {
  await using directory = await TestDirectory.create();
  const journal = await newJournal(directory);
  for (let id = 1; id <= 4096; id++) journal.outstanding.set(id, change(id));
  await rejects(journal.record(change(5000)), /it holds 4096 changes already/);
  equal(journal.outstanding.size, 4096);
  journal.close();
});

Deno.test("a line that was torn stands for a change that was never made", async () => {
  await using directory = await TestDirectory.create();
  const journal = await newJournal(directory);
  await journal.record(change(1));
  journal.close();
  await Deno.writeTextFile(journal.path, '{"id":2,"kind":"comm', { append: true });
  deepEqual(await idsIn(journal.path), [1]);
});

Deno.test("a journal of a program that is gone is read, marked and removed", async () => {
  await using directory = await TestDirectory.create();
  const journal = await newJournal(directory);
  for (const id of [1, 2]) await journal.record(change(id));
  journal.close();
  await noteSettled(journal.path, 1);
  deepEqual(await idsIn(journal.path), [2]);
  equal(ownerOf(journal.path, journal.header), `${PROGRAM} (process ${Deno.pid})`);
  equal(ownerOf(journal.path, undefined), `${PROGRAM} (process ${Deno.pid})`);
  await Deno.writeTextFile(`${journal.path}.new`, "left behind");
  await removeJournal(journal.path);
  await removeJournal(journal.path);
  deepEqual(await directory.journals(), []);
  deepEqual(await idsIn(journal.path), []);
});
