import { deepEqual, ok, throws } from "node:assert/strict";
import { UsageError } from "../../lib/cli/exit.ts";
import { parseRates, parseUses } from "./link_rules.ts";
import { describeClientProgram, parseClientOptions } from "./options.ts";
import { readSettings, settingsObject } from "./settings.ts";
import { refusedText } from "../../testing/command_line.ts";

const BOND = ["-b", "-server", "vpn.example.com"];

const refusal = (...argv: string[]) => refusedText(parseClientOptions(argv, "/home/mara"), argv);

Deno.test("parseRates() reads down and up, one figure for both, and units of each", () => {
  deepEqual([...parseRates("fiber=50/10mbit, dsl=20mbit,lte=800kbit/1.5Mbit,wan=2gbit,x=none")], [
    ["fiber", { down: 6_250_000, up: 1_250_000 }],
    ["dsl", { down: 2_500_000, up: 2_500_000 }],
    ["lte", { down: 100_000, up: 187_500 }],
    ["wan", { down: 250_000_000, up: 250_000_000 }],
    ["x", null],
  ]);
});

Deno.test("parseRates() refuses what no link can be held to, with what to write", () => {
  for (
    const [text, words] of [
      ["fiber=0mbit", /fiber must be 100kbit to 100gbit, not '0mbit'/],
      ["fiber=1000000000000kbit", /fiber must be as in|100kbit to 100gbit/],
      ["fiber=1000gbit", /100kbit to 100gbit, not '1000gbit'/],
      ["fiber=99kbit", /100kbit to 100gbit/],
      ["fiber=50", /kbit, mbit or gbit, not '50'/],
      ["fiber=50MB", /kbit, mbit or gbit/],
      ["fiber=50/mbit", /kbit, mbit or gbit/],
      ["fiber=5/5/5mbit", /down\/up/],
      ["fiber=-5mbit", /must be as in/],
      ["fiber=1e3mbit", /must be as in/],
      ["fiber", /must be as in fiber=50\/10mbit/],
      ["=5mbit", /must be as in/],
      ["fiber=5mbit,fiber=6mbit", /names 'fiber' twice/],
      [`${"x".repeat(65)}=5mbit`, /must be as in/],
    ] as const
  ) {
    throws(() => parseRates(text), (error) => {
      ok(error instanceof UsageError, String(error));
      return words.test(error.message) || ok(false, `${text}: ${error.message}`);
    });
  }
});

Deno.test("parseUses() reads when links are used, and what a metered one may carry", () => {
  deepEqual([...parseUses("lte=metered,cap=20GB/month,dsl=backup,sat=metered,wan=always")], [
    ["lte", { kind: "metered", capBytes: 20e9 }],
    ["dsl", { kind: "backup" }],
    ["sat", { kind: "metered", capBytes: null }],
    ["wan", { kind: "always" }],
  ]);
  deepEqual([...parseUses("lte=metered,cap=1.5tb")], [["lte", {
    kind: "metered",
    capBytes: 1.5e12,
  }]]);
});

Deno.test("parseUses() refuses what it does not know, with what to write", () => {
  for (
    const [text, words] of [
      ["lte", /must be as in lte=backup/],
      ["lte=sometimes", /backup, metered or always, not 'sometimes'/],
      ["cap=20GB", /behind a metered link/],
      ["lte=backup,cap=20GB", /behind a metered link/],
      ["lte=metered,cap=0GB", /1MB to 1000TB/],
      ["lte=metered,cap=1000000000000MB", /20GB\/month|1MB to 1000TB/],
      ["lte=metered,cap=20", /with MB, GB or TB, not '20'/],
      ["lte=metered,cap=20GB/day", /20GB\/month/],
      ["lte=metered,cap=1GB,cap=2GB", /behind a metered link/],
      ["lte=backup,lte=metered", /names 'lte' twice/],
    ] as const
  ) throws(() => parseUses(text), words, text);
});

Deno.test("-rate and -link may be given again, and name links that there are", () => {
  const parsed = parseClientOptions(
    [
      ...BOND,
      ...["-ifaces", "fiber,lte", "-rate", "fiber=50/10mbit", "-rate", "lte=5mbit"],
      ...["-link", "lte=backup"],
    ],
    "/home/mara",
  );
  ok(parsed.command === "bond");
  deepEqual([...parsed.options.rates.keys()], ["fiber", "lte"]);
  const links = ["-ifaces", "fiber,lte"];
  ok(
    /-rate names 'dsl'.*there are: fiber, lte/.test(
      refusal(...BOND, ...links, "-rate", "dsl=5mbit"),
    ),
  );
  ok(/-link names 'dsl'/.test(refusal(...BOND, ...links, "-link", "dsl=backup")));
  ok(/-link names 'dsl'/.test(refusal("-l", ...links, "-link", "dsl=backup")));
  ok(/-rate means nothing with -l/.test(refusal("-l", ...links, "-rate", "lte=5mbit")));
});

Deno.test("the settings file takes both as lists, and refuses what the flags refuse", () => {
  const program = describeClientProgram();
  const json = { version: 1, rate: ["fiber=50/10mbit", "lte=5mbit"], link: "lte=metered,cap=1GB" };
  const settings = readSettings(json, program, "config.json");
  deepEqual(settingsObject(settings, program), {
    version: 1,
    rate: ["fiber=50/10mbit", "lte=5mbit"],
    link: ["lte=metered", "cap=1GB"],
  });
  throws(
    () => readSettings({ rate: "fiber=5" }, program, "config.json"),
    /"rate" is not right: -rate/,
  );
});

Deno.test("links that are given on the command line leave out what the file says of others", () => {
  const file = new Map([["rate", "dsl=5mbit"], ["link", "dsl=backup"]]);
  const parsed = parseClientOptions([...BOND, "-ifaces", "fiber,lte"], "/home/mara", file);
  ok(parsed.command === "bond");
  deepEqual([parsed.options.rates.size, parsed.options.uses.size], [0, 0]);
});
