import { deepEqual, throws } from "node:assert/strict";
import { report } from "./restore.ts";

function printed(lines: readonly string[]): { lines: string[]; run: () => void } {
  const out: string[] = [];
  return { lines: out, run: () => report(lines, (line) => out.push(line)) };
}

Deno.test("restore says what was undone, and that there was nothing", () => {
  const some = printed(["undid 3 changes left by fluxify-client (process 812), which is gone"]);
  some.run();
  deepEqual(some.lines.length, 1);
  const none = printed([]);
  none.run();
  deepEqual(none.lines, ["nothing to restore: no earlier run left anything behind"]);
});

Deno.test("restore fails when something is left, after it has said what", () => {
  const lines = ["undid 2 changes left by x", "could not undo a change by x: Resource busy"];
  const { lines: out, run } = printed(lines);
  throws(run, /Cannot undo everything: .*'fluxify-client restore' again/);
  deepEqual(out, lines);
});
