import { deepEqual, doesNotMatch, equal, match, ok } from "node:assert/strict";
import { DEFAULT_NETWORK, TunnelNetwork } from "../lib/protocol/wire/tunnel_network.ts";
import { parseServerOptions, type ServerOptions } from "./options.ts";
import { DEFAULT_TUNING } from "../lib/protocol/session/session_tuning.ts";
import { refusedText } from "../testing/command_line.ts";

const DEFAULTS: ServerOptions = {
  port: 8000,
  publicPort: 8000,
  publicHosts: [],
  controlPort: 8443,
  tunName: "fluxify-srv",
  egressInterface: null,
  network: DEFAULT_NETWORK,
  clientsMax: 253,
  pkiFolder: null,
  pki: "keep",
  hosts: [],
  reorderBufferSize: 2048,
  reorderFlushTimeoutMs: 50,
  tuning: DEFAULT_TUNING,
  acceptsV1: false,
  clientsReachEachOther: false,
  mssClamp: { kind: "pmtu" },
  metricsEveryMs: null,
  metricsPerClient: false,
  store: null,
  engine: "auto",
  threads: 1,
  logLevel: "info",
  logFormat: "text",
  instance: "fluxify-srv",
  socketGroup: null,
  ...{ metricsListen: null, page: null },
};

const refusal = (...argv: string[]) => refusedText(parseServerOptions(argv), argv);

Deno.test("parseServerOptions() has a default for everything", () => {
  deepEqual(parseServerOptions([]), { command: "serve", options: DEFAULTS });
});

Deno.test("parseServerOptions() reads every option, with one dash or two", () => {
  const options: ServerOptions = {
    port: 9000,
    publicPort: 443,
    publicHosts: ["203.0.113.7", "2001:db8::7", "data.example.com"],
    controlPort: 9443,
    tunName: "tun7",
    instance: "site2",
    socketGroup: "netadmin",
    metricsListen: { host: "127.0.0.1", port: 9477 },
    page: null,
    egressInterface: "eth1",
    network: new TunnelNetwork("10.99.0.0/16", "fd99::/64"),
    clientsMax: 5000,
    pkiFolder: "/etc/fluxify",
    pki: "regenerate",
    hosts: ["198.51.100.7", "2001:db8::7", "vpn.example.com"],
    reorderBufferSize: 65536,
    reorderFlushTimeoutMs: 10_000,
    tuning: {
      scheduler: "stripe",
      compression: "off",
      dscp: 46,
      probeMtu: true,
      rekeyEveryMs: 60_000,
    },
    acceptsV1: true,
    clientsReachEachOther: true,
    mssClamp: { kind: "fixed", mssBytes: 1360 },
    metricsEveryMs: 1000,
    metricsPerClient: true,
    store: {
      machines: [{ host: "n1.example", port: 4222 }, { host: "2001:db8::2", port: 4300 }],
      transport: "tls",
      credentials: "/etc/store.creds",
      ca: "/etc/ca.pem",
      certificate: "/etc/cert.pem",
      key: "/etc/key.pem",
    },
    engine: "native",
    threads: 4,
    logLevel: "debug",
    logFormat: "json",
  };
  const values = [
    ["port", "9000"],
    ["public-port", "443"],
    ["public-hosts", "203.0.113.7,[2001:db8::7],data.example.com,203.0.113.7"],
    ["ctrl", "9443"],
    ["iface", "tun7"],
    ["name", "site2"],
    ["socket-group", "netadmin"],
    ["metrics-listen", "9477"],
    ["uplink", "eth1"],
    ["network", "10.99.0.0/16"],
    ["network6", "fd99::/64"],
    ["max-clients", "5000"],
    ["pki", "/etc/fluxify"],
    ["hosts", "198.51.100.7,[2001:db8::7],vpn.example.com,198.51.100.7"],
    ["reorder-buffer-size", "65536"],
    ["reorder-flush-timeout", "10s"],
    ["metrics-every", "1s"],
    ["engine", "native"],
    ["threads", "4"],
    ["mss-clamp", "fixed:1360"],
    ["scheduler", "stripe"],
    ["compression", "off"],
    ["dscp", "46"],
    ["rekey-every", "1m"],
    ["store", "nats://n1.example,[2001:db8::2]:4300"],
    ["store-credentials", "/etc/store.creds"],
    ["store-ca", "/etc/ca.pem"],
    ["store-cert", "/etc/cert.pem"],
    ["store-key", "/etc/key.pem"],
  ];
  for (const dashes of ["-", "--"]) {
    const switches = ["regen", "clients-reach-each-other", "verbose", "log-json", "accept-v1"]
      .concat("metrics-per-client").map((name) => dashes + name);
    const spaced = values.flatMap(([name, value]) => [`${dashes}${name}`, value!]);
    const joined = values.map(([name, value]) => `${dashes}${name}=${value}`);
    deepEqual(parseServerOptions([...spaced, ...switches]), { command: "serve", options });
    deepEqual(parseServerOptions([...switches, ...joined]), { command: "serve", options });
  }
  deepEqual(parseServerOptions(["-v"]), {
    command: "serve",
    options: { ...DEFAULTS, logLevel: "debug" },
  });
});

