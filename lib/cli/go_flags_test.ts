import { deepEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "./exit.ts";
import { type KnownFlags, rewriteGoFlags } from "./go_flags.ts";

const KNOWN: KnownFlags = new Map([
  ["--port", "value"],
  ["--mss-clamp", "value"],
  ["--regen", "switch"],
  ["--verbose", "switch"],
  ["-v", "switch"],
  ["-b", "switch"],
]);

Deno.test("rewriteGoFlags() gives known long options their second dash", () => {
  const cases: [string[], string[]][] = [
    [["-port", "8000"], ["--port", "8000"]],
    [["-port=8000"], ["--port=8000"]],
    [["-mss-clamp=pmtu"], ["--mss-clamp=pmtu"]],
    [["--port=8000"], ["--port=8000"]],
    [["--port", "8000"], ["--port", "8000"]],
    [["-regen", "-port", "1"], ["--regen", "--port", "1"]],
    [["-port="], ["--port="]],
  ];
  for (const [argv, expected] of cases) deepEqual(rewriteGoFlags(argv, KNOWN), expected);
});

Deno.test("rewriteGoFlags() leaves everything else alone", () => {
  const untouched = [["-v"], ["-b"], ["-l"], ["-vb"], ["-prot", "1"], ["--prot"], ["-"], ["-=x"]];
  untouched.push(["port"], ["cert", "new", "port"], [""], ["---port"], ["-8000"]);
  for (const argv of untouched) deepEqual(rewriteGoFlags(argv, KNOWN), argv);
});

Deno.test("rewriteGoFlags() does not touch values or what follows --", () => {
  deepEqual(rewriteGoFlags(["-port", "-regen"], KNOWN), ["--port", "-regen"]);
  deepEqual(rewriteGoFlags(["--port", "-regen"], KNOWN), ["--port", "-regen"]);
  deepEqual(rewriteGoFlags(["-port=1", "-regen"], KNOWN), ["--port=1", "--regen"]);
  deepEqual(rewriteGoFlags(["-regen", "--", "-port"], KNOWN), ["--regen", "--", "-port"]);
  deepEqual(rewriteGoFlags(["-port"], KNOWN), ["--port"]);
});

Deno.test("rewriteGoFlags() takes every form of a switch that Go takes", () => {
  for (const word of ["1", "t", "T", "true", "TRUE", "True"]) {
    deepEqual(rewriteGoFlags([`-v=${word}`, `--regen=${word}`], KNOWN), ["-v", "--regen"]);
  }
  for (const word of ["0", "f", "F", "false", "FALSE", "False"]) {
    deepEqual(rewriteGoFlags([`-b=${word}`, `-regen=${word}`, "x"], KNOWN), ["x"]);
  }
  deepEqual(rewriteGoFlags(["--b", "--v=true", "--verbose=T"], KNOWN), ["-b", "-v", "--verbose"]);
  throws(
    () => rewriteGoFlags(["-regen=yes"], KNOWN),
    new UsageError("-regen is on or off: -regen, -regen=true or -regen=false"),
  );
});

Deno.test("rewriteGoFlags() is done after one pass, and no argument is added", () => {
  const word = fc.constantFrom("-port", "--port", "-port=1", "-v", "-regen", "--", "x", "-x", "");
  fc.assert(fc.property(fc.array(word, { maxLength: 12 }), (argv) => {
    const once = rewriteGoFlags(argv, KNOWN);
    deepEqual(once.length, argv.length);
    deepEqual(rewriteGoFlags(once, KNOWN), once);
  }));
});
