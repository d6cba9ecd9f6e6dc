import { deepEqual, equal, ok } from "node:assert/strict";
import { type BondOptions, parseClientOptions } from "./options.ts";
import { DEFAULT_TUNING } from "../../lib/protocol/session/session_tuning.ts";
import { refusedText } from "../../testing/command_line.ts";

const HOME = "/home/mara";
const DEFAULTS: BondOptions = {
  transport: "auto",
  proxy: null,
  server: "vpn.example.com",
  ...{ servers: ["vpn.example.com"], serverChoice: "nearest" },
  links: [],
  rates: new Map(),
  uses: new Map(),
  pkiFolder: "/home/mara/.fluxify",
  certFile: null,
  tunName: "fluxify",
  tunMtu: null,
  once: false,
  renewEveryMs: 3_600_000,
  dnsServers: [],
  killSwitch: false,
  policyRouting: false,
  share: "auto",
  ...{ bypass: null, only: null, bypassCgroups: [], bypassMark: null },
  ui: false,
  statusEveryMs: 0,
  controlPort: 8443,
  reorderBufferSize: 2048,
  reorderFlushTimeoutMs: 50,
  tuning: { ...DEFAULT_TUNING, scheduler: "aggregate" },
  acceptsV1: false,
  engine: "auto",
  logLevel: "info",
  logFormat: "text",
  instance: "fluxify",
  socketGroup: null,
  metricsListen: null,
  page: null,
};

const BOND = ["-b", "-server", "vpn.example.com"];
const parse = (...argv: string[]) => parseClientOptions(argv, HOME);

const refusal = (...argv: string[]) => refusedText(parse(...argv), argv);

Deno.test("parseClientOptions() needs -b and -server only", () => {
  deepEqual(parse(...BOND), { command: "bond", options: DEFAULTS });
  deepEqual(parse("--bond", "--server=vpn.example.com"), { command: "bond", options: DEFAULTS });
});

Deno.test("parseClientOptions() reads every option, with one dash or two", () => {
  const options: BondOptions = {
    transport: "tls",
    proxy: { from: "file", path: "~/proxy" },
    server: "2001:db8::1",
    ...{ servers: ["2001:db8::1"], serverChoice: "order" },
    links: [
      { interfaceName: "eth0", sourceAddress: "192.0.2.5" },
      { interfaceName: "wlan0", sourceAddress: null },
      { interfaceName: "wwan0", sourceAddress: "2001:db8::5" },
    ],
    rates: new Map([
      ["eth0", { down: 6_250_000, up: 1_250_000 }],
      ["wlan0", { down: 2_500_000, up: 2_500_000 }],
    ]),
    uses: new Map([["wwan0", { kind: "metered", capBytes: 20e9 }]]),
    pkiFolder: "/etc/fluxify",
    certFile: "/home/mara/laptop.pem",
    tunName: "tun7",
    instance: "home",
    socketGroup: "100",
    metricsListen: { host: "127.0.0.1", port: 9477 },
    page: null,
    tunMtu: 1400,
    once: true,
    renewEveryMs: 90_000,
    dnsServers: ["1.1.1.1", "2606:4700:4700::1111"],
    killSwitch: true,
    policyRouting: true,
    share: "on",
    ...{ bypass: { prefixes: ["192.0.2.0/24"], names: ["example.com"] }, only: null },
    ...{ bypassCgroups: [], bypassMark: null },
    ui: true,
    statusEveryMs: 10_000,
    controlPort: 9443,
    reorderBufferSize: 1,
    reorderFlushTimeoutMs: 0,
    tuning: {
      scheduler: "redundant",
      compression: "always",
      dscp: 46,
      probeMtu: false,
      rekeyEveryMs: 1000,
    },
    acceptsV1: true,
    engine: "native",
    logLevel: "debug",
    logFormat: "json",
  };
  const values = [
    ["server", "[2001:db8::1]"],
    ["server-choice", "order"],
    ["name", "home"],
    ["socket-group", "100"],
    ["metrics-listen", "9477"],
    ["ifaces", "eth0,wlan0,wwan0"],
    ["ips", "192.0.2.5,,2001:db8::5"],
    ["rate", "eth0=50/10mbit,wlan0=20mbit"],
    ["link", "wwan0=metered,cap=20GB/month"],
    ["pki", "/etc/fluxify"],
    ["cert", "~/laptop.pem"],
    ["bypass", "192.0.2.0/24,example.com"],
    ["tun", "tun7"],
    ["mtu", "1400"],
    ["ctrl", "9443"],
    ["transport", "tls"],
    ["proxy", "file:~/proxy"],
    ["reorder-buffer-size", "1"],
    ["reorder-flush-timeout", "0"],
    ["engine", "native"],
    ["scheduler", "redundant"],
    ["compression", "always"],
    ["dscp", "46"],
    ["probe-pmtud", "off"],
    ["rekey-every", "1s"],
    ["renew-every", "1m30s"],
    ["status-every", "10s"],
    ["share", "on"],
    ["dns", "1.1.1.1, 2606:4700:4700::1111"],
  ];
  const flags = [
    "log-json",
    "accept-v1",
    "kill-switch",
    "once",
    "policy-routing",
    "ui",
  ];
  for (const dashes of ["-", "--"]) {
    const switches = ["-b", "-v", ...flags.map((flag) => `${dashes}${flag}`)];
    const spaced = values.flatMap(([name, value]) => [`${dashes}${name}`, value!]);
    const joined = values.map(([name, value]) => `${dashes}${name}=${value}`);
    deepEqual(parse(...spaced, ...switches), { command: "bond", options });
    deepEqual(parse(...switches, ...joined), { command: "bond", options });
  }
});

