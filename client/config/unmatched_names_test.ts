import { deepEqual } from "node:assert/strict";
import { UnmatchedNames } from "./unmatched_names.ts";

Deno.test("a name that no link has is told once for each flag, with the names there are", () => {
  const names = new UnmatchedNames(() => ({ "-rate": ["nolink", "dsl"], "-link": ["nolink"] }));
  deepEqual(names.look([]), [], "nobody knows the links yet");
  deepEqual(names.of([]), []);
  deepEqual(names.look(["fiber", "dsl"]), [
    "-rate names 'nolink', which is no link now and has effect once it is one; there are: fiber, dsl",
    "-link names 'nolink', which is no link now and has effect once it is one; there are: fiber, dsl",
  ]);
  deepEqual(names.look(["fiber", "dsl"]), []);
  deepEqual(names.of(["fiber", "dsl"]), ["nolink"]);
  deepEqual(names.of(["fiber", "dsl", "nolink"]), []);
});

Deno.test("links that share an interface are known by its name, and rules may change", () => {
  const given = { "-rate": ["wan"] };
  const names = new UnmatchedNames(() => given);
  deepEqual(names.look(["wan (192.0.2.2)", "wan (192.0.2.3)"]), []);
  given["-rate"] = ["wan (192.0.2.2)", "wan (192.0.2.9)"];
  deepEqual(names.of(["wan (192.0.2.2)"]), ["wan (192.0.2.9)"]);
});
