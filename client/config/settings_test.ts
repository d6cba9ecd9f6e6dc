import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { UsageError } from "../../lib/cli/exit.ts";
import { SCHEDULERS } from "../../lib/protocol/wire/scheduler_name.ts";
import { type BondOptions, describeClientProgram, parseClientOptions } from "./options.ts";
import { readSettings, settingsObject, settingsSchema } from "./settings.ts";

const HOME = "/home/mara";
const program = () => describeClientProgram();
const read = (json: unknown) => readSettings(json, program(), "config.json");

Deno.test("readSettings() takes what flags take, lists and numbers as JSON has them", () => {
  deepEqual(
    [...read({
      version: 1,
      mode: "bonding",
      server: "vpn.example.com",
      ifaces: ["eth0", "wlan0"],
      mtu: 1300,
      dns: "1.1.1.1",
      "reorder-flush-timeout": "80ms",
      "kill-switch": true,
      ui: false,
      cert: null,
    })],
    [
      ["mode", "bonding"],
      ["server", "vpn.example.com"],
      ["ifaces", "eth0,wlan0"],
      ["mtu", "1300"],
      ["dns", "1.1.1.1"],
      ["reorder-flush-timeout", "80ms"],
      ["kill-switch", true],
      ["ui", false],
    ],
  );
});

Deno.test("readSettings() names the field it refuses", () => {
  const cases: [unknown, RegExp][] = [
    [[], /^Cannot use config\.json: it must be an object/],
    ["text", /must be an object/],
    [{ mode: "both" }, /"mode" must be "bonding" or "load-balance"/],
    [{ sevrer: "h" }, /there is no setting "sevrer"/],
    [{ bond: true }, /there is no setting "bond"/],
    [{ mtu: 12 }, /"mtu" is not right: -mtu must be .*not '12'/],
    [{ mtu: true }, /"mtu" must be a text, a number or a list/],
    [{ ifaces: ["eth0", 1] }, /"ifaces" must be a text/],
    [{ ifaces: ["x".repeat(5000)] }, /"ifaces" must be a text/],
    [{ "kill-switch": "yes" }, /"kill-switch" must be true or false/],
    [{ scheduler: "fast" }, /"scheduler" is not right: -scheduler must be aggregate/],
    [{ "reorder-flush-timeout": 80 }, /"reorder-flush-timeout" is not right/],
  ];
  for (const [json, message] of cases) {
    throws(() => read(json), (error) => error instanceof UsageError && message.test(error.message));
  }
});

Deno.test("settingsObject() writes what readSettings() reads", () => {
  const json = {
    version: 1,
    mode: "load-balance",
    server: "vpn.example.com",
    ctrl: 8443,
    ifaces: ["eth0", "wlan0"],
    mtu: 0,
    "kill-switch": true,
  };
  deepEqual(settingsObject(read(json), program()), json);
});

Deno.test("settingsSchema() has a property for each setting", () => {
  const { properties } = settingsSchema(program()) as {
    properties: Record<string, { enum?: readonly string[]; type?: string }>;
  };
  deepEqual(properties.scheduler?.enum, SCHEDULERS);
  equal(properties["kill-switch"]?.type, "boolean");
  equal("bond" in properties, false);
});

Deno.test("parseClientOptions() takes from the settings what no flag says", () => {
  const settings = new Map<string, string | boolean>([
    ["mode", "load-balance"],
    ["server", "vpn.example.com"],
    ["mtu", "1300"],
    ["reorder-flush-timeout", "80ms"],
    ["kill-switch", true],
    ["probe-pmtud", "auto"],
    ["ips", "192.0.2.1,192.0.2.2"],
    ["weights", "wan1=3"],
  ]);
  const { options } = parseClientOptions(
    ["-b", "-mtu", "1350", "-ifaces", "eth0,eth1"],
    HOME,
    settings,
  ) as { options: BondOptions };
  const without = parseClientOptions(["-b", "-server", "vpn.example.com"], HOME);
  deepEqual(options, {
    ...without.command === "bond" && without.options,
    tunMtu: 1350,
    reorderFlushTimeoutMs: 80,
    killSwitch: true,
    // The addresses in the file are of other interfaces.
    links: [
      { interfaceName: "eth0", sourceAddress: null },
      { interfaceName: "eth1", sourceAddress: null },
    ],
  });
  // What the file says of the other mode stands in nobody's way.
  equal(parseClientOptions(["-l"], HOME, new Map([["server", "h"]])).command, "balance");
});

Deno.test("a folder on the command line wins over the certificate in the file", () => {
  const file = new Map([["server", "h"], ["cert", "/old/mara.bundle"], ["pki", "/old"]]);
  const parse = (...argv: string[]) => parseClientOptions(argv, HOME, file);
  const bond = parse("-b", "-pki", "/new");
  ok(bond.command === "bond");
  deepEqual([bond.options.pkiFolder, bond.options.certFile], ["/new", null]);
  const both = parse("-b", "-pki", "/new", "-cert", "/new/it.pem");
  ok(both.command === "bond");
  equal(both.options.certFile, "/new/it.pem");
  const diag = parse("diag", "-pki", "/new");
  ok(diag.command === "diag");
  deepEqual(diag.options.settings, new Map([["server", "h"], ["pki", "/new"]]));
  const start = parse("-pki", "/new");
  ok(start.command === "start");
  equal(start.options.settings.has("cert"), false);
  const config = parse("-pki", "/new", "config");
  ok(config.command === "config");
  equal(config.rows.find(({ key }) => key === "cert")!.source, "default");
});

Deno.test("parseClientOptions() tells where each setting comes from", () => {
  const file = new Map<string, string>([["mode", "bonding"], ["mtu", "1300"], ["ctrl", "9443"]]);
  const parsed = parseClientOptions(["-mtu", "1350", "config", "--json"], HOME, file);
  ok(parsed.command === "config");
  equal(parsed.format, "json");
  const row = (key: string) => parsed.rows.find((one) => one.key === key);
  deepEqual(row("mode"), { key: "mode", value: "bonding", source: "file" });
  deepEqual(row("mtu"), { key: "mtu", value: "1350", source: "flag" });
  deepEqual(row("ctrl"), { key: "ctrl", value: "9443", source: "file" });
  deepEqual(row("scheduler"), { key: "scheduler", value: "aggregate", source: "default" });
  deepEqual(row("kill-switch"), { key: "kill-switch", value: "false", source: "default" });
  equal(row("bond"), undefined);
});

Deno.test("readSettings() takes the port behind the server's name, as the flag does", () => {
  const of = (json: object) => Object.fromEntries(read(json));
  deepEqual(of({ server: "h:9443" }), { server: "h", ctrl: "9443" });
  deepEqual(of({ server: ["[2001:db8::1]:9443", "h"], ctrl: 9443 }), {
    ...{ server: "[2001:db8::1],h", ctrl: "9443" },
  });
  deepEqual(of({ server: "2001:db8::1" }), { server: "2001:db8::1" });
  throws(() => read({ server: "h:9443", ctrl: 8443 }), /"server" .* name more than one port/);
});