Deno.test("parseClientOptions() takes an empty list as none given", () => {
  deepEqual(parse(...BOND, "-ifaces", "", "-ips", ""), { command: "bond", options: DEFAULTS });
});

Deno.test("parseClientOptions() takes one interface twice when its addresses differ", () => {
  const parsed = parse(...BOND, "-ifaces", "eth0,eth0", "-ips", "192.0.2.1,192.0.2.2");
  ok(parsed.command === "bond");
  deepEqual(parsed.options.links.map((link) => link.sourceAddress), ["192.0.2.1", "192.0.2.2"]);
});

Deno.test("parseClientOptions() asks for a mode and a server", () => {
  deepEqual(parse("-server", "vpn.example.com"), {
    command: "start",
    options: {
      settings: new Map([["server", "vpn.example.com"]]),
      logLevel: "info",
      logFormat: "text",
    },
  });
  equal(refusal("-b"), "fluxify-client: -b needs -server HOST, or -servers LIST\n");
});

Deno.test("parseClientOptions() names the option and what was wrong with it", () => {
  const cases: [string, string, string][] = [
    ["server", "", "-server must be an IP address or a host name"],
    ["server", "h:0", "-server must be an IP address or a host name, not 'h:0'"],
    [
      "server",
      "a:1,b:2",
      "-server 'a:1,b:2' and -ctrl name more than one port: give the port of the control plane once",
    ],
    ["ifaces", "eth0,,eth1", "-ifaces has an empty item in 'eth0,,eth1'"],
    ["ifaces", "eth0,a:b", "-ifaces must hold names of network interfaces, not 'a:b'"],
    ["ifaces", "eth0", "-b needs at least two interfaces, and -ifaces names only 'eth0'"],
    ["ifaces", "eth0,eth0", "-b needs at least two interfaces, and -ifaces names only 'eth0'"],
    [
      "ifaces",
      Array.from({ length: 17 }, (_, index) => `eth${index}`).join(","),
      "-b takes at most 16 interfaces, and -ifaces has 17 items",
    ],
    ["ips", "192.0.2", "-ips must hold IP addresses, not '192.0.2'"],
    [
      "ips",
      "192.0.2.1,192.0.2.2",
      "-ips has 2 items and -ifaces 0: they go together, an empty item stands for any address",
    ],
    ["pki", "", "-pki must be a path, not ''"],
    ["cert", " ", "-cert must be a path, not ' '"],
    ["mtu", "575", "-mtu must be 0 or 576 to 9000, not '575'"],
    ["mtu", "9001", "-mtu must be 0 or 576 to 9000, not '9001'"],
    ["ctrl", "0", "-ctrl must be 1 to 65535, not '0'"],
    ["reorder-buffer-size", "65537", "-reorder-buffer-size must be 1 to 65536, not '65537'"],
    [
      "reorder-flush-timeout",
      "-1s",
      "-reorder-flush-timeout must be a duration such as 50ms, 1s or 2m, not '-1s'",
    ],
    ["engine", "", "-engine must be native, portable or auto, not ''"],
    [
      "scheduler",
      "x",
      "-scheduler must be aggregate, flow, stripe, redundant or failover, not 'x'",
    ],
    ["dscp", "64", "-dscp must be copy, off or 0 to 63, not '64'"],
    ["dscp", "-1", "-dscp must be copy, off or 0 to 63, not '-1'"],
    ["dscp", "ef", "-dscp must be copy, off or 0 to 63, not 'ef'"],
    ["compression", "on", "-compression must be auto, off or always, not 'on'"],
    ["rekey-every", "3m", "-rekey-every must be 1s to 2m, not '3m'"],
    ["renew-every", "4999ms", "-renew-every must be 5s to 24h, not '4999ms'"],
    ["renew-every", "25h", "-renew-every must be 5s to 24h, not '25h'"],
    ["dns", "", "-dns must name at least one server"],
    ["dns", "1.1.1.1,", "-dns has an empty item in '1.1.1.1,'"],
    ["dns", "dns.example.com", "-dns must hold IP addresses, not 'dns.example.com'"],
    ["dns", "1.1.1.1:53", "-dns must hold IP addresses, not '1.1.1.1:53'"],
    [
      "dns",
      "fe80::1%eth0",
      "-dns must hold addresses that the tunnel can reach, not 'fe80::1%eth0'",
    ],
    ["dns", "0.0.0.0", "-dns must hold addresses of servers, not '0.0.0.0'"],
    ["dns", "0:0::0", "-dns must hold addresses of servers, not '0:0::0'"],
    ["dns", "::1,0:0::1", "-dns names '0:0::1' twice"],
    ["dns", "1.1.1.1,1.0.0.1,8.8.8.8,8.8.4.4", "-dns takes at most 3 servers, not 4"],
  ];
  for (const [name, value, message] of cases) {
    equal(refusal(...BOND, `-${name}`, value), `fluxify-client: ${message}\n`);
    equal(refusal(...BOND, `--${name}=${value}`), `fluxify-client: ${message}\n`);
  }
});

