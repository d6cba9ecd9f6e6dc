import { deepEqual } from "node:assert/strict";
import { parseTestArguments } from "./arguments.ts";

Deno.test("parseTestArguments() runs everything unless a path is named", () => {
  const forDeno = (...argv: string[]) => parseTestArguments(argv, ["lib", "tests"]).forDeno;
  deepEqual(forDeno(), ["lib", "tests"]);
  deepEqual(forDeno("--", "--filter", "x"), ["--filter", "x", "lib", "tests"]);
  deepEqual(forDeno("--filter=x", "--fail-fast"), ["--filter=x", "--fail-fast", "lib", "tests"]);
  deepEqual(forDeno("--", "lib/cli"), ["lib/cli"]);
  deepEqual(forDeno("--filter", "x", "lib/cli"), ["--filter", "x", "lib/cli"]);
  deepEqual(forDeno("--", "--no-install"), ["lib", "tests"]);
});

Deno.test("parseTestArguments() keeps --no-install for itself", () => {
  deepEqual(parseTestArguments(["--no-install"], []).install, "print only");
  deepEqual(parseTestArguments([], []).install, "install");
});
