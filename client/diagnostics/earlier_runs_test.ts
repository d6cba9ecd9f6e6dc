import { deepEqual, equal, match } from "node:assert/strict";
import { earlierRunChecks, leftBehindLine } from "./earlier_runs.ts";

const LEFT = [{ owner: "fluxify-client (process 812)", what: "the kill switch, 3 routes" }];

Deno.test("what a killed client left is a warning that names restore", async () => {
  const [check, ...others] = await earlierRunChecks(true, () => Promise.resolve(LEFT));
  deepEqual(others, []);
  equal(check!.state, "warning");
  match(check!.text, /process 812\) is gone, and still in force are the kill switch, 3 routes/);
  equal(check!.advice, "sudo fluxify-client restore");
  match(leftBehindLine(LEFT)!, /left the kill switch, 3 routes: 'sudo fluxify-client restore'/);
});

Deno.test("nothing left is well, and who may not look says so", async () => {
  const [well] = await earlierRunChecks(true, () => Promise.resolve([]));
  equal(well!.state, "ok");
  equal(leftBehindLine([]), null);
  const [left] = await earlierRunChecks(false, () => Promise.reject(new Error("not asked")));
  equal(left!.state, "left out");
  const [unreadable] = await earlierRunChecks(true, () => Promise.reject(new Error("torn")));
  deepEqual([unreadable!.state, unreadable!.text], ["warning", "torn"]);
});
