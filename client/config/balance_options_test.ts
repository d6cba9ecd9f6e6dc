import { deepEqual, equal, throws } from "node:assert/strict";
import { type BalanceOptions, checkWeights } from "./balance_options.ts";
import { parseClientOptions } from "./options.ts";
import { refusedText } from "../../testing/command_line.ts";

const DEFAULTS: BalanceOptions = {
  interfaces: [],
  balance: "spread",
  uses: new Map(),
  once: false,
  weights: null,
  healthIntervalMs: 5_000,
  healthTargets: [],
  statusEveryMs: 0,
  externalIpUrl: null,
  ui: false,
  logLevel: "info",
  logFormat: "text",
  instance: "fluxify",
  socketGroup: null,
  metricsListen: null,
  page: null,
};
const parse = (...argv: string[]) => parseClientOptions(argv, "/home/mara");

const refusal = (...argv: string[]) => refusedText(parse(...argv), argv);

Deno.test("parseClientOptions() needs -l only", () => {
  deepEqual(parse("-l"), { command: "balance", options: DEFAULTS });
  deepEqual(parse("--load-balance", "-ifaces", ""), { command: "balance", options: DEFAULTS });
});

Deno.test("parseClientOptions() reads every option of -l", () => {
  const options: BalanceOptions = {
    interfaces: ["wan1", "wan2"],
    balance: "spread",
    uses: new Map([["wan2", { kind: "backup" }]]),
    once: true,
    weights: new Map([["wan1", 3], ["wan2", 1]]),
    healthIntervalMs: 500,
    healthTargets: ["192.0.2.1", "2001:db8::1"],
    statusEveryMs: 10_000,
    externalIpUrl: "https://example.com/ip",
    instance: "home",
    socketGroup: "netadmin",
    metricsListen: { host: "127.0.0.1", port: 9477 },
    page: null,
    ui: true,
    logLevel: "debug",
    logFormat: "json",
  };
  const values = [
    ["ifaces", "wan1,wan2"],
    ["balance", "spread"],
    ["weights", "wan1=3,wan2=1"],
    ["link", "wan2=backup"],
    ["health-interval", "500ms"],
    ["health-target", "192.0.2.1,2001:db8::1"],
    ["status-every", "10s"],
    ["external-ip-url", "https://example.com/ip"],
    ["name", "home"],
    ["socket-group", "netadmin"],
    ["metrics-listen", "9477"],
  ];
  for (const dashes of ["-", "--"]) {
    const spaced = values.flatMap(([name, value]) => [`${dashes}${name}`, value!]);
    const joined = values.map(([name, value]) => `${dashes}${name}=${value}`);
    const expected = { command: "balance", options };
    deepEqual(parse("-l", "-v", "-log-json", "-once", "-ui", ...spaced), expected);
    deepEqual(parse(...joined, "-l", "-v", "-log-json", "--once", "--ui"), expected);
  }
});

Deno.test("parseClientOptions() keeps the modes and their options apart", () => {
  equal(refusal("-l", "-b"), "fluxify-client: -b and -l are two modes: give one of them\n");
  const bondOnly = [
    ["server", "h"],
    ["ctrl", "8443"],
    ["ips", "192.0.2.1,192.0.2.2"],
    ["pki", "/x"],
    ["cert", "/x"],
    ["mtu", "1400"],
    ["reorder-buffer-size", "9"],
    ["reorder-flush-timeout", "1s"],
    ["engine", "auto"],
  ];
  for (const [name, value] of bondOnly) {
    equal(refusal("-l", `-${name}`, value!), `fluxify-client: -${name} means nothing with -l\n`);
  }
  const balanceOnly = [
    ["balance", "best"],
    ["weights", "a=1"],
    ["health-interval", "1s"],
    ["health-target", "192.0.2.1"],
    ["external-ip-url", "http://h"],
  ];
  for (const [name, value] of balanceOnly) {
    equal(
      refusal("-b", "-server", "h", `-${name}`, value!),
      `fluxify-client: -${name} means nothing with -b\n`,
    );
  }
  equal(refusal("-l", "restore"), "fluxify-client: -l means nothing before 'restore'\n");
});

