import { deepEqual } from "node:assert/strict";
import { join } from "node:path";
import { findUnusedExports } from "./check_exports.ts";
import { TemporaryDirectory } from "./lab/temporary_directory.ts";

Deno.test("findUnusedExports() names what no other module imports, and keeps to its exceptions", async () => {
  using directory = await TemporaryDirectory.create("exports-test");
  const root = directory.path;
  const write = async (file: string, text: string) => {
    await Deno.mkdir(join(root, file, ".."), { recursive: true });
    await Deno.writeTextFile(join(root, file), text);
  };
  await write("lib/a.ts", "export const used = 1;\nexport const own = 2;\nexport type Own = 3;\n");
  await write("lib/b_test.ts", 'import { used } from "./a.ts";\nused.toString();\n');
  await write("mod.ts", "export const face = 1;\n");
  const unused = await findUnusedExports(root, { "mod.ts": ["*"] });
  deepEqual(unused.map(({ file, name }) => `${file}: ${name}`), ["lib/a.ts: own", "lib/a.ts: Own"]);
  deepEqual(await findUnusedExports(root, { "mod.ts": ["face"], "lib/a.ts": ["own", "Own"] }), []);
});