Deno.test("parseClientOptions() refuses addresses that do not match the interfaces", () => {
  equal(
    refusal(...BOND, "-ifaces", "a,b", "-ips", "192.0.2.1"),
    "fluxify-client: -ips has 1 items and -ifaces 2: they go together, " +
      "an empty item stands for any address\n",
  );
  equal(
    refusal(...BOND, "-ifaces", "a,a", "-ips", "192.0.2.1,192.0.2.1"),
    "fluxify-client: -ifaces names 'a' twice\n",
  );
});

Deno.test("parseClientOptions() refuses what it does not know", () => {
  equal(
    refusal("-b", "-sevrer", "h"),
    "fluxify-client: unknown option '-sevrer' (Did you mean -server?)\n",
  );
  equal(refusal("-port", "1"), "fluxify-client: unknown option '-port'\n");
  equal(
    refusal("completion"),
    "fluxify-client: the shell is missing, as in 'fluxify-client completion bash'\n",
  );
});

Deno.test("parseClientOptions() takes several addresses of the server", () => {
  const serverOf = (text: string) => {
    const parsed = parse("-b", "-server", text);
    return parsed.command === "bond" ? parsed.options.server : null;
  };
  equal(serverOf("203.0.113.10, [2001:db8::1]"), "203.0.113.10,2001:db8::1");
  for (const wrong of ["", "203.0.113.10,", "a,1.2.3.4.5", Array(9).fill("a").join(",")]) {
    equal(serverOf(wrong), null, wrong);
  }
});