Deno.test("parseClientOptions() names the option of -l and what was wrong with it", () => {
  const many = Array.from({ length: 64 }, (_, index) => `w${index}`).join(",");
  const cases: [string, string, string][] = [
    ["ifaces", "wan1", "-l needs at least two interfaces, and -ifaces names only 'wan1'"],
    ["ifaces", "wan1,wan1", "-l needs at least two interfaces, and -ifaces names only 'wan1'"],
    ["ifaces", many, "-l takes at most 63 interfaces, not 64"],
    ["balance", "fair", "-balance must be spread or best, not 'fair'"],
    ["weights", "wan1", "-weights must be a list such as wan1=3,wan2=1, not 'wan1'"],
    ["weights", "a=1=2", "-weights must be a list such as wan1=3,wan2=1, not 'a=1=2'"],
    ["weights", "a=1,a=2", "-weights names 'a' twice"],
    ["weights", "=1", "-weights must hold names of network interfaces, not ''"],
    ["weights", "a=0", "-weights a must be 1 to 256, not '0'"],
    ["weights", "a=257", "-weights a must be 1 to 256, not '257'"],
    ["weights", "a=1.5", "-weights a must be 1 to 256, not '1.5'"],
    ["health-interval", "199ms", "-health-interval must be 200ms to 10m, not '199ms'"],
    ["health-interval", "11m", "-health-interval must be 200ms to 10m, not '11m'"],
    ["health-interval", "5", "-health-interval must be a duration such as 50ms, 1s or 2m, not '5'"],
    ["health-target", "localhost", "-health-target must hold IP addresses, not 'localhost'"],
    ["health-target", Array(9).fill("::1").join(","), "-health-target takes at most 8, not 9"],
    ["status-every", "999ms", "-status-every must be 1s to 24h, not '999ms'"],
    [
      "external-ip-url",
      "file:///etc/passwd",
      "-external-ip-url must be an http or https URL, not 'file:///etc/passwd'",
    ],
    ["external-ip-url", "-x", "-external-ip-url must be an http or https URL, not '-x'"],
  ];
  for (const [name, value, message] of cases) {
    equal(refusal("-l", `-${name}=${value}`), `fluxify-client: ${message}\n`);
  }
  equal(
    refusal("-l", "-ifaces", "a,b", "-weights", "c=2"),
    "fluxify-client: -weights names 'c', which is not one of the uplinks a, b\n",
  );
  equal(
    refusal("-l", "-balance", "best", "-weights", "a=2"),
    "fluxify-client: -weights does not go with -balance best, which uses one uplink at a time\n",
  );
  const best = parse("-l", "-balance", "best");
  equal(best.command === "balance" && best.options.balance, "best");
  equal(parse("-l", "-status-every", "0").command, "balance");
});

Deno.test("checkWeights() refuses weights of strangers, and those that weigh nothing", () => {
  const weights = new Map([["a", 2]]);
  checkWeights("spread", weights, ["a", "b"]);
  checkWeights("best", null, ["a", "b"]);
  throws(
    () => checkWeights("spread", weights, ["b", "c"]),
    /-weights names 'a', which is not one of the uplinks b, c/,
  );
  checkWeights("spread", weights, []);
  throws(() => checkWeights("best", weights, ["a", "b"]), /does not go with -balance best/);
});

Deno.test("parseClientOptions() refuses with -l what only bonding has", () => {
  const values = ["renew-every", "1m", "dns", "1.1.1.1", "probe-pmtud", "off"];
  for (let i = 0; i < values.length; i += 2) {
    equal(
      refusal("-l", `-${values[i]}`, values[i + 1]!),
      `fluxify-client: -${values[i]} means nothing with -l\n`,
    );
  }
  for (const flag of ["-kill-switch", "-policy-routing"]) {
    equal(refusal("-l", flag), `fluxify-client: ${flag} means nothing with -l\n`);
  }
});
