import { deepEqual, equal, match, ok } from "node:assert/strict";
import { openServerPki } from "../../../lib/pki/server_pki.ts";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HostJournal } from "../../../lib/host/journal/host_journal.ts";
import { deadIdentity, TestDirectory } from "../../../lib/host/journal/test_directory.ts";
import { ModelHost } from "../../../testing/model_host.ts";
import { TemporaryDirectory } from "../../../testing/pki/temporary_directory.ts";
import { canRunTmux, Tmux } from "../../../testing/tmux.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
const DENO_DIR = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
const PROGRAM = [Deno.execPath(), "run", "-A", "--no-lock", MAIN];

/** The machine has been looked at: nothing moves under the mouse any more. */
const LOOKED = /Cannot find a client certificate[^]*links: 0 selected/;

const canRun = canRunTmux();
if (!canRun) console.warn("tests of the start screen are left out: install tmux");

async function start(
  home: string,
  options: { columns?: number; rows?: number; env?: Record<string, string> } = {},
): Promise<Tmux> {
  const env = { HOME: home, SUDO_USER: "", DENO_DIR, ...options.env };
  return await Tmux.run(PROGRAM, { ...options, env });
}

/** The modes of the terminal before and after are the same. */
async function endsAsItBegan(terminal: Tmux, code: number): Promise<void> {
  const screen = await terminal.waitFor(/exit \d+\nmodes /);
  match(screen, new RegExp(`exit ${code}\\n`));
  const modes = [...screen.matchAll(/^modes (.*)$/gm)].map(([, number]) => number);
  equal(modes.length, 2, screen);
  equal(modes[0], modes[1]);
}

/** The program that was started with this home. */
async function processOf(home: string): Promise<number> {
  const { stdout } = await new Deno.Command("pgrep", { args: ["-f", `^${PROGRAM[0]} .*${MAIN}`] })
    .output();
  const own = new TextDecoder().decode(stdout).trim().split("\n").map(Number).filter((pid) => {
    const environment = Deno.readTextFileSync(`/proc/${pid}/environ`);
    const isProgram = Deno.readLinkSync(`/proc/${pid}/exe`) === Deno.execPath();
    return isProgram && environment.includes(`HOME=${home}\0`);
  });
  equal(own.length, 1);
  return own[0]!;
}

function screenTest(name: string, fn: (home: string) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !canRun,
    fn: async () => {
      await using directory = await TemporaryDirectory.create();
      // Without settings the first run asks questions.
      await Deno.mkdir(join(directory.path, ".fluxify"));
      await Deno.writeTextFile(join(directory.path, ".fluxify", "config.json"), '{"version": 1}');
      await fn(directory.path);
    },
  });
}