Deno.test("parseServerOptions() takes what has no effect any more, and says so", () => {
  const notices = [
    "-compression-sample-size has no effect: each packet is looked at, see -compression",
  ];
  const options = { ...DEFAULTS, notices };
  deepEqual(parseServerOptions(["-compression-sample-size", "64"]), { command: "serve", options });
});

Deno.test("parseServerOptions() takes switches with a value", () => {
  deepEqual(parseServerOptions(["-regen=false", "-v=true"]), {
    command: "serve",
    options: { ...DEFAULTS, logLevel: "debug" },
  });
  equal(
    refusal("-regen=maybe"),
    "fluxify-server: -regen is on or off: -regen, -regen=true or -regen=false\n",
  );
});

Deno.test("parseServerOptions() reads what -mss-clamp takes", () => {
  const cases: [string, ServerOptions["mssClamp"]][] = [
    ["off", { kind: "off" }],
    ["pmtu", { kind: "pmtu" }],
    ["fixed:500", { kind: "fixed", mssBytes: 500 }],
    ["9000", { kind: "fixed", mssBytes: 9000 }],
    ["0", { kind: "off" }],
    ["PMTU", { kind: "pmtu" }],
    ["FIXED:1360", { kind: "fixed", mssBytes: 1360 }],
  ];
  for (const [text, mssClamp] of cases) {
    for (const argv of [["-mss-clamp", text], [`-mss-clamp=${text}`], [`--mss-clamp=${text}`]]) {
      deepEqual(parseServerOptions(argv), {
        command: "serve",
        options: { ...DEFAULTS, mssClamp },
      });
    }
  }
});

Deno.test("parseServerOptions() names the option and what was wrong with it", () => {
  const cases: [string, string, string][] = [
    ["public-port", "65536", "-public-port must be 1 to 65535, not '65536'"],
    ["public-hosts", "a b", "-public-hosts must be an IP address or a host name, not 'a b'"],
    [
      "public-hosts",
      Array.from({ length: 9 }, (_, index) => `h${index}`).join(","),
      "-public-hosts takes at most 8 items, not 9",
    ],
    ["port", "0", "-port must be 1 to 65535, not '0'"],
    ["port", "x", "-port must be 1 to 65535, not 'x'"],
    ["ctrl", "65536", "-ctrl must be 1 to 65535, not '65536'"],
    ["iface", "a/b", "-iface must hold names of network interfaces, not 'a/b'"],
    ["pki", "", "-pki must be a path, not ''"],
    ["hosts", "", "-hosts must name at least one host"],
    ["hosts", "a,,b", "-hosts has an empty item in 'a,,b'"],
    ["hosts", "a:1", "-hosts must be an IP address or a host name, not 'a:1'"],
    ["reorder-buffer-size", "0", "-reorder-buffer-size must be 1 to 65536, not '0'"],
    ["reorder-buffer-size", "65537", "-reorder-buffer-size must be 1 to 65536, not '65537'"],
    [
      "reorder-flush-timeout",
      "50",
      "-reorder-flush-timeout must be a duration such as 50ms, 1s or 2m, not '50'",
    ],
    ["metrics-every", "481h", "-metrics-every must be 0 to 480h, not '481h'"],
    ...["", "fixed", "fixed:", "fixed:499", "9001", "on", "-1", "1e3", "fixed:fixed:900"].map((
      text,
    ): [string, string, string] => [
      "mss-clamp",
      text,
      `-mss-clamp must be off, pmtu or fixed:N with N from 500 to 9000, not '${text}'`,
    ]),
    ["engine", "fast", "-engine must be native, portable or auto, not 'fast'"],
    ...["0", "9", "two", "", "1.5"].map((text): [string, string, string] => [
      "threads",
      text,
      `-threads must be auto or 1 to 8, not '${text}'`,
    ]),
  ];
  for (const [name, value, message] of cases) {
    equal(refusal(`-${name}`, value), `fluxify-server: ${message}\n`);
    equal(refusal(`--${name}=${value}`), `fluxify-server: ${message}\n`);
  }
});

Deno.test("parseServerOptions() refuses threads of an engine that has none", () => {
  for (const threads of ["2", "auto"]) {
    equal(
      refusal("-threads", threads, "-engine", "portable"),
      "fluxify-server: -threads is of the native engine: leave out -engine portable\n",
    );
  }
});

