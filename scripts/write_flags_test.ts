import { equal, ok } from "node:assert/strict";
import { join, resolve } from "node:path";
import { describeClientProgram } from "../client/config/options.ts";
import { optionTable } from "../lib/cli/option_table.ts";
import { describeServerProgram } from "../server/options.ts";
import { describedFlags } from "./write_flags.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const read = (path: string) => Deno.readTextFile(join(ROOT, path));

Deno.test("docs/operations.md and the man pages say what the programs declare", async () => {
  const described = await describedFlags(read);
  equal(described.size, 3);
  for (const [path, text] of described) {
    equal(await read(path), text, `${path}: run 'deno run -A scripts/write_flags.ts'`);
  }
});

Deno.test("every option is under a heading of the help", () => {
  for (const program of [describeClientProgram(), describeServerProgram()]) {
    for (const { name, group } of optionTable(program)) ok(group !== null, name);
  }
});

Deno.test("man formats the pages without a warning", async () => {
  for (const page of ["fluxify-client.1", "fluxify-server.1"]) {
    const { code, stdout, stderr } = await new Deno.Command("man", {
      args: ["--warnings=w", "-l", join(ROOT, "docs/man", page)],
      env: { MANWIDTH: "80", LC_ALL: "C.UTF-8", MAN_KEEP_FORMATTING: "", PAGER: "cat" },
    }).output();
    equal(code, 0);
    equal(new TextDecoder().decode(stderr), "");
    ok(/--?v/.test(new TextDecoder().decode(stdout)));
  }
});
