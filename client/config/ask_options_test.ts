import { deepEqual, equal, ok } from "node:assert/strict";
import { parseClientOptions } from "./options.ts";
import { refusedText } from "../../testing/command_line.ts";

const HOME = "/home/mara";
const parse = (line: string) => parseClientOptions(line.split(" "), HOME);
const ASKED = { command: "ask", instance: "fluxify", format: "text" } as const;

const refusal = (line: string) => refusedText(parse(line), [line]).trim();

Deno.test("the commands that ask a client read what they are given", () => {
  deepEqual(parse("status"), { ...ASKED, what: "status", watch: false });
  deepEqual(parse("status -name home -json -watch"), {
    ...{ command: "ask", instance: "home", format: "json" },
    ...{ what: "status", watch: true },
  });
  deepEqual(parse("logs"), { ...ASKED, what: "logs", lines: 50 });
  deepEqual(parse("logs -lines 500"), { ...ASKED, what: "logs", lines: 500 });
  deepEqual(parse("ping --count=3"), { ...ASKED, what: "ping", count: 3 });
  deepEqual(parse("down -name home"), { ...ASKED, instance: "home", what: "down" });
  deepEqual(parse("set scheduler stripe"), {
    ...ASKED,
    ...{ what: "set", setting: "scheduler", value: "stripe" },
  });
  deepEqual(parse("set compression off -name home"), {
    ...{ ...ASKED, instance: "home" },
    ...{ what: "set", setting: "compression", value: "off" },
  });
  for (const action of ["add", "remove"] as const) {
    deepEqual(parse(`links ${action} wan1`), { ...ASKED, what: "links", action, link: "wan1" });
  }
});

Deno.test("the commands that ask a client refuse what they cannot do", () => {
  equal(
    refusal("set scheduler fast"),
    "fluxify-client: scheduler must be one of aggregate, flow, stripe, redundant, failover, " +
      "not 'fast'",
  );
  equal(refusal("-b status"), "fluxify-client: -b means nothing before 'status'");
  ok(/-lines must be/.test(refusal("logs -lines 501")));
  ok(/-count must be/.test(refusal("ping -count 0")));
  ok(/-name must hold/.test(refusal("down -name a/b")));
  ok(/links add must hold/.test(refusal("links add a/b")));
  ok(/missing/.test(refusal("links add")));
  ok(/a command is missing/.test(refusal("set")));
});

Deno.test("-name and -tun are each other's where only one is given", () => {
  const of = (flags: string) => {
    const parsed = parse(`-b -server a.example${flags}`);
    ok(parsed.command === "bond", JSON.stringify(parsed));
    return [parsed.options.instance, parsed.options.tunName];
  };
  deepEqual(of(""), ["fluxify", "fluxify"]);
  deepEqual(of(" -name home"), ["home", "home"]);
  deepEqual(of(" -tun tun7"), ["tun7", "tun7"]);
  deepEqual(of(" -tun tun7 -name home"), ["home", "tun7"]);
});
