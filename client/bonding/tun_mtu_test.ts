import { deepEqual, equal, match, ok } from "node:assert/strict";
import fc from "fast-check";
import { decideTunMtu, type PathMtu, type TunMtuFacts } from "./tun_mtu.ts";

const FIBER: PathMtu = { link: "fiber", interfaceMtu: 1500, family: 4, found: 1400 };
const LTE: PathMtu = { link: "lte", interfaceMtu: 1500, family: 4, found: 1320 };
const FACTS: TunMtuFacts = {
  prescribed: null,
  server: 1400,
  ipv6Inside: true,
  forbidsFragments: false,
  paths: [FIBER, { ...LTE, found: null }],
};
const NARROW: TunMtuFacts = { ...FACTS, paths: [FIBER, LTE] };

Deno.test("1400 is taken where it fits, over IPv4 and IPv6, and nothing is said", () => {
  const expected = { mtu: 1400, reason: null, about: null, notice: null, isWarning: false };
  deepEqual(decideTunMtu(FACTS, null), expected);
  deepEqual(decideTunMtu({ ...FACTS, server: null }, null), expected);
  deepEqual(
    decideTunMtu({
      ...FACTS,
      paths: [FIBER, { ...LTE, family: 6, interfaceMtu: 1506, found: 1400 }],
    }, null),
    {
      ...expected,
    },
  );
  deepEqual(decideTunMtu({ ...FACTS, paths: [] }, null), expected);
});

Deno.test("the smallest path decides, and one line says which and how much", () => {
  const first = decideTunMtu(FACTS, null);
  const lower = decideTunMtu(NARROW, first);
  equal(lower.mtu, 1320);
  equal(
    lower.notice,
    "link lte carries packets of at most 1320 bytes: the tunnel's MTU is 1320 now",
  );
  equal(decideTunMtu(NARROW, lower).notice, null);
  const again = decideTunMtu(FACTS, lower);
  equal(again.mtu, 1400);
  match(again.notice ?? "", /every link carries packets of 1400 bytes/);
  equal(decideTunMtu(FACTS, again).notice, null);
});

Deno.test("the MTU of an interface decides as long as nothing else is known", () => {
  const dsl: PathMtu = { link: "dsl", interfaceMtu: 1400, family: 4, found: null };
  const { mtu, notice } = decideTunMtu({ ...FACTS, paths: [FIBER, dsl] }, null);
  equal(mtu, 1314);
  match(notice ?? "", /^link dsl carries packets of at most 1314 bytes, .* 1400 bytes: /);
  equal(decideTunMtu({ ...FACTS, paths: [FIBER, { ...dsl, family: 6 }] }, null).mtu, 1294);
  equal(decideTunMtu({ ...FACTS, paths: [FIBER, { ...dsl, found: 1290 }] }, null).mtu, 1290);
});

Deno.test("that IPv6 outside takes more of an ordinary link is said, and is no warning", () => {
  const dsl: PathMtu = { link: "dsl", interfaceMtu: 1500, family: 6, found: null };
  const first = decideTunMtu({ ...FACTS, paths: [FIBER, dsl] }, null);
  deepEqual([first.mtu, first.isWarning], [1394, false]);
  match(first.notice ?? "", /^link dsl carries packets of at most 1394 bytes, .* 1500 bytes: /);
  const probed = decideTunMtu({ ...FACTS, paths: [FIBER, { ...dsl, found: 1394 }] }, first);
  deepEqual([probed.mtu, probed.notice], [1394, null]);
  const narrow = decideTunMtu({ ...FACTS, paths: [FIBER, { ...dsl, found: 1390 }] }, probed);
  equal(narrow.isWarning, true);
});

Deno.test("the server's MTU is followed without a word", () => {
  deepEqual(decideTunMtu({ ...FACTS, server: 1300 }, null), {
    mtu: 1300,
    reason: null,
    about: null,
    notice: null,
    isWarning: false,
  });
  equal(decideTunMtu({ ...NARROW, server: 1300 }, null).notice, null);
});

Deno.test("with IPv6 inside the MTU stays 1280 at least, without it 576", () => {
  const paths = [FIBER, { ...LTE, found: 1000 }];
  const with6 = decideTunMtu({ ...FACTS, paths }, null);
  equal(with6.mtu, 1400, "the other link is used instead");
  match(with6.notice ?? "", /link lte carries packets of at most 1000 bytes, and IPv6 needs 1280/);
  const narrow = [{ ...LTE, found: 1000 }];
  equal(decideTunMtu({ ...FACTS, paths: narrow }, null).mtu, 1280, "there is no other");
  equal(decideTunMtu({ ...FACTS, ipv6Inside: false, paths }, null).mtu, 1000);
  const tiny = [{ ...LTE, interfaceMtu: 300, found: null }];
  equal(decideTunMtu({ ...FACTS, ipv6Inside: false, paths: tiny }, null).mtu, 576);
  // What the server has cannot be more than it is.
  equal(decideTunMtu({ ...FACTS, server: 1200, paths }, null).mtu, 1200);
});

