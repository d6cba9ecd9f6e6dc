import { equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { canRunTmux, Tmux } from "../../testing/tmux.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const PROGRAM = [Deno.execPath(), "run", "-A", MAIN];

async function cert(directory: string, ...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await new Deno.Command(PROGRAM[0]!, {
    args: [...PROGRAM.slice(1), "cert", ...args, "-pki", directory, "--json"],
    stdin: "null",
  }).output();
  equal(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test({
  name: "certificates are managed by keys and mouse, and others' changes are followed",
  ignore: !canRunTmux(),
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const pki = join(directory.path, "pki");
    await cert(pki, "init", "-hosts", "vpn.example.com");
    await using terminal = await Tmux.run([...PROGRAM, "-tui", "-pki", pki], {
      columns: 120,
      rows: 40,
    });
    await terminal.waitFor(/for +vpn\.example\.com/);
    await terminal.press("n");
    await terminal.waitFor(/Name of the new client/);
    await terminal.type("bad name!");
    await terminal.press("Enter");
    await terminal.waitFor(/Name of the new client: bad name!_[^]*Cannot use "bad name!"/);
    await terminal.press("w", "y");
    await terminal.waitFor(/Name of the new client: bad name!wy_/);
    await terminal.press("C-u");
    await terminal.type("laptop");
    await terminal.press("Enter");
    await terminal.waitFor(/> laptop .* valid[^]*Certificate for laptop issued/);
    ok((await Deno.stat(join(pki, "clients/laptop.bundle"))).isFile);

    await cert(pki, "new", "phone");
    await terminal.waitFor(/phone .* valid/);
    await terminal.click("phone");
    await terminal.waitFor(/> phone/);
    await terminal.click("[Revoke]");
    await terminal.waitFor(/Revoke phone\? y\/n/);
    await terminal.click("[Yes]");
    await terminal.waitFor(/> phone .* revoked[^]*; n issues a new certificate/);
    await terminal.press("r");
    await terminal.waitFor(/phone is revoked already: w makes a new certificate for it/);
    await terminal.press("w");
    await terminal.waitFor(/Issue anew for phone\? y\/n/);
    await terminal.press("y");
    await terminal.waitFor(/> phone .* valid[^]*Certificate for phone issued/);
    await terminal.press("n");
    await terminal.type("phone");
    await terminal.press("Enter");
    await terminal.waitFor(/there is a client phone already: .*w to renew it, r to revoke it/);
    await terminal.press("Escape");
    await terminal.waitFor(/up\/down select/);
    await terminal.press("r", "y");
    await terminal.waitFor(/> phone .* revoked/);

    await terminal.press("d");
    await terminal.waitFor(/Delete the files of phone\? y\/n/);
    await terminal.press("y");
    await terminal.waitFor(/phone is deleted; what was revoked of it stays on the list/);
    await terminal.press("d");
    await terminal.waitFor(/the files of phone are gone: its revocation stays/);
    await terminal.press("Up");
    await terminal.waitFor(/> laptop/);
    await terminal.click("[Delete]");
    await terminal.waitFor(/Revoke and delete laptop\? y\/n/);
    await terminal.click("[No]");
    await terminal.waitFor(/up\/down select/);
    await terminal.press("Enter");
    await terminal.waitFor(/status +valid[^]*SHA-256/);
    await terminal.press("c");
    await terminal.waitFor(/no QR code: the terminal is too small for it \(it takes \d+x\d+\)/);
    await terminal.resize(190, 95);
    await terminal.waitFor(/[█▀▄]{20}/);
    await terminal.press("Escape");
    await terminal.waitFor(/\[New\]/);
    await terminal.press("g");
    await terminal.waitFor(/Type REGENERATE/);
    await terminal.type("REGENERATE");
    await terminal.press("Enter");
    await terminal.waitFor(/no clients yet/);
    await terminal.resize(40, 12);
    await terminal.waitFor(/\[New\].*\n +\[Delete\] +\[Regenerate CA\] +\[Refresh\]\n +\[Quit\]/);
    await terminal.resize(30, 8);
    await terminal.waitFor(/this screen takes 40x12, and\nthe terminal has 30x8/);
    // What cannot be seen is not begun.
    await terminal.press("n");
    await terminal.press("q");
    await terminal.waitFor(/Quit\? y\/n/);
    await terminal.press("y");
    await terminal.waitFor(/exit 0/);
  },
});

Deno.test("each action is a command that writes JSON", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = join(directory.path, "pki");
  await cert(pki, "init", "-hosts", "vpn.example.com");
  const issued = await cert(pki, "new", "laptop") as { serial: string };
  const renewed = await cert(pki, "renew", "laptop") as { serial: string };
  ok(renewed.serial !== issued.serial);
  const shown = await cert(pki, "show", "laptop") as { serial: string; revokedEarlier: string[] };
  equal(shown.serial, renewed.serial);
  ok(shown.revokedEarlier.includes(issued.serial));
  const ca = await cert(pki, "ca") as { server: { names: string[] } };
  ok(ca.server.names.includes("vpn.example.com"));
  await cert(pki, "revoke", "laptop");
  const list = await cert(pki, "list") as { name: string; status: string }[];
  ok(list.every(({ status }) => status === "revoked"));
  await cert(pki, "regenerate", "--yes");
  equal((await cert(pki, "list") as unknown[]).length, 0);
});

Deno.test("cert regenerate does nothing without --yes, and -tui needs a terminal", async () => {
  const run = async (...args: string[]) => {
    const { code, stderr } = await new Deno.Command(PROGRAM[0]!, {
      args: [...PROGRAM.slice(1), ...args],
      stdin: "null",
    }).output();
    return { code, stderr: new TextDecoder().decode(stderr) };
  };
  const refused = await run("cert", "regenerate", "-pki", "/nowhere");
  equal(refused.code, 2);
  match(refused.stderr, /add --yes to do it/);
  const piped = await run("-tui", "-pki", "/nowhere");
  equal(piped.code, 2);
  match(
    piped.stderr,
    /-tui needs a terminal .*: start it in one, or use 'fluxify-server cert list'/,
  );
});