screenTest("what a killed client left in force is said at once", async (home) => {
  await using state = await TestDirectory.create();
  const journal = await HostJournal.open({
    ...{ program: "fluxify-client", runner: new ModelHost(), directory: state.path },
    identity: await deadIdentity(),
  });
  const undo = ["ip", "-4", "route", "del", "0.0.0.0/1", "dev", "fluxify"];
  await journal.apply({ kind: "command", argv: ["ip", "add", "a"], undo });
  journal.close();
  const env = { FLUXIFY_STATE_DIR: state.path };
  await using terminal = await start(home, { columns: 120, rows: 40, env });
  await terminal.waitFor(/fluxify-client \(process \d+\) is gone and left 1 route: 'sudo fluxify-/);
  await terminal.press("Tab", "q");
  await terminal.waitFor(/Quit\? y\/n/);
  await terminal.press("y");
  await endsAsItBegan(terminal, 0);
});

screenTest("the form by keys: typed, saved at once, refused, and left", async (home) => {
  await using terminal = await start(home);
  await terminal.waitFor(/links: 0 selected/);
  await terminal.type("vpn.example.com");
  await terminal.waitFor(/> Server +vpn\.example\.com/);
  await terminal.press("F5");
  await terminal.waitFor(/needs a client certificate, two selected links/);
  await terminal.press("Tab", "s");
  await terminal.waitFor(/settings: Enter changes/);
  await terminal.press("?");
  await terminal.waitFor(/back to the form; what was changed is saved/);
  await terminal.press("?", ...Array(8).fill("Down"), "Enter");
  await terminal.waitFor(/MTU of the tunnel, 576 to 9000; 0 is 1400, less when a link is smaller/);
  await terminal.type("12");
  await terminal.press("Enter");
  await terminal.waitFor(/mtu +12_[^]*"mtu" is not right/);
  // What is typed on goes on being the text of the setting.
  await terminal.type("q");
  await terminal.waitFor(/mtu +12q_/);
  await terminal.press("C-u");
  await terminal.type("1300");
  await terminal.press("Enter");
  await terminal.waitFor(/mtu +1300/);
  await terminal.press("Escape");
  await terminal.waitFor(/Tab next/);
  await terminal.press("q");
  await terminal.waitFor(/Quit\? y\/n/);
  await terminal.press("y");
  await endsAsItBegan(terminal, 0);
  const saved = JSON.parse(await Deno.readTextFile(join(home, ".fluxify", "config.json")));
  equal(saved.server, "vpn.example.com");
  equal(saved.mtu, 1300);
});

screenTest(
  "several servers are typed with spaces between, saved, and shown again",
  async (home) => {
    const path = join(home, ".fluxify", "config.json");
    await using terminal = await start(home);
    await terminal.waitFor(LOOKED);
    await terminal.type("a.example:9443 b.example:9443");
    await terminal.press("Tab");
    await terminal.waitFor(/ Server +a\.example b\.example/);
    await terminal.press("C-c", "y");
    await endsAsItBegan(terminal, 0);
    const saved = JSON.parse(await Deno.readTextFile(path));
    deepEqual([saved.servers, saved.server, saved.ctrl], [
      ["a.example", "b.example"],
      undefined,
      9443,
    ]);
    await using again = await start(home);
    await again.waitFor(/ Server +a\.example b\.example/);
    await again.waitFor(LOOKED);
    await again.press("BTab", "BTab", "C-u");
    await again.type("c.example");
    await again.press("Tab");
    await again.waitFor(/ Server +c\.example/);
    await again.press("C-c", "y");
    await endsAsItBegan(again, 0);
    const one = JSON.parse(await Deno.readTextFile(path));
    deepEqual([one.servers, one.server], [undefined, "c.example"]);
  },
);

screenTest("a server that is refused stays in its field, and is never saved", async (home) => {
  const path = join(home, ".fluxify", "config.json");
  await Deno.writeTextFile(path, '{"version": 1, "mode": "bonding", "server": "vpn.example.com"}');
  await using terminal = await start(home);
  await terminal.waitFor(LOOKED);
  await terminal.press("BTab", "BTab", "C-u");
  await terminal.type("vpn..x");
  await terminal.press("Tab");
  await terminal.waitFor(
    /> Server +vpn\.\.x_[^]*needs a valid server name[^]*must be an IP address/,
  );
  await terminal.press("C-c", "y");
  await endsAsItBegan(terminal, 0);
  equal(JSON.parse(await Deno.readTextFile(path)).server, "vpn.example.com");
});

screenTest("a bundle that is copied to its folder is seen at once", async (home) => {
  await using terminal = await start(home);
  await terminal.waitFor(LOOKED);
  await terminal.press("F5");
  await terminal.waitFor(/needs a server, a client certificate[^]*needs a server, a client/);
  const now = new Date();
  const pki = await openServerPki(join(home, "pki"), { hosts: ["h"], regenerate: false, now });
  const { bundlePath } = await pki.issueClient("laptop", now);
  await Deno.copyFile(bundlePath, join(home, ".fluxify", "laptop.bundle"));
  const screen = await terminal.waitFor(/Certificate +laptop of Fluxify CA, until/, 5_000);
  // What was said before is not said below what is so now.
  equal(screen.match(/needs a server/g)?.length, 1, screen);
  ok(!screen.includes("client certificate,"), screen);
  await terminal.press("C-c", "y");
  await endsAsItBegan(terminal, 0);
});

screenTest("Home, End and the wheel move in the settings, and each is explained", async (home) => {
  await using terminal = await start(home);
  await terminal.waitFor(LOOKED);
  await terminal.press("Tab", "s");
  const first = await terminal.waitFor(/settings: Enter changes/);
  const explained = (screen: string) => /^─ (\S+) ─+\n(?: {2}\S.*\n)+/m.exec(screen)?.[1];
  ok(explained(first) !== undefined, first);
  await terminal.press("End");
  const last = explained(await terminal.waitFor(/^> (?!scheduler)/m));
  ok(last !== explained(first));
  await terminal.type("\x1b[<64;10;10M");
  await terminal.waitFor(new RegExp(`^> (?!${last}|scheduler)`, "m"));
  await terminal.press("Home");
  await terminal.waitFor(new RegExp(`^> ${explained(first)} `, "m"));
  await terminal.type("\x1b[<65;10;10M");
  await terminal.waitFor(new RegExp(`^ {2}${explained(first)} `, "m"));
  await terminal.press("C-c", "y");
  await endsAsItBegan(terminal, 0);
});

screenTest("the form by mouse, on 120x40, and at another size", async (home) => {
  await using terminal = await start(home, { columns: 120, rows: 40 });
  await terminal.waitFor(LOOKED);
  await terminal.click("load balance");
  await terminal.waitFor(/\(\*\) load balance[^]*none: load balance needs no server/);
  await terminal.resize(80, 24);
  await terminal.waitFor(/q quit|\? help/);
  await terminal.click("[Settings]");
  await terminal.waitFor(/health-interval +5s/);
  await terminal.click("[Back]");
  await terminal.waitFor(/\[Quit\]/);
  await terminal.click("[Quit]");
  await terminal.waitFor(/Quit\? y\/n/);
  await terminal.click("[Yes]");
  await endsAsItBegan(terminal, 0);
});

screenTest("the diagnosis is shown as it goes, saved, and left", async (home) => {
  await using terminal = await start(home, { columns: 120, rows: 40 });
  await terminal.waitFor(LOOKED);
  await terminal.click("[Diagnose]");
  await terminal.waitFor(/Diagnosis .*done[^]*What to do/);
  await terminal.press("s");
  const saved = join(home, ".fluxify", "diagnosis.txt");
  await terminal.waitFor(/saved in .*diagnosis\.txt/);
  match(await Deno.readTextFile(saved), /^# What is in this file[^]*operating system/);
  await terminal.press("Escape");
  await terminal.waitFor(/links: 0 selected/);
  await terminal.press("C-c", "y");
  await endsAsItBegan(terminal, 0);
});

screenTest("without colours and in ASCII alone", async (home) => {
  await using terminal = await start(home, { env: { NO_COLOR: "1", LC_ALL: "C" } });
  await terminal.waitFor(/- links: 0 selected/);
  const painted = await terminal.painted();
  // deno-lint-ignore no-control-regex
  ok(!/\x1b\[[0-9;]*\b3[1-7]\b/.test(painted), painted);
  // deno-lint-ignore no-control-regex
  match(painted, /^[\x00-\x7f]*$/);
  await terminal.press("C-c", "C-c");
  await endsAsItBegan(terminal, 0);
});

screenTest("a signal ends the form, and the terminal is as it was", async (home) => {
  await using terminal = await start(home);
  await terminal.waitFor(/links: 0 selected/);
  Deno.kill(await processOf(home), "SIGTERM");
  await endsAsItBegan(terminal, 0);
});

screenTest("what the documentation says gives the terminal back after SIGKILL", async (home) => {
  const path = new URL("../../../docs/user-interface.md", import.meta.url);
  const documented = /Only SIGKILL cannot be answered: `([^`]+)`/.exec(
    await Deno.readTextFile(path),
  );
  const cure = documented![1]!;
  const env = { HOME: home, SUDO_USER: "", DENO_DIR, TERM: "tmux-256color" };
  const program = PROGRAM.map((word) => `'${word}'`).join(" ");
  await using terminal = await Tmux.run(["sh", "-c", `${program}; ${cure}; echo cured`], { env });
  await terminal.waitFor(/links: 0 selected/);
  equal(await terminal.variable("alternate_on"), "1");
  Deno.kill(await processOf(home), "SIGKILL");
  await terminal.waitFor(/cured\nexit 0/);
  equal(await terminal.variable("alternate_on"), "0");
  equal(await terminal.variable("mouse_any_flag"), "0");
  equal(await terminal.variable("cursor_flag"), "1");
});

Deno.test("without a terminal, the flags to use are named and nothing hangs", async () => {
  const { code, stderr } = await new Deno.Command(PROGRAM[0]!, {
    args: PROGRAM.slice(1),
    stdin: "null",
  }).output();
  equal(code, 2);
  match(
    new TextDecoder().decode(stderr),
    /^fluxify-client: give a mode: -b -server HOST, or -l\n$/,
  );
});
