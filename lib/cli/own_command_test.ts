import { deepEqual } from "node:assert/strict";
import { ownCommandOf, readOwnCommand } from "./own_command.ts";

Deno.test("ownCommandOf() leaves the program's own arguments out, in each form", () => {
  const source = ["deno", "run", "-A", "client/main.ts", "up", "-name", "home"];
  deepEqual(ownCommandOf("/usr/bin/deno", source, ["up", "-name", "home"], "/root", null), {
    path: "/usr/bin/deno",
    args: ["run", "-A", "client/main.ts"],
    env: {},
  });
  deepEqual(ownCommandOf("/bin/fluxify-client", ["fluxify-client", "up"], ["up"], "/root", null), {
    path: "/bin/fluxify-client",
    args: [],
    env: {},
  });
});

Deno.test("a packed program keeps its caller's home from the runtime", () => {
  const words = ["/c/fluxify-client", "run", "--no-npm", "/c/p/program.js"];
  const env = { HOME: "/c/p/", FLUXIFY_HOME: "/home/anna" };
  deepEqual(ownCommandOf("/c/fluxify-client", words, [], "/home/anna", "/c/p/"), {
    path: "/c/fluxify-client",
    args: ["run", "--no-npm", "/c/p/program.js"],
    env,
  });
  const { env: without } = ownCommandOf("/c/fluxify-client", words, [], undefined, "/c/p/");
  deepEqual(without, { ...env, FLUXIFY_HOME: "" });
});

Deno.test("readOwnCommand() begins with the runtime that runs", () => {
  const { path, args } = readOwnCommand("source");
  deepEqual([path, args.includes("up")], [Deno.execPath(), false]);
});
