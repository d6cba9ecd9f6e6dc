/**
 * A person's way: the first run with its questions, a start, a link that is pulled out, another
 * scheduler, stop, the form, a diagnosis, a start from the form, and the end.
 */
import { doesNotMatch, equal, match, notEqual } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { INTERNET_ADDRESS, Lab, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { environment, newClientCertificate, startServer } from "../../scripts/lab/programs.ts";
import { processEnd } from "../../testing/process_end.ts";
import { answerSetup } from "../../testing/setup_answers.ts";
import { canRunTmux, Tmux } from "../../testing/tmux.ts";
import { needsRoot } from "../netns/namespace.ts";
import { hostState } from "./host_state.ts";
import { cert, createSmallLab, ping } from "./small_lab.ts";

const MAIN = fileURLToPath(new URL("../../client/main.ts", import.meta.url));

/** Settings with which the form is ready to start. */
const READY = { version: 1, mode: "bonding", server: SERVER_ADDRESS, ifaces: ["one", "two"] };

/** A home with a certificate, and settings where there are to be some. Returns its path. */
async function makeHome(lab: Lab, settings?: unknown): Promise<string> {
  const bundle = await newClientCertificate(lab, "laptop");
  const home = join(lab.directory, "home");
  await Deno.mkdir(join(home, ".fluxify"), { recursive: true });
  await Deno.copyFile(bundle, join(home, ".fluxify", "laptop.bundle"));
  if (settings !== undefined) {
    await Deno.writeTextFile(join(home, ".fluxify", "config.json"), JSON.stringify(settings));
  }
  return home;
}

function openForm(lab: Lab, home: string): Promise<Tmux> {
  const { env } = environment(lab, "client");
  const denoDir = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
  return Tmux.run([Deno.execPath(), "run", "-A", MAIN], {
    within: ["ip", "netns", "exec", lab.client.name],
    env: { ...env, HOME: home, SUDO_USER: "", DENO_DIR: denoDir },
    columns: 100,
    rows: 30,
  });
}

Deno.test({
  name:
    "netns: first run, questions, start, watch, unplug, scheduler, stop, form, diagnosis, start",
  ignore: needsRoot().ignore || !canRunTmux(),
  fn: async () => {
    await using lab = await createSmallLab();
    const bundle = await newClientCertificate(lab, "laptop");
    const home = join(lab.directory, "home");
    await Deno.mkdir(home);
    const server = await startServer(lab);
    await using terminal = await openForm(lab, home);
    await answerSetup(terminal, SERVER_ADDRESS, bundle);
    await terminal.waitFor(/Which links\?[^]*one[^]*two/);
    await terminal.press("Enter");
    await terminal.waitFor(/Start now\?/);
    await terminal.press("Enter");
    await terminal.waitFor(/bonding to 203\.0\.113\.10[^]*one +up[^]*two +up/);
    await ping(lab.client, INTERNET_ADDRESS);

    await lab.client.run("ip", "link", "set", "one", "down");
    await terminal.waitFor(/one +down/);
    await ping(lab.client, INTERNET_ADDRESS);
    await plugIn(lab, "one", 1);
    await terminal.waitFor(/one +up/);

    // Another scheduler, with the session going on.
    await terminal.press("s");
    await terminal.waitFor(/> \(\*\) aggregate[^]*\( \) flow/);
    await terminal.press("Down", "Enter");
    await terminal.waitFor(/scheduler flow[^]*session renewed/);
    await ping(lab.client, INTERNET_ADDRESS);

    await terminal.click("[Stop]");
    await terminal.waitFor(/Stop\? y\/n/);
    await terminal.press("y");
    await terminal.waitFor(
      /not running[^]*laptop of Fluxify CA, until[^]*\[x\] one[^]*\[x\] two[^]*stopped: the machine's own routes are/,
    );
    doesNotMatch(await hostState(lab.client), /fluxify|proto 77/);

    // What the form follows without being asked.
    await lab.client.run("ip", "link", "set", "two", "down");
    await terminal.waitFor(/\[!\] two +is down: stays selected[^]*needs 1 more/);
    await plugIn(lab, "two", 2);
    await terminal.waitFor(/\[x\] two[^]*ready/);

    await terminal.click("[Diagnose]");
    await terminal.waitFor(/Diagnosis +done[^]*\d+ ok, \d+ warnings, 0 failed/);
    await terminal.click("[Load test]");
    await terminal.waitFor(/Fill each link for 3 s\?/);
    await terminal.click("[Yes]");
    await terminal.waitFor(
      /one: .* ms idle, .* ms full: a queue of[^]*two: .* ms full[^]*0 failed/,
    );
    await terminal.press("s");
    await terminal.waitFor(/saved in .*diagnosis\.txt/);
    const report = await Deno.readTextFile(join(home, ".fluxify", "diagnosis.txt"));
    match(report, /^# What is in this file[^]*Queues under load/);
    await terminal.press("Escape");
    await terminal.waitFor(/not running[^]*ready/);

    await terminal.press("F5");
    await terminal.waitFor(/bonding to 203\.0\.113\.10[^]*one +up[^]*two +up/);
    await terminal.press("C-c");
    await terminal.waitFor(/Stop\? y\/n/);
    await terminal.press("C-c");
    await terminal.waitFor(/not running[^]*stopped: the machine's own routes are back/);
    await terminal.press("q", "y");
    match(await terminal.waitFor(/exit \d+\nmodes /), /exit 0\n/);
    const saved = JSON.parse(await Deno.readTextFile(join(home, ".fluxify", "config.json")));
    equal(saved.server, SERVER_ADDRESS);
    equal(saved.ifaces.join(), "one,two");
    server.signal("SIGTERM");
    await server.ended;
  },
});

/** A link that is up again gets its route from the machine's own network manager. */
async function plugIn(lab: Lab, name: string, number: number): Promise<void> {
  await lab.client.run("ip", "link", "set", name, "up");
  await lab.client.run(
    ...["ip", "route", "add", "default", "via", `10.71.${number}.1`, "dev", name],
    ...["metric", String(number * 100)],
  );
}

Deno.test({
  name: "netns: the server is typed and links are clicked on the form, and it starts and stops",
  ignore: needsRoot().ignore || !canRunTmux(),
  fn: async () => {
    await using lab = await createSmallLab();
    const home = await makeHome(lab);
    const server = await startServer(lab);
    await using terminal = await openForm(lab, home);
    await terminal.waitFor(/Certificate +laptop of Fluxify CA, until[^]*one[^]*two/);
    await terminal.type(SERVER_ADDRESS);
    await terminal.click("[ ] one");
    await terminal.click("[ ] two");
    await terminal.waitFor(/\[x\] one[^]*\[x\] two[^]*\[Quit\] +ready/);
    await terminal.press("F5");
    await terminal.waitFor(/bonding to 203\.0\.113\.10[^]*one +up[^]*two +up/);
    await ping(lab.client, INTERNET_ADDRESS);
    await terminal.press("q", "y");
    await terminal.waitFor(/not running[^]*stopped: the machine's own routes are back/);
    await terminal.press("q", "y");
    match(await terminal.waitFor(/exit \d+\nmodes /), /exit 0\n/);
    server.signal("SIGTERM");
    await server.ended;
  },
});

Deno.test({
  name: "netns: the steps of a start are seen, why one failed, and the form is as it was after it",
  ignore: needsRoot().ignore || !canRunTmux(),
  fn: async () => {
    await using lab = await createSmallLab();
    const home = await makeHome(lab, READY);
    await using terminal = await openForm(lab, home);
    await terminal.waitFor(/\[x\] one[^]*\[x\] two[^]*ready/);
    // Nobody listens there yet.
    await terminal.press("F5");
    await terminal.waitFor(
      /done +resolve +203\.0\.113\.10[^]*FAILED +TCP +Cannot connect to 203\.0\.113\.10:8443: nothing listens/,
    );
    await terminal.click("[Stop]");
    await terminal.waitFor(/Stop\? y\/n/);
    await terminal.press("y");
    await terminal.waitFor(/not running[^]*\[x\] one[^]*\[x\] two[^]*ready/);
    const server = await startServer(lab);
    await terminal.press("F5");
    await terminal.waitFor(/bonding to 203\.0\.113\.10[^]*one +up[^]*two +up/);
    await terminal.press("C-c");
    await terminal.waitFor(/Stop\? y\/n/);
    await terminal.press("y");
    await terminal.waitFor(/not running[^]*ready\n +stopped: the machine's own routes are back/);

    // Refused while it is connected: the reason outlasts the next keys, and is in the log.
    await terminal.press("F5");
    await terminal.waitFor(/bonding to 203\.0\.113\.10[^]*one +up[^]*two +up/);
    equal((await cert(lab, "revoke", "laptop")).exitCode, 0);
    const said = /not running[^]*ready\n[^]*has been revoked[^]*─ log[^]*has been revoked/;
    await terminal.waitFor(said);
    await terminal.press("Tab", "Tab", "a");
    await terminal.waitFor(/a fewer links/);
    match(await terminal.waitFor(/not running/), said);
    await terminal.press("q", "y");
    await terminal.waitFor(/exit 0/);
    server.signal("SIGTERM");
    await server.ended;
  },
});

Deno.test({
  name: "netns: links are changed on the screen while it runs, in the same session",
  ignore: needsRoot().ignore || !canRunTmux(),
  fn: async () => {
    const links = ["one", "two", "three"].map((name) => ({ name, rateMbit: 0, rttMs: 0 }));
    await using lab = await Lab.create({ links, shaping: "none" });
    const home = await makeHome(lab, READY);
    const path = join(home, ".fluxify", "config.json");
    const granted: string[] = [];
    const server = await startServer(lab, {
      onLine: (line) => void (/session for laptop/.test(line) && granted.push(line)),
    });
    await using terminal = await openForm(lab, home);
    await terminal.waitFor(/\[x\] one[^]*\[x\] two[^]*\[ \] three[^]*ready/);
    await terminal.press("F5");
    await terminal.waitFor(/bonding to 203\.0\.113\.10[^]*one +up[^]*two +up/);
    match(await hostState(lab.client), /203\.0\.113\.10 .*dev one/);

    // A link joins by key, another leaves by mouse.
    await terminal.press("l");
    await terminal.waitFor(/^ Links +2 ticked[^]*> \[x\] one[^]*\[ \] three/);
    await terminal.press("End", "Space");
    await terminal.click("[x] one");
    await terminal.waitFor(/\[ \] one[^]*\[x\] two[^]*\[x\] three/);
    await terminal.press("Enter");
    const screen = await terminal.waitFor(/bonding to[^]*two +up[^]*three +up/);
    doesNotMatch(screen, /^[> ] one +(up|down)/m);
    doesNotMatch(screen, /session renewed/);
    equal(granted.length, 1, granted.join("\n"));
    await ping(lab.client, INTERNET_ADDRESS);
    // Nothing of it is left on the machine, and the traffic goes over the others.
    doesNotMatch(await hostState(lab.client), /203\.0\.113\.10 .*dev one/);
    await lab.client.run("ip", "link", "set", "two", "down");
    await terminal.waitFor(/two +down/);
    await ping(lab.client, INTERNET_ADDRESS);

    await terminal.press("q");
    await terminal.waitFor(/Stop\? y\/n/);
    await terminal.press("y");
    await terminal.waitFor(/not running[^]*\[!\] two[^]*\[x\] three/);
    doesNotMatch(await hostState(lab.client), /fluxify|proto 77/);
    equal(JSON.parse(await Deno.readTextFile(path)).ifaces.join(), "two,three");
    await terminal.press("q", "y");
    await terminal.waitFor(/exit 0/);
    server.signal("SIGTERM");
    await server.ended;
  },
});

/** The client in the terminal: what its shell has started. */
async function processIn(terminal: Tmux): Promise<number> {
  const shell = await terminal.variable("pane_pid");
  const children = await Deno.readTextFile(`/proc/${shell}/task/${shell}/children`);
  return Number(children.trim().split(" ")[0]);
}

Deno.test({
  name:
    "netns: SIGTERM, SIGHUP and a closed terminal end form and running page, and undo everything",
  ignore: needsRoot().ignore || !canRunTmux(),
  fn: async () => {
    await using lab = await createSmallLab();
    const home = await makeHome(lab, READY);
    const server = await startServer(lab);
    const before = await hostState(lab.client);
    for (const page of ["form", "running page"] as const) {
      for (const end of ["SIGTERM", "SIGHUP", "a closed terminal"] as const) {
        await using terminal = await openForm(lab, home);
        await terminal.waitFor(/\[x\] one[^]*\[x\] two[^]*ready/);
        if (page === "running page") {
          await terminal.press("F5");
          await terminal.waitFor(/bonding to 203\.0\.113\.10[^]*one +up[^]*two +up/);
          notEqual(await hostState(lab.client), before);
        }
        const process = await processIn(terminal);
        if (end === "a closed terminal") await terminal.close();
        else {
          Deno.kill(process, end);
          const left = await terminal.waitFor(/exit \d+\nmodes \d+/);
          match(left, /^modes (\d+ \d+)\n[^]*exit 0\nmodes \1$/m, `${page}, ${end}`);
          equal(await terminal.variable("alternate_on"), "0", `${page}, ${end}`);
          equal(await terminal.variable("mouse_any_flag"), "0", `${page}, ${end}`);
        }
        await processEnd(process);
        equal(await hostState(lab.client), before, `${page}, ${end}`);
      }
    }
    server.signal("SIGTERM");
    await server.ended;
  },
});
