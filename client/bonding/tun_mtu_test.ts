import { equal, match } from "node:assert/strict";
import { chooseTunMtu } from "./tun_mtu.ts";

const FACTS = { prescribed: null, server: 1400, links: [1500, 1500], family: 4 } as const;

Deno.test("chooseTunMtu takes 1400 where it fits, over IPv4 and IPv6", () => {
  equal(chooseTunMtu(FACTS).mtu, 1400);
  equal(chooseTunMtu({ ...FACTS, server: null }).mtu, 1400);
  equal(chooseTunMtu({ ...FACTS, family: 6 }).mtu, 1400);
});

Deno.test("chooseTunMtu follows the server and the smallest link down", () => {
  equal(chooseTunMtu({ ...FACTS, server: 1300 }).mtu, 1300);
  const small = chooseTunMtu({ ...FACTS, links: [1500, 1400] });
  equal(small.mtu, 1400 - 78);
  match(small.notice ?? "", /1400 bytes/);
  equal(chooseTunMtu({ ...FACTS, links: [300] }).mtu, 576);
});

Deno.test("chooseTunMtu does what the user prescribes, and says when it does not fit", () => {
  equal(chooseTunMtu({ ...FACTS, prescribed: 1280 }).notice, null);
  const large = chooseTunMtu({ ...FACTS, prescribed: 1450 });
  equal(large.mtu, 1450);
  match(large.notice ?? "", /1422 would fit/);
});
