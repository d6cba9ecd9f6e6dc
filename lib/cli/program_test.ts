import { deepEqual, equal, throws } from "node:assert/strict";
import { Command } from "@commander-js/extra-typings";
import { UsageError } from "./exit.ts";
import { integerIn } from "./integer.ts";
import { type Accept, givenFlags, knownFlags, parseProgram } from "./program.ts";

const build = (accept: Accept<unknown>) => {
  const program = new Command("fly")
    .version("1.2.3", "--version")
    .option("--port <port>", "a port", integerIn("-port", 1, 65535), 1)
    .option("-v, --verbose", "more")
    .action((raw) => accept(raw));
  const cert = program.command("cert");
  cert.command("new").argument("<name>").action((name) => accept({ name }));
  return program;
};

const parse = (...argv: string[]) => parseProgram<unknown>(build, argv);
const usage = (text: string) => ({ command: "print", text: `fly: ${text}\n`, exitCode: 2 });

Deno.test("parseProgram() returns what the action accepts", () => {
  deepEqual(parse("-port", "80", "-v"), { port: 80, verbose: true });
  deepEqual(parse("cert", "new", "laptop"), { name: "laptop" });
});

Deno.test("parseProgram() wraps help at the width it is given, between words", () => {
  const words = "one option of this program that has a long description of twelve words";
  const wordy = (accept: Accept<unknown>) =>
    new Command("fly").description(words).option("--port <port>", words).action(accept);
  const helpAt = (width: number) => {
    const printed = parseProgram<unknown>(wordy, ["-help"], {}, width);
    return (printed as { text: string }).text.trimEnd().split("\n");
  };
  for (const width of [30, 36, 37, 40, 60, 80, 120]) {
    const lines = helpAt(width);
    for (const line of lines) equal(line.length <= width, true, line);
    const text = lines.map((line) => line.trim().replace("--port <port>  ", "")).join(" ");
    equal(text.split(words).length, 3, lines.join("\n"));
  }
  equal(helpAt(60).length > helpAt(120).length, true);
});

Deno.test("parseProgram() puts descriptions below the options where a terminal is narrow", () => {
  const build = (accept: Accept<unknown>) =>
    new Command("fly").option("--port <port>", "a port of this machine, or of its router")
      .action(accept);
  const { text } = parseProgram<unknown>(build, ["-help"], {}, 36) as { text: string };
  const [, , title, ...lines] = text.trimEnd().split("\n");
  deepEqual([title, ...lines.slice(0, 3)], [
    "Options:",
    "  --port <port>",
    "      a port of this machine, or of",
    "      its router",
  ]);
});

Deno.test("parseProgram() returns help and version as text for stdout", () => {
  deepEqual(parse("-version"), {
    command: "print",
    text: "1.2.3\n",
    exitCode: 0,
    about: "version",
  });
  for (const argv of [["-help"], ["-h"], ["help"]]) {
    const printed = parse(...argv) as { text: string; exitCode: number };
    equal(printed.exitCode, 0);
    equal(printed.text.split("\n")[0], "Usage: fly [options] [command]");
  }
});

Deno.test("parseProgram() returns every wrong command line as one line for stderr", () => {
  deepEqual(parse("-port", "x"), usage("-port must be 1 to 65535, not 'x'"));
  deepEqual(parse("-port"), usage("option '--port <port>' argument missing"));
  deepEqual(parse("cert"), usage("a command is missing, see 'fly cert --help'"));
  deepEqual(parse("cert", "new"), usage("the name is missing, as in 'fly cert new laptop'"));
  deepEqual(parse("cert", "nwe"), usage("unknown command 'nwe' (Did you mean new?)"));
  const noCommand = "is neither an option nor a command; a list has commas and no spaces";
  deepEqual(parse("bogus"), usage(`'bogus' ${noCommand}`));
  deepEqual(parse("-v", "eth0,", "eth1"), usage(`'eth0,' ${noCommand}`));
  deepEqual(parse("\x1b[2J"), usage(`'\\x1b[2J' ${noCommand}`));
});

Deno.test("parseProgram() suggests for one dash as for two", () => {
  deepEqual(parse("--prot"), usage("unknown option '--prot' (Did you mean --port?)"));
  deepEqual(parse("-prot", "1"), usage("unknown option '-prot' (Did you mean -port?)"));
  deepEqual(parse("-prot=1"), usage("unknown option '-prot=1' (Did you mean -port?)"));
  deepEqual(parse("-x"), usage("unknown option '-x'"));
  // Begins with the letter of a switch: commander would refuse what is left behind it.
  deepEqual(parse("-vrbose"), usage("unknown option '-vrbose' (Did you mean -verbose?)"));
  deepEqual(parse("-vx"), usage("unknown option '-vx'"));
  deepEqual(parse("-zzzzzz"), usage("unknown option '-zzzzzz'"));
  // commander would offer port for each.
  deepEqual(parse("-cert"), usage("unknown option '-cert'"));
  deepEqual(parse("--cert"), usage("unknown option '--cert'"));
  deepEqual(parse("cert", "now-x"), usage("unknown command 'now-x', see 'fly cert --help'"));
});

Deno.test("parseProgram() lets a defect of its own through", () => {
  const broken = () =>
    new Command("fly").action(() => {
      throw new TypeError("a defect");
    });
  throws(() => parseProgram(broken, []), TypeError);
  const refusing = () =>
    new Command("fly").action(() => {
      throw new UsageError("no");
    });
  deepEqual(parseProgram(refusing, []), usage("no"));
});

Deno.test("knownFlags() covers sub-commands and knows what takes a value", () => {
  const flags = knownFlags(build(() => {}));
  equal(flags.get("--port"), "value");
  equal(flags.get("--verbose"), "switch");
  equal(flags.get("-v"), "switch");
  equal(flags.get("--help"), "switch");
});

Deno.test("givenFlags() lists what the user gave, not the defaults", () => {
  const program = new Command("fly").option("--port <port>", "", "1").option("-v, --verbose")
    .option("--regen");
  program.parse(["-v", "--port", "1"], { from: "user" });
  deepEqual(givenFlags(program), ["-port", "-v"]);
});

Deno.test("a flag that two commands know takes a value as the command that is named has it", () => {
  const parse = (...argv: string[]) =>
    parseProgram((accept: Accept<unknown>) => {
      const program = new Command("program")
        .option("--rate <list>")
        .action((raw) => accept(raw));
      program.command("check").option("--rate").option("--json").action((raw) => accept(raw));
      return program.enablePositionalOptions();
    }, argv);
  deepEqual(parse("-rate=a=5mbit"), { rate: "a=5mbit" });
  deepEqual(parse("-rate", "a=5mbit"), { rate: "a=5mbit" });
  deepEqual(parse("check", "-rate", "-json"), { rate: true, json: true });
});
