import { equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { canRunTmux, Tmux } from "../../testing/tmux.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const PROGRAM = [Deno.execPath(), "run", "-A", MAIN];

Deno.test({
  name: "a new server is set up by questions, and told what to open",
  ignore: !canRunTmux(),
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const pki = join(directory.path, "pki");
    await using terminal = await Tmux.run([...PROGRAM, "-pki", pki, "setup"], {
      columns: 110,
      rows: 40,
    });
    await terminal.waitFor(/Names and addresses clients reach/);
    await terminal.type("vpn.example.com,203.0.113.10");
    await terminal.press("Enter");
    await terminal.waitFor(/UDP port for data/);
    await terminal.type("99999");
    await terminal.press("Enter");
    await terminal.waitFor(/must be 1 to 65535/);
    await terminal.press("C-u");
    await terminal.type("9000");
    await terminal.press("Enter");
    await terminal.waitFor(/TCP port for control/);
    await terminal.press("Enter");
    await terminal.waitFor(/Name of the first client/);
    await terminal.type("laptop");
    await terminal.press("Enter");
    const end = await terminal.waitFor(/exit \d/);
    match(end, /open TCP 8443 and UDP 9000/);
    match(
      end,
      /sudo fluxify-server -hosts vpn\.example\.com,203\.0\.113\.10 -port 9000 -ctrl 8443/,
    );
    match(end, /exit 0/);
    ok((await Deno.stat(join(pki, "clients/laptop.bundle"))).isFile);
  },
});

Deno.test("setup of a server without a terminal names the commands to use", async () => {
  const { code, stderr } = await new Deno.Command(PROGRAM[0]!, {
    args: [...PROGRAM.slice(1), "setup"],
    stdin: "null",
  }).output();
  equal(code, 2);
  match(new TextDecoder().decode(stderr), /use 'cert init -hosts NAMES' and 'cert new NAME'/);
});
