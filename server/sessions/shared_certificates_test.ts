import { deepEqual, equal, ok } from "node:assert/strict";
import { SharedCertificates } from "./shared_certificates.ts";

const OFFICE = "203.0.113.7";
const HOME = "198.51.100.9";

/** Sessions of "laptop" asked for from `addresses`, 11 s apart, each spoken on. Returns the warnings. */
function warnings(shared: SharedCertificates, addresses: readonly string[], startMs = 0) {
  return addresses.map((address, index) => {
    const told = shared.given("laptop", address, startMs + index * 11_000);
    shared.heard(
      "laptop",
      address.includes(":") ? `[${address.replace(/%.*/, "")}]:40000` : `${address}:40000`,
    );
    return told;
  });
}

Deno.test("SharedCertificates tells of two machines that take the session from each other, once", () => {
  const shared = new SharedCertificates();
  const told = warnings(shared, [OFFICE, HOME, OFFICE, HOME, OFFICE, HOME]);
  deepEqual(told, [
    null,
    null,
    { name: "laptop", address: OFFICE, otherAddress: HOME },
    null,
    null,
    null,
  ]);
});

Deno.test("SharedCertificates tells again when it was over for ten minutes", () => {
  const shared = new SharedCertificates();
  warnings(shared, [OFFICE, HOME, OFFICE]);
  const again = warnings(shared, [HOME, OFFICE, HOME], 700_000);
  equal(again.filter((told) => told !== null).length, 1);
});

Deno.test("SharedCertificates takes a client that moves, renews or tries on for one machine", () => {
  const cases: Record<string, (shared: SharedCertificates) => unknown[]> = {
    "renews": (shared) => warnings(shared, Array(5).fill(OFFICE)),
    "goes home": (shared) => warnings(shared, [OFFICE, OFFICE, HOME, HOME]),
    "comes back much later": (shared) => [
      ...warnings(shared, [OFFICE, HOME]),
      ...warnings(shared, [OFFICE], 3_600_000),
    ],
    "has both as links": (shared) => {
      shared.given("laptop", OFFICE, 0);
      shared.heard("laptop", `${OFFICE}:1`);
      shared.heard("laptop", `${HOME}:1`);
      return [HOME, OFFICE, HOME].map((address) => shared.given("laptop", address, 1));
    },
    "is not heard over the second link": (shared) => {
      shared.given("laptop", OFFICE, 0);
      shared.heard("laptop", `${OFFICE}:1`);
      return [HOME, OFFICE, HOME, OFFICE].map((address) => shared.given("laptop", address, 1));
    },
    "left in between": (shared) =>
      [
        ...warnings(shared, [OFFICE, HOME]),
        shared.left("laptop"),
        ...warnings(shared, [OFFICE], 22_000),
      ].filter((told) => told !== undefined),
    "is a neighbour": (shared) => warnings(shared, ["fe80::1%eth0", "fe80::2%eth0"]),
    "has two addresses of one network": (shared) =>
      warnings(shared, ["2001:db8::1", "2001:db8::2:3", "2001:db8::1", "2001:db8::2:3"]),
  };
  for (const [what, told] of Object.entries(cases)) {
    ok(told(new SharedCertificates()).every((one) => one === null), what);
  }
});

Deno.test("SharedCertificates forgets the names that were used longest ago", () => {
  const shared = new SharedCertificates();
  warnings(shared, [OFFICE, HOME]);
  for (let name = 0; name < 512; name++) shared.given(`client ${name}`, OFFICE, 12_000);
  deepEqual(warnings(shared, [OFFICE], 22_000), [null]);
});
