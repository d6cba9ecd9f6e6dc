import { equal } from "node:assert/strict";
import { changeText, summaryOf } from "./change_text.ts";
import type { ChangeRecord } from "./record.ts";

const command = (undo: string, handover?: string): ChangeRecord => ({
  ...{ id: 1, kind: "command", undo: undo.split(" ") },
  handover,
});
const ROUTE = command("ip -4 route del 0.0.0.0/1 dev fluxify scope link");
const TAKEN = command("ip -6 route append default via fe80::1 dev eth0");
const RULE = command("ip -4 rule del pref 100");
const SYSCTL: ChangeRecord = {
  ...{ id: 2, kind: "sysctl", path: "net/ipv4/ip_forward", previous: "0", value: "1" },
  sideEffects: {},
};
const RESOLV: ChangeRecord = {
  ...{ id: 3, kind: "file", path: "/etc/resolv.conf", digest: "" },
  saved: { type: "absent" },
};
const SWITCH = command("nft delete table inet fluxify_kill_switch", "{}");

Deno.test("summaryOf() counts changes by sort, and names the kill switch once", () => {
  equal(
    summaryOf([SYSCTL, ROUTE, TAKEN, RULE, SWITCH, SWITCH, RESOLV, command("true")]),
    "the kill switch, 2 routes, 1 policy rule, 1 DNS setting, 1 kernel parameter, 1 other change",
  );
  equal(summaryOf([]), "");
});

Deno.test("changeText() says what it was, whichever way it is undone", () => {
  equal(changeText(ROUTE), "route: 0.0.0.0/1 dev fluxify scope link");
  equal(changeText(TAKEN), "route: default via fe80::1 dev eth0, which was taken away");
  equal(changeText(SYSCTL), "kernel parameter: net/ipv4/ip_forward (1, before 0)");
  equal(changeText(RESOLV), "DNS setting: /etc/resolv.conf");
  equal(changeText(command("resolvectl revert fluxify")), "DNS setting: resolvectl revert fluxify");
  equal(
    changeText(command("iptables -w 5 -t mangle -D FORWARD")),
    "firewall rule: iptables -w 5 -t mangle -D FORWARD",
  );
});