Deno.test("parseServerOptions() refuses what it does not know", () => {
  equal(refusal("-prot", "1"), "fluxify-server: unknown option '-prot' (Did you mean -port?)\n");
  equal(refusal("--prot"), "fluxify-server: unknown option '--prot' (Did you mean --port?)\n");
  equal(refusal("-port"), "fluxify-server: option '--port <port>' argument missing\n");
  equal(
    refusal("serve"),
    "fluxify-server: 'serve' is neither an option nor a command; a list has commas and no spaces\n",
  );
});

Deno.test("parseServerOptions() reads cert commands", () => {
  for (const action of ["new", "show", "revoke"] as const) {
    deepEqual(parseServerOptions(["cert", action, "laptop", "-pki", "p"]), {
      command: "cert",
      action,
      name: "laptop",
      pkiFolder: "p",
      format: "text",
    });
  }
  const deleted = { command: "cert", action: "delete", name: "laptop", pkiFolder: null };
  deepEqual(parseServerOptions(["cert", "delete", "laptop", "-json"]), {
    ...{ ...deleted, which: "not in use", format: "json" },
  });
  deepEqual(parseServerOptions(["cert", "delete", "laptop", "-force"]), {
    ...{ ...deleted, which: "any", format: "text" },
  });
  const list = { command: "cert", action: "list" };
  deepEqual(parseServerOptions(["cert", "list"]), { ...list, pkiFolder: null, format: "text" });
  const init = { command: "cert", action: "init", hosts: [], pkiFolder: null, format: "text" };
  deepEqual(parseServerOptions(["cert", "init"]), init);
  for (const argv of [["cert", "init", "-hosts", "a,b"], ["-hosts", "a,b", "cert", "init"]]) {
    deepEqual(parseServerOptions(argv), { ...init, hosts: ["a", "b"] });
  }
  deepEqual(parseServerOptions(["-pki", "p", "cert", "list"]), {
    ...list,
    pkiFolder: "p",
    format: "text",
  });
  deepEqual(parseServerOptions(["-pki", "p", "cert", "list", "-pki=./pki"]), {
    ...list,
    pkiFolder: "./pki",
    format: "text",
  });
});

Deno.test("parseServerOptions() refuses cert commands that make no sense", () => {
  const cases: [string[], string][] = [
    [["cert"], "a command is missing, see 'fluxify-server cert --help'"],
    [["cert", "new"], "the name is missing, as in 'fluxify-server cert new laptop'"],
    [["cert", "nwe", "x"], "unknown command 'nwe' (Did you mean new?)"],
    [["cert", "list", "-port", "1"], "unknown option '-port'"],
    [["-port", "1", "cert", "list"], "-port means nothing to 'cert'"],
    [["cert", "list", "-pki", ""], "-pki must be a path, not ''"],
  ];
  for (const [argv, message] of cases) equal(refusal(...argv), `fluxify-server: ${message}\n`);
  for (const name of ["../x", ".x", "a b", "a/b", "x".repeat(65), "ü", "", "a-key"]) {
    match(refusal("cert", "new", name), /^fluxify-server: Cannot use ".*" as a client name: .*\n$/);
  }
  for (const action of ["show", "revoke", "delete"]) {
    match(refusal("cert", action, "../x"), /^fluxify-server: Cannot look for a client named .*\n$/);
  }
});

Deno.test("parseServerOptions() tells clients the port of -port, unless -public-port is given", () => {
  deepEqual(parseServerOptions(["-port", "9000"]), {
    command: "serve",
    options: { ...DEFAULTS, port: 9000, publicPort: 9000 },
  });
});

Deno.test("parseServerOptions() says how to undo what a killed server left", () => {
  const parsed = parseServerOptions(["restore", "-v"]);
  ok(parsed.command === "print");
  equal(parsed.exitCode, 2);
  match(parsed.text, /the next start of the server undoes .* 'fluxify-client restore' does so/);
});

Deno.test("parseServerOptions() refuses what -store cannot be, and repeats no password", () => {
  const refused = (expected: RegExp, ...argv: string[]) => match(refusal(...argv), expected);
  refused(/must be file, nats:\/\/HOST/, "-store", "redis://a");
  refused(/must be an IP address or a host name, not ''/, "-store", "nats://a,,b");
  refused(/has no port from 1 to 65535/, "-store", "nats://a:70000");
  refused(/takes at most 16 machines, not 17/, "-store", `nats://${"a,".repeat(16)}a`);
  refused(/belong together: give both/, "-store", "tls://a", "-store-key", "k.pem");
  refused(/-store-ca means nothing without -store/, "-store-ca", "ca.pem");
  const secret = refusal("-store", "nats://user:hunter2@a");
  match(secret, /takes no names and passwords/);
  doesNotMatch(secret, /hunter2/);
});