Deno.test("parseClientOptions() names the successor of a flag of earlier programs", () => {
  const successor = "fluxify-client: -client is called -cert here\n";
  equal(refusal("-client", "mara.pem"), successor);
  equal(refusal("--client=mara.pem"), successor);
});

Deno.test("-servers are several servers, and -server is one", () => {
  const parsed = parse("-b", "-servers", "a.example,[2001:db8::2]");
  ok(parsed.command === "bond");
  deepEqual(parsed.options.servers, ["a.example", "2001:db8::2"]);
  equal(parsed.options.server, "a.example,2001:db8::2");
  const one = parse("-b", "-server", "203.0.113.10,2001:db8::1");
  ok(one.command === "bond");
  deepEqual(one.options.servers, ["203.0.113.10,2001:db8::1"]);
  const refused: [text: string, ...argv: string[]][] = [
    ["give one of them", "-b", "-server", "a.example", "-servers", "b.example"],
    ["names 'a.example' twice", "-b", "-servers", "a.example,a.example"],
    ["the one of -ctrl", "-b", "-servers", "a.example:8443,b.example"],
    ["must name servers", "-b", "-servers", ""],
    ["at most 8 servers, not 9", "-b", "-servers", [..."abcdefghi"].join()],
    ["not 'a b'", "-b", "-servers", "a b"],
    ["nearest, order", "-b", "-servers", "a,b", "-server-choice", "best"],
    ["means nothing with -l", "-l", "-servers", "a,b"],
    ["-server HOST, or -servers LIST", "-b"],
  ];
  for (const [text, ...argv] of refused) {
    const said = refusal(...argv);
    ok(said.includes(text), said);
  }
});

Deno.test("a flag for one server wins over several in the file, and the other way round", () => {
  const several = new Map([["servers", "a.example,b.example"]]);
  const one = parseClientOptions(["-b", "-server", "c.example"], HOME, several);
  ok(one.command === "bond");
  deepEqual(one.options.servers, ["c.example"]);
  const other = parseClientOptions(["-b", "-servers", "c,d"], HOME, new Map([["server", "a"]]));
  ok(other.command === "bond");
  deepEqual(other.options.servers, ["c", "d"]);
});

Deno.test("-share is a word, or the interfaces to networks behind the machine", () => {
  const shareOf = (text: string) => {
    const parsed = parse(...BOND, "-ifaces", "eth0,wlan0", "-share", text);
    ok(parsed.command === "bond", text);
    return parsed.options.share;
  };
  deepEqual([shareOf("on"), shareOf("off"), shareOf("auto")], ["on", "off", "auto"]);
  deepEqual(shareOf("br-lan,eth1,eth1"), ["br-lan", "eth1"]);
  for (
    const [text, share] of [
      ["which leads to no network behind", "eth0"],
      ["which leads to no network behind", "fluxify"],
      ["on, off, auto or names of interfaces", "on,eth1"],
      ["names of interfaces", ""],
      ["-share", "no name"],
      ["at most 16 interfaces", Array.from({ length: 17 }, (_, at) => `lan${at}`).join()],
    ] as const
  ) {
    const said = refusal(...BOND, "-ifaces", "eth0,wlan0", "-share", share);
    ok(said.includes(text), said);
  }
});
