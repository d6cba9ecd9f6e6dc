import { deepEqual, equal } from "node:assert/strict";
import type { CommandRunner } from "../../../lib/host/command/runner.ts";
import { type DeviceFacts, isHidden, readMachineLinks } from "./machine_link.ts";

const address = (family: string, local: string, scope = "global") => ({
  family,
  local,
  prefixlen: family === "inet" ? 24 : 64,
  scope,
});

const LINKS = [
  { ifindex: 1, ifname: "lo", flags: ["LOOPBACK", "UP", "LOWER_UP"], mtu: 65536 },
  {
    ifindex: 2,
    ifname: "eth0",
    flags: ["UP", "LOWER_UP"],
    mtu: 1500,
    addr_info: [
      address("inet6", "2001:db8::2"),
      address("inet", "192.0.2.2"),
      address("inet6", "fe80::1", "link"),
    ],
  },
  { ifindex: 3, ifname: "wlan0", flags: ["UP"], mtu: 1500 },
  {
    ifindex: 4,
    ifname: "docker0",
    flags: ["UP", "LOWER_UP"],
    mtu: 1500,
    addr_info: [address("inet", "172.17.0.1")],
  },
  { ifindex: 5, ifname: "wwan0", flags: [], mtu: 1430 },
  { ifindex: 6, ifname: "fluxify", flags: ["UP", "LOWER_UP"], mtu: 1400 },
];

const RUNNER: CommandRunner = {
  run(argv) {
    const line = argv.join(" ");
    const answer = line.includes("address show")
      ? LINKS
      : line.includes("-4") && line.includes("route show")
      ? [{ dst: "default", gateway: "192.0.2.1", dev: "eth0", flags: [] }]
      : null;
    return Promise.resolve(
      answer === null
        ? {
          stdout: line.includes("route show") ? "[]" : "",
          stderr: "",
          code: line.includes("route show") ? 0 : 2,
        }
        : { stdout: JSON.stringify(answer), stderr: "", code: 0 },
    );
  },
};

const FACTS: Record<string, Partial<DeviceFacts>> = {
  wlan0: { isWireless: true },
  docker0: { isVirtual: true },
  wwan0: { deviceType: "wwan" },
};
const facts = (name: string): DeviceFacts => ({
  type: 1,
  isWireless: false,
  deviceType: null,
  isVirtual: false,
  speedMbit: name === "eth0" ? 2500 : null,
  ...FACTS[name],
});

Deno.test("the links of a machine are told with what they are and why they cannot be used", async () => {
  const links = await readMachineLinks(RUNNER, "fluxify", facts);
  deepEqual(links.map(({ name, kind, problem }) => [name, kind, problem]), [
    ["eth0", "ethernet", null],
    ["wlan0", "wifi", "has no carrier"],
    ["docker0", "virtual", "has no gateway"],
    ["wwan0", "mobile", "is down"],
  ]);
  deepEqual(links[0], {
    name: "eth0",
    kind: "ethernet",
    addresses: ["192.0.2.2", "2001:db8::2"],
    gateways: ["192.0.2.1"],
    mtu: 1500,
    isUp: true,
    speedMbit: 2500,
    problem: null,
  });
  deepEqual(links.map(isHidden), [false, false, true, false]);
});

Deno.test("links that cannot be read are an error", async () => {
  const failing: CommandRunner = {
    run: () => Promise.resolve({ stdout: "", stderr: "no", code: 1 }),
  };
  const failure = await readMachineLinks(failing, "fluxify", facts).catch((error) => error.name);
  equal(failure, "CommandError");
});
