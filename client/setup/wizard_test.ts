import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { INTERNET_ADDRESS, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { environment, newClientCertificate, startServer } from "../../scripts/lab/programs.ts";
import { chooseBonding, nameBundle, nameServer } from "../../testing/setup_answers.ts";
import { canRunTmux, Tmux } from "../../testing/tmux.ts";
import { createSmallLab, ping } from "../../tests/e2e/small_lab.ts";
import { needsRoot } from "../../tests/netns/namespace.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const DENO_DIR = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
const PROGRAM = [Deno.execPath(), "run", "-A", MAIN];

Deno.test({
  name: "netns: the first run asks, saves, starts, and the next shows the form",
  ignore: needsRoot().ignore || !canRunTmux(),
  fn: async () => {
    await using lab = await createSmallLab();
    const bundle = await newClientCertificate(lab, "laptop");
    const server = await startServer(lab);
    const home = join(lab.directory, "home");
    await Deno.mkdir(home);
    const { env } = environment(lab, "client");
    const options = {
      within: ["ip", "netns", "exec", lab.client.name],
      env: { ...env, HOME: home, SUDO_USER: "", DENO_DIR },
      columns: 100,
      rows: 30,
    };
    const imported = join(home, ".fluxify", "laptop.bundle");
    const answerAll = async (terminal: Tmux) => {
      await chooseBonding(terminal);
      await terminal.type("not..a.host");
      await terminal.press("Enter");
      await terminal.waitFor(/must be an IP address or a host name/);
      await terminal.press("C-u");
      await nameServer(terminal, SERVER_ADDRESS);
      await nameBundle(terminal, bundle);
      await terminal.waitFor(/Which links\?[^]*one[^]*two/);
      await terminal.press("Enter");
      await terminal.waitFor(/Start now\?/);
    };
    await using left = await Tmux.run(PROGRAM, options);
    await answerAll(left);
    await left.press("C-c");
    await left.waitFor(/setup was left, and nothing was saved[^]*exit 0/);
    deepEqual([...Deno.readDirSync(join(imported, ".."))], []);

    await using terminal = await Tmux.run(PROGRAM, options);
    await answerAll(terminal);
    await terminal.press("Enter");
    await terminal.waitFor(/bonding to 203\.0\.113\.10[^]*one +up[^]*two +up/);
    await ping(lab.client, INTERNET_ADDRESS);
    await terminal.press("q");
    await terminal.waitFor(/Stop\? y\/n/);
    await terminal.press("y");
    await terminal.waitFor(/not running[^]*stopped: the machine's own routes are back/);
    await terminal.press("q", "y");
    await terminal.waitFor(/exit 0/);
    equal((await Deno.stat(imported)).mode! & 0o777, 0o600);
    const saved = JSON.parse(await Deno.readTextFile(join(home, ".fluxify", "config.json")));
    equal(saved.server, SERVER_ADDRESS);
    equal(saved.ifaces.join(), "one,two");

    await using next = await Tmux.run(PROGRAM, options);
    await next.waitFor(/\[x\] one[^]*\[x\] two[^]*ready/);
    await next.press("C-c", "y");
    await next.waitFor(/exit 0/);
    server.signal("SIGTERM");
    await server.ended;
  },
});

/** `fluxify-client setup` in a home that is empty before it, and after: nothing is saved. */
function testLeaving(name: string, leave: (terminal: Tmux) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !canRunTmux(),
    fn: async () => {
      const home = await Deno.makeTempDir({ prefix: `fluxify-setup-${Deno.pid}-` });
      try {
        const env = { HOME: home, SUDO_USER: "", DENO_DIR };
        await using terminal = await Tmux.run([...PROGRAM, "setup"], { env });
        await terminal.waitFor(/What is it to do\?/);
        await leave(terminal);
        const end = await terminal.waitFor(/exit 0\nmodes /);
        match(end, /setup was left, and nothing was saved/);
        const modes = [...end.matchAll(/^modes (.*)$/gm)].map(([, number]) => number);
        equal(modes[0], modes[1]);
        ok(![...Deno.readDirSync(home)].some(({ name }) => name === ".fluxify"));
      } finally {
        await Deno.remove(home, { recursive: true });
      }
    },
  });
}

testLeaving(
  "questions that are left save nothing, and give the terminal back",
  async (terminal) => {
    await terminal.press("C-c");
  },
);

testLeaving("a bundle that is being pasted can be left with Ctrl-C", async (terminal) => {
  await terminal.press("Enter");
  await terminal.waitFor(/Name or address of the server/);
  await terminal.type("vpn.example.com");
  await terminal.press("Enter");
  await terminal.waitFor(/Which certificate\?/);
  await terminal.press("Down", "Enter");
  await terminal.waitFor(/Paste the whole bundle/);
  await terminal.type("half a bundle");
  await terminal.press("Enter", "C-c");
});

Deno.test({
  name: "netns: a bundle that is pasted is never on the screen, and links keep their order",
  ignore: needsRoot().ignore || !canRunTmux(),
  fn: async () => {
    await using lab = await createSmallLab();
    const bundle = await newClientCertificate(lab, "laptop");
    const text = await Deno.readTextFile(bundle);
    const home = join(lab.directory, "home");
    const settings = join(home, ".fluxify", "config.json");
    await Deno.mkdir(join(home, ".fluxify"), { recursive: true });
    await Deno.writeTextFile(settings, '{"version": 1, "mode": "bonding", "ifaces": "two,one"}');
    await using terminal = await Tmux.run([...PROGRAM, "setup"], {
      within: ["ip", "netns", "exec", lab.client.name],
      env: { HOME: home, SUDO_USER: "", DENO_DIR },
      columns: 100,
      rows: 30,
    });
    await chooseBonding(terminal);
    await nameServer(terminal, SERVER_ADDRESS);
    await terminal.press("Down", "Enter");
    await terminal.waitFor(/Paste the whole bundle/);
    for (const line of text.trim().split("\n")) {
      await terminal.type(line);
      await terminal.press("Enter");
    }
    await terminal.waitFor(/read: certificate\n +read: certificate\n +read: private key/);
    await terminal.press("Enter");
    const asked = await terminal.waitFor(/Which links\?[^]*two[^]*one/);
    await terminal.press("Enter");
    await terminal.waitFor(/Start now\?/);
    await terminal.type("n");
    await terminal.press("Enter");
    const all = asked + await terminal.waitFor(/exit 0\nmodes /) + await terminal.history();
    // Neither the key nor anything else of the bundle.
    for (const line of text.trim().split("\n")) ok(!all.includes(line), `${line} is shown`);
    const [before, after] = [...all.matchAll(/^modes (.*)$/gm)].map(([, number]) => number);
    equal(before, after);
    equal(await Deno.readTextFile(join(home, ".fluxify", "laptop.bundle")), text);
    equal(JSON.parse(await Deno.readTextFile(settings)).ifaces.join(), "two,one");
  },
});

Deno.test("setup on piped stdin names the flags and does not hang", async () => {
  const child = new Deno.Command(PROGRAM[0]!, {
    args: [...PROGRAM.slice(1), "setup"],
    stdin: "piped",
    stderr: "piped",
    stdout: "null",
  }).spawn();
  const { code, stderr } = await child.output();
  await child.stdin.close().catch(() => {});
  equal(code, 2);
  match(new TextDecoder().decode(stderr), /needs a terminal: without one, use -b -server HOST/);
});
