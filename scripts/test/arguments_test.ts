import { deepEqual } from "node:assert/strict";
import { parseTestArguments } from "./arguments.ts";

Deno.test("parseTestArguments() tells whether files or folders are named", () => {
  const read = (...argv: string[]) => {
    const { forDeno, namesFiles } = parseTestArguments(argv);
    return [forDeno, namesFiles];
  };
  deepEqual(read(), [[], false]);
  deepEqual(read("--", "--filter", "x"), [["--filter", "x"], false]);
  deepEqual(read("--filter=x", "--fail-fast"), [["--filter=x", "--fail-fast"], false]);
  deepEqual(read("--", "lib/cli"), [["lib/cli"], true]);
  deepEqual(read("--filter", "x", "lib/cli"), [["--filter", "x", "lib/cli"], true]);
  deepEqual(read("--", "--no-install"), [[], false]);
});

Deno.test("parseTestArguments() keeps --no-install for itself", () => {
  deepEqual(parseTestArguments(["--no-install"]).install, "print only");
  deepEqual(parseTestArguments([]).install, "install");
});
