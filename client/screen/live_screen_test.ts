import { deepEqual, equal, match, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { processEnd } from "../../testing/process_end.ts";
import { canMakeTerminals, PseudoTerminal } from "../../testing/pseudo_terminal.ts";

const PROGRAM = fileURLToPath(new URL("./test_live_program.ts", import.meta.url));
const BOTH_UP = /one +up +good[^]*two +up +good/;
const LEFT_ALTERNATE = "\x1b[?1049l";

const canRun = canMakeTerminals();
if (!canRun) console.warn("screen tests are left out: install script (util-linux) and stty");

function screenTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !canRun, fn });
}

function start(...args: string[]): PseudoTerminal {
  return PseudoTerminal.run([Deno.execPath(), "run", "-A", "--no-lock", PROGRAM, ...args]);
}

/** Waits for the end, checks that the terminal is as it was, and returns the exit code. */
async function exitCodeOf(terminal: PseudoTerminal): Promise<number> {
  // Keys that nobody took are echoed as soon as the terminal does that again.
  const [, code] = await terminal.waitFor(/exit (\d+)\r?\n[^\n]*modes \S+/);
  const modes = [...terminal.text.matchAll(/modes (\S+)/g)].map(([, mode]) => mode);
  equal(modes.length, 2);
  equal(modes[0], modes[1]);
  const { raw } = terminal;
  // What is written behind the screen stands where the user was before.
  const left = raw.indexOf(LEFT_ALTERNATE);
  ok(raw.indexOf("\x1b[?1049h") < left);
  equal(raw.lastIndexOf("\x1b[?1049h") < left, true);
  for (const mode of ["1000", "1002", "1003", "1004", "1006"]) {
    ok(raw.lastIndexOf(`\x1b[?${mode}l`) > raw.lastIndexOf(`\x1b[?${mode}h`), mode);
  }
  ok(raw.lastIndexOf("\x1b[?25h") > raw.lastIndexOf("\x1b[?25l"));
  ok(raw.lastIndexOf("\x1b[?7h") > raw.lastIndexOf("\x1b[?7l"));
  return Number(code);
}

screenTest(
  "a screen shows the links and the log, asks before it stops, and gives back",
  async () => {
    await using terminal = start();
    await terminal.waitFor(BOTH_UP);
    await terminal.waitFor(/the log\\x1b\[2J is on the screen/);
    await terminal.press("q");
    await terminal.waitFor(/Stop\? y\/n/);
    const asked = terminal.text.length;
    await terminal.press("n");
    await terminal.waitFor(/up\/down select/, asked);
    await terminal.press("q");
    await terminal.press("y");
    equal(await exitCodeOf(terminal), 0);
    match(terminal.raw.slice(terminal.raw.lastIndexOf(LEFT_ALTERNATE)), /info +cleaned up\r\n/);
  },
);

screenTest("Ctrl-C asks, and a second one stops", async () => {
  await using terminal = start();
  await terminal.waitFor(BOTH_UP);
  await terminal.press("\x03");
  await terminal.waitFor(/Stop\? y\/n/);
  await terminal.press("\x03");
  equal(await exitCodeOf(terminal), 0);
});

screenTest("a click counts when the button is released where it was pressed", async () => {
  await using terminal = start();
  await terminal.waitFor(BOTH_UP);
  await terminal.press("\x1b[<0;4;10M\x1b[<0;4;10m");
  await terminal.waitFor(/─ two ─[^]*path MTU +1400 bytes/);
  const selected = terminal.text.length;
  await terminal.press("\x1b[<0;3;24M\x1b[<0;30;20m"); // pressed on [Stop], let go elsewhere
  await terminal.press("?");
  await terminal.waitFor(/this help/, selected);
  ok(!/Stop\? y/.test(terminal.text));
  await terminal.press("\x1b[<0;3;24M\x1b[<0;3;24m");
  await terminal.waitFor(/Stop\? y\/n/, selected);
  await terminal.press("\x1b[<0;14;24M\x1b[<0;14;24m"); // [Yes]
  equal(await exitCodeOf(terminal), 0);
});

screenTest("a terminal whose locale is not UTF-8 gets ASCII alone", async () => {
  const command = [Deno.execPath(), "run", "-A", "--no-lock", PROGRAM];
  await using terminal = PseudoTerminal.run(command, "C");
  await terminal.waitFor(BOTH_UP);
  await terminal.press("j");
  await terminal.waitFor(/- one -+[^]*last minute/);
  await terminal.press("q");
  await terminal.press("y");
  equal(await exitCodeOf(terminal), 0);
  // deno-lint-ignore no-control-regex
  match(terminal.raw, /^[\x00-\x7f]*$/);
});

for (const signal of ["SIGTERM", "SIGHUP", "SIGINT"] as const) {
  screenTest(`${signal} ends the screen, and the terminal is as it was`, async () => {
    await using terminal = start();
    const [, process] = await terminal.waitFor(/process (\d+)/);
    Deno.kill(Number(process), signal);
    equal(await exitCodeOf(terminal), 0);
  });
}

screenTest("an error that nobody catches leaves no screen behind", async () => {
  const cases = [["throw", "thrown at nobody"], ["reject", "rejected to nobody"]] as const;
  for (const [manner, message] of cases) {
    await using terminal = start(manner);
    equal(await exitCodeOf(terminal), 1);
    ok(terminal.raw.indexOf(message) > terminal.raw.lastIndexOf(LEFT_ALTERNATE), manner);
  }
});

screenTest("an error of the program is told when the screen has gone", async () => {
  await using terminal = start("fail");
  equal(await exitCodeOf(terminal), 1);
  ok(
    terminal.raw.indexOf("test: failed on purpose") > terminal.raw.lastIndexOf(LEFT_ALTERNATE),
  );
});

screenTest("a terminal that takes nothing does not keep the program from ending", async () => {
  await using terminal = start();
  const process = Number((await terminal.waitFor(/process (\d+)/))[1]);
  const resume = terminal.stopTaking();
  for (let times = 0; times < 300; times++) await terminal.press("?");
  Deno.kill(process, "SIGTERM");
  await processEnd(process);
  resume();
  equal(await exitCodeOf(terminal), 0);
});

Deno.test("without a terminal a screen is refused", async () => {
  const { code, stderr, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-lock", PROGRAM],
    stdin: "null",
  }).output();
  equal(code, 2);
  match(new TextDecoder().decode(stderr), /test: -ui needs a terminal .* leave -ui out/);
  deepEqual(stdout, new Uint8Array());
});
