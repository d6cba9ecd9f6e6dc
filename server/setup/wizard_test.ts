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
    await terminal.press("C-u");
    await terminal.type("bad name!, vpn.example.com");
    await terminal.press("Enter");
    await terminal.waitFor(/It must be an IP address or a host name, not 'bad name!'/);
    await terminal.press("C-u");
    await terminal.type("vpn.example.com, 203.0.113.10");
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
    match(end, /made in[^]*Certificate for laptop issued/);
    match(end, /On the client:\n {2}sudo fluxify-client -b -server vpn\.example\.com -cert laptop/);
    match(end, /let TCP 8443 and UDP 9000 through the\s+firewalls/);
    match(end, /^ {2}nft insert rule inet filter input tcp dport 8443 accept$/m);
    match(end, /sudo fluxify-server -hosts vpn\.example\.com,203\.0\.113\.10 -port 9000/);
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