Deno.test("what the user prescribes stays, but for what a path was found not to carry", () => {
  equal(decideTunMtu({ ...FACTS, prescribed: 1280 }, null).notice, null);
  const large = decideTunMtu(
    { ...FACTS, prescribed: 1450, paths: [{ ...LTE, found: null }] },
    null,
  );
  equal(large.mtu, 1450);
  match(large.notice ?? "", /-mtu 1450 .* 1500 bytes of link lte: .*; 1414 would fit/);
  const found = decideTunMtu({ ...NARROW, prescribed: 1350 }, null);
  equal(found.mtu, 1320);
  match(found.notice ?? "", /^link lte .* 1320 bytes: .* is 1320 now, not the 1350 of -mtu$/);
  equal(decideTunMtu({ ...NARROW, prescribed: 1200 }, null).mtu, 1200);
  const paths = [{ ...LTE, found: 1000 }];
  equal(decideTunMtu({ ...FACTS, prescribed: 1350, paths }, null).mtu, 1280);
  equal(decideTunMtu({ ...FACTS, prescribed: 1100, paths }, null).mtu, 1100);
});

Deno.test("without fragments what an interface leaves is a limit, and said once", () => {
  const facts = { ...FACTS, forbidsFragments: true };
  for (const [interfaceMtu, found] of [[1280, 1194], [1290, 1198]] as const) {
    const dsl: PathMtu = { link: "dsl", interfaceMtu, family: 4, found: null };
    const first = decideTunMtu({ ...facts, paths: [FIBER, dsl] }, null);
    equal(first.mtu, 1400);
    equal(
      first.notice,
      `link dsl carries packets of at most ${interfaceMtu - 86} bytes, because its own MTU is ` +
        `${interfaceMtu} bytes, and IPv6 needs 1280: it is used only while no other link works`,
    );
    const then = decideTunMtu({ ...facts, paths: [FIBER, { ...dsl, found }] }, first);
    equal(then.notice, null, "nothing else follows from what was found");
    const alone = decideTunMtu({ ...facts, paths: [dsl] }, then);
    equal(alone.mtu, 1280);
    match(alone.notice ?? "", /^link dsl .* 1280 now, .* do not pass; -probe-pmtud off has/);
    equal(decideTunMtu({ ...facts, paths: [{ ...dsl, found }] }, alone).notice, null);
  }
});

Deno.test("without fragments -mtu is bounded by the interfaces", () => {
  const facts = { ...FACTS, forbidsFragments: true, prescribed: 9000 };
  const first = decideTunMtu(facts, null);
  equal(first.mtu, 1400);
  const unknown = [FIBER, LTE].map((path) => ({ ...path, found: null }));
  const bounded = decideTunMtu({ ...facts, paths: unknown }, null);
  equal(bounded.mtu, 1414);
  equal(
    bounded.notice,
    "link fiber carries packets of at most 1414 bytes, because its own MTU is 1500 bytes: the " +
      "tunnel's MTU is 1414 now, not the 9000 of -mtu",
  );
});

Deno.test("what is no worse than before is no warning", () => {
  const lower = decideTunMtu(NARROW, null);
  equal(lower.isWarning, true);
  equal(decideTunMtu(FACTS, lower).isWarning, false);
});

Deno.test("a decision never exceeds what is wanted or found, unless it is the least there is", () => {
  const path = fc.record({
    link: fc.constantFrom("a", "b", "c"),
    interfaceMtu: fc.integer({ min: 300, max: 9000 }),
    family: fc.constantFrom<4 | 6>(4, 6),
    found: fc.option(fc.integer({ min: 300, max: 1400 })),
  });
  const facts = fc.record({
    prescribed: fc.constant(null),
    server: fc.option(fc.integer({ min: 576, max: 9000 })),
    ipv6Inside: fc.boolean(),
    forbidsFragments: fc.constant(false),
    paths: fc.array(path, { maxLength: 4 }),
  });
  fc.assert(fc.property(facts, (facts) => {
    const { mtu, reason, notice } = decideTunMtu(facts, null);
    const wanted = Math.min(1400, facts.server ?? 1400);
    const least = Math.min(wanted, facts.ipv6Inside ? 1280 : 576);
    ok(mtu >= least && mtu <= wanted);
    const used = facts.paths.filter(({ found }) => (found ?? least) >= least);
    for (const { found } of used) ok(found === null || mtu <= Math.max(found, least));
    equal(notice, reason);
    equal(reason === null, mtu === wanted && facts.paths.every(fits(wanted)));
  }));
});

function fits(mtu: number) {
  return ({ interfaceMtu, family, found }: PathMtu) =>
    mtu + (family === 4 ? 86 : 106) <= interfaceMtu && (found === null || found >= mtu);
}
