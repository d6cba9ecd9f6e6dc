import { deepEqual, equal } from "node:assert/strict";
import type { KernelRule } from "./policy_rule.ts";
import { selectedTraffic } from "./selected_traffic.ts";

const rule = (fields: Partial<KernelRule>): KernelRule => (
  { priority: 2000, table: "100", src: "all", ...fields }
);
const ask = (...rules: KernelRule[]) => selectedTraffic(rules, 4, ["10.8.0.2", "fd00:8::2"]);

Deno.test("selectedTraffic() asks for all that a rule selects by", () => {
  deepEqual(ask(rule({ src: "10.8.0.0", srclen: 24, fwmark: "0x5", uid_start: 7 })), [{
    name: "from 10.8.0.2 with the mark 0x5 of the user 7",
    selector: ["from", "10.8.0.2", "mark", "0x5", "uid", "7"],
  }]);
  deepEqual(ask(rule({ ipproto: "tcp", dport_start: 80, sport: 9 })), [{
    name: "of the protocol tcp from the port 9 to the port 80",
    selector: ["ipproto", "tcp", "sport", "9", "dport", "80"],
  }]);
});

Deno.test("selectedTraffic() leaves out what takes nothing from the tunnel", () => {
  const fwmark = "0x5";
  deepEqual(
    ask(
      rule({}),
      rule({ src: "192.0.2.10" }),
      rule({ fwmark, priority: 32766 }),
      rule({ fwmark, protocol: "77" }),
      rule({ fwmark, iif: "lan" }),
      rule({ fwmark, oif: "wan" }),
    ),
    [],
  );
});

Deno.test("selectedTraffic() asks once for the same, and not without limit", () => {
  equal(ask(rule({ uid_start: 5 }), rule({ uid_start: 5, priority: 2001 })).length, 1);
  const many = Array.from({ length: 100 }, (_, uid) => rule({ uid_start: uid }));
  equal(ask(...many).length, 16);
});
