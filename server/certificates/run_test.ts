import { deepEqual } from "node:assert/strict";
import { join } from "node:path";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const START_LIMIT_MS = 60_000;

Deno.test("a cert command whose folder is a file is refused in one line", async () => {
  await using directory = await TemporaryDirectory.create();
  const file = join(directory.path, "file");
  await Deno.writeTextFile(file, "");
  for (const action of [["new", "laptop"], ["list"]]) {
    const program = ["run", "--quiet", "-A", "--no-check", join(ROOT, "server/main.ts")];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...program, "cert", ...action, "-pki", file],
      signal: AbortSignal.timeout(START_LIMIT_MS),
      cwd: ROOT,
    }).output();
    const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    const why = "a part of this path that must be a folder is a file; check the path";
    deepEqual(
      [code, ...text],
      [1, "", `fluxify-server: Cannot read ${file}/ca.pem: ${why}\n`],
      action[0],
    );
  }
});
