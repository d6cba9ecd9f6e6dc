import { equal, match, ok } from "node:assert/strict";
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import { machineLink } from "../screen/form/test_form.ts";
import { isClientRunning, linkChecks, routingChecks } from "./network_checks.ts";

Deno.test("linkChecks() fails what is wanted and cannot be used, and counts the rest", () => {
  const links = [
    machineLink("eth0"),
    machineLink("wlan0", { problem: "has no carrier" }),
    machineLink("veth1", { kind: "virtual", gateways: [], problem: "has no gateway" }),
  ];
  const checks = linkChecks(links, ["eth0", "wlan0", "usb0"]);
  const state = (name: string) => checks.find((one) => one.name === name)?.state;
  equal(state("eth0"), "ok");
  equal(state("wlan0"), "failed");
  equal(state("usb0"), "failed");
  equal(state("veth1"), undefined);
  const count = checks.find(({ name }) => name === "links that can be used")!;
  equal(count.state, "failed");
  match(count.text, /^1, and bonding needs 2$/);
  equal(linkChecks(links, []).find(({ name }) => name === "wlan0")!.state, "warning");
});

Deno.test("routingChecks() tells of rules, tunnels and filters of others", async () => {
  const answers: [RegExp, string][] = [
    [/^ip -4 route/, "default via 192.0.2.1 dev eth0\n"],
    [
      /^ip -4 rule/,
      "0:\tfrom all lookup local\n100:\tfrom all lookup 51820\n32766:\tfrom all lookup main\n",
    ],
    [/^ip -6 rule/, "0:\tfrom all lookup local\n"],
    [/^nft list tables/, "table inet filter\n"],
    [
      /^nft list chains/,
      "chain output { type filter hook output priority filter; policy drop; }\n",
    ],
  ];
  const runner: CommandRunner = {
    run: (argv) => {
      const stdout = answers.find(([pattern]) => pattern.test(argv.join(" ")))?.[1] ?? "";
      return Promise.resolve({ code: 0, stdout, stderr: "" });
    },
  };
  const links = [machineLink("eth0"), machineLink("wg0", { kind: "virtual" })];
  const checks = await routingChecks(runner, links, () => "1");
  const find = (name: string) => {
    const found = checks.find((one) => one.name === name);
    ok(found !== undefined, name);
    return found;
  };
  equal(find("IPv4").state, "ok");
  match(find("IPv4 rules").text, /lookup 51820/);
  match(find("wg0").advice!, /two VPNs/);
  match(find("rp_filter of eth0").text, /strict; the client loosens it/);
  equal(find("firewall").state, "warning");
});

Deno.test("isClientRunning() looks for the device that the client would have", () => {
  equal(isClientRunning("lo"), true);
  equal(isClientRunning(`none${Deno.pid}`), false);
});
