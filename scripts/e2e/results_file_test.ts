import { deepEqual } from "node:assert/strict";
import { join } from "node:path";
import { TemporaryDirectory } from "../lab/temporary_directory.ts";
import { ResultsFile } from "./results_file.ts";

Deno.test("results are passed on once each, complete lines only", async () => {
  using directory = await TemporaryDirectory.create("results");
  const file = new ResultsFile(join(directory.path, "results.jsonl"));
  const names = (results: { scenario: string }[]) => results.map(({ scenario }) => scenario);
  const write = (text: string) => Deno.writeTextFile(file.path, text, { append: true });
  deepEqual(await file.takeNew(), []);
  await write('{"scenario":"a"}\n{"scenario":"b"}\n{"scen');
  deepEqual(names(await file.takeNew()), ["a", "b"]);
  deepEqual(await file.takeNew(), []);
  await write('ario":"c"}\n');
  deepEqual(names(await file.takeNew()), ["c"]);
});
