import { deepEqual, equal, match } from "node:assert/strict";
import { ADDRESSES_MAX, DestinationAddresses } from "./destination_addresses.ts";

const GIVEN = { prefixes: ["192.0.2.0/24"], names: ["example.com"] };
const MINUTE = 60_000;

Deno.test("a name's addresses are followed, and kept for ten minutes", async () => {
  let answer = ["203.0.113.1", "2001:db8::1"];
  let asked = 0;
  const addresses = new DestinationAddresses(GIVEN, () => {
    asked++;
    return Promise.resolve(answer.map((address) => ({ address })));
  });
  deepEqual(addresses.prefixes, ["192.0.2.0/24"]);
  equal(addresses.isDue(0), true);
  deepEqual(await addresses.refresh(0), []);
  deepEqual(addresses.prefixes, ["192.0.2.0/24", "203.0.113.1/32", "2001:db8::1/128"]);
  equal(addresses.isDue(14_999), false);
  await addresses.refresh(14_999);
  equal(asked, 1);

  answer = ["203.0.113.2"];
  await addresses.refresh(MINUTE);
  deepEqual(addresses.prefixes.length, 4);
  for (let at = 2; at <= 11; at++) await addresses.refresh(at * MINUTE);
  deepEqual(addresses.prefixes, ["192.0.2.0/24", "203.0.113.2/32"]);
});

Deno.test("a name that is not found is said once, and what was known of it stays", async () => {
  let failure: Error | null = null;
  const addresses = new DestinationAddresses(
    GIVEN,
    () =>
      failure === null ? Promise.resolve([{ address: "203.0.113.1" }]) : Promise.reject(failure),
  );
  await addresses.refresh(0);
  failure = new Error("no answer");
  match(
    (await addresses.refresh(MINUTE)).join(),
    /^no answer; what is known of example\.com stays$/,
  );
  equal(addresses.isDue(MINUTE + 9_999), false);
  deepEqual(await addresses.refresh(MINUTE + 10_000), []);
  deepEqual(addresses.prefixes, ["192.0.2.0/24", "203.0.113.1/32"]);
  failure = null;
  await addresses.refresh(2 * MINUTE);
  failure = new Error("again");
  equal((await addresses.refresh(3 * MINUTE)).length, 1);
});

Deno.test("a name with ever new addresses keeps the latest ones", async () => {
  let at = 0;
  const addresses = new DestinationAddresses({ prefixes: [], names: ["cdn.example"] }, () => {
    at++;
    return Promise.resolve([{ address: `203.0.113.${at}` }]);
  });
  // More often than it does, so that none is too old.
  for (let second = 0; second < 100; second++) await addresses.refresh(second * MINUTE);
  const { prefixes } = addresses;
  equal(prefixes.length, 11);
  equal(prefixes.at(-1), "203.0.113.100/32");
  let many = 0;
  const crowded = new DestinationAddresses(
    { prefixes: [], names: ["cdn.example"] },
    () =>
      Promise.resolve(Array.from({ length: 40 }, () => ({ address: `10.0.${many++ % 250}.1` }))),
  );
  const lines: string[] = [];
  for (let minute = 0; minute < 3; minute++) lines.push(...await crowded.refresh(minute * MINUTE));
  deepEqual(lines, [
    `cdn.example has more addresses than ${ADDRESSES_MAX}: those found longest ago are left out`,
  ], "once");
  equal(crowded.prefixes.length, ADDRESSES_MAX);
  equal(crowded.prefixes.at(-1), "10.0.119.1/32");
});

Deno.test("what a name server says of this machine itself, or of no host, is passed over", async () => {
  const none = ["127.0.0.1", "0.0.0.0", "169.254.1.1", "224.0.0.1", "255.255.255.255"];
  const none6 = ["::", "::1", "::ffff:203.0.113.9", "fe80::1", "ff02::1"];
  const all = [...none, "203.0.113.1", ...none6, "2001:db8::1"];
  const addresses = new DestinationAddresses(
    { prefixes: [], names: ["example.com"] },
    () => Promise.resolve(all.map((address) => ({ address }))),
  );
  await addresses.refresh(0);
  deepEqual(addresses.prefixes, ["203.0.113.1/32", "2001:db8::1/128"]);
});

Deno.test("no name stands for an address that is reserved, however it is written", async () => {
  const answer = [{ address: "192.0.2.53" }, { address: "2001:DB8:0::53" }, {
    address: "192.0.2.1",
  }];
  const addresses = new DestinationAddresses(
    { prefixes: [], names: ["example.com"] },
    () => Promise.resolve(answer),
    ["192.0.2.53", "2001:db8::53"],
  );
  await addresses.refresh(0);
  const told = ["192.0.2.53", "2001:db8::53", "192.0.2.2"];
  deepEqual(addresses.learned("example.com", told, 1), ["192.0.2.2"]);
  deepEqual(addresses.prefixes, ["192.0.2.1/32", "192.0.2.2/32"]);
  deepEqual(addresses.meant(told), ["192.0.2.2"]);
});
