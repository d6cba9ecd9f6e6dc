import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";
import { AddressPool } from "./address_pool.ts";

const POOL_SIZE = new AddressPool().size;

Deno.test("AddressPool starts at 2 and uses one host number for both families", () => {
  const pool = new AddressPool();
  deepEqual(pool.lease("a"), { ipv4: "10.8.0.2", ipv6: "fd00:8::2" });
  for (let client = 3; client <= 16; client++) pool.lease(`client ${client}`);
  deepEqual(pool.lease("client 16"), { ipv4: "10.8.0.16", ipv6: "fd00:8::10" });
});

Deno.test("AddressPool gives a client the same addresses, also after it has been away", () => {
  const pool = new AddressPool();
  const first = pool.lease("a");
  pool.lease("b");
  pool.release("a");
  pool.lease("c");
  deepEqual(pool.lease("a"), first);
});

Deno.test("AddressPool refuses when all addresses are in use, and takes the longest released", () => {
  const pool = new AddressPool();
  for (let client = 0; client < POOL_SIZE; client++) ok(pool.lease(`client ${client}`));
  equal(pool.lease("one too many"), null);
  pool.release("client 7");
  pool.release("client 3");
  deepEqual(pool.lease("new"), { ipv4: "10.8.0.9", ipv6: "fd00:8::9" });
  equal(pool.lease("client 7")?.ipv4, "10.8.0.5");
  equal(pool.lease("another"), null);
});

Deno.test("AddressPool goes on with the leases of an earlier one", () => {
  const before = new AddressPool();
  for (const name of ["a", "b", "c"]) before.lease(name);
  before.release("b");
  const leases = [{ name: "b", host: 3 }, { name: "a", host: 2 }, { name: "c", host: 4 }];
  deepEqual(before.leases, leases);
  const after = new AddressPool(before.leases);
  equal(after.lease("d")?.ipv4, "10.8.0.5");
  equal(after.lease("c")?.ipv4, "10.8.0.4");
  deepEqual(after.leases.map(({ name }) => name), ["b", "a", "d", "c"]);
});

Deno.test("AddressPool gives away the least recently used lease of an earlier one", () => {
  const leases = Array.from({ length: POOL_SIZE }, (_, index) => ({
    name: `client ${index}`,
    host: 254 - index,
  }));
  const pool = new AddressPool(leases);
  equal(pool.lease("client 0")?.ipv4, "10.8.0.254");
  equal(pool.lease("new")?.ipv4, "10.8.0.253");
  equal(pool.lease("client 1")?.ipv4, "10.8.0.252");
  equal(pool.leases.length, POOL_SIZE);
});

Deno.test("AddressPool refuses leases that cannot be", () => {
  const twice = [{ name: "a", host: 2 }, { name: "a", host: 3 }];
  throws(() => new AddressPool(twice), /leased twice/);
  throws(() => new AddressPool([{ name: "a", host: 2 }, { name: "b", host: 2 }]), /leased twice/);
  for (const host of [0, 1, 255, 2.5, NaN]) {
    throws(() => new AddressPool([{ name: "a", host }]), /host number/);
  }
});

/** A /16, whose clients come and go faster than a walk over all of them would let them. */
Deno.test("AddressPool serves all 65,533 clients of a /16, who come and go at any time", () => {
  const network = new TunnelNetwork("10.8.0.0/16", "fd00:8::/48");
  const pool = new AddressPool([], network);
  const addresses = new Set<string>();
  for (let client = 0; client < pool.size; client++) {
    addresses.add(pool.lease(`client ${client}`, "any")!.ipv4);
  }
  equal(addresses.size, 65_533);
  equal(pool.inUse, 65_533);
  equal(pool.lease("one too many", "any"), null);
  for (let turn = 0; turn < 200_000; turn++) {
    const leaves = (turn * 7919) % pool.size;
    const before = pool.addressesOf(`client ${leaves}`);
    pool.release(`client ${leaves}`);
    deepEqual(pool.lease(turn % 2 === 0 ? `client ${leaves}` : `new ${turn}`, "any"), before);
    if (turn % 2 === 0) continue;
    pool.release(`new ${turn}`);
    deepEqual(pool.lease(`client ${leaves}`, "any"), before);
  }
  deepEqual(new AddressPool(pool.leases, network).leases.length, 65_533);
});

Deno.test("AddressPool gives unusual host numbers last, and to none but those who take them", () => {
  const network = new TunnelNetwork("10.8.0.0/23", "fd00:8::/64");
  const pool = new AddressPool([], network);
  for (let client = 0; client < 506; client++) ok(pool.lease(`old ${client}`));
  equal(pool.lease("old one too many"), null);
  equal(pool.lease("new", "any")?.ipv4, "10.8.0.255");
  equal(pool.lease("newer", "any")?.ipv4, "10.8.1.0");
  equal(pool.lease("newest", "any")?.ipv4, "10.8.1.1");
  equal(pool.lease("one too many", "any"), null);
  // Downgraded: no usual number is free, and it keeps what it has.
  pool.release("newest");
  equal(pool.lease("newest"), null);
  equal(pool.addressesOf("newest")?.ipv4, "10.8.1.1");
  pool.release("old 0");
  equal(pool.lease("newest")?.ipv4, "10.8.0.2");
  equal(pool.lease("another", "any")?.ipv4, "10.8.1.1");
});

Deno.test("AddressPool keeps a reserved number for its client alone", () => {
  const pool = new AddressPool([{ name: "gone", host: 77 }, { name: "cam", host: 3 }]);
  equal(pool.reserve("cam", 77), null);
  equal(pool.addressesOf("gone"), null);
  equal(pool.addressesOf("cam")?.ipv4, "10.8.0.77");
  for (let client = 0; client < POOL_SIZE - 1; client++) {
    ok(pool.lease(`client ${client}`)!.ipv4 !== "10.8.0.77");
  }
  equal(pool.lease("one too many"), null);
  equal(pool.lease("cam")?.ipv4, "10.8.0.77");
  pool.release("cam");
  equal(pool.lease("one too many"), null, "also while it is away");
  equal(pool.leases.length, POOL_SIZE - 1, "what is reserved is no lease");
  pool.cancel("cam");
  equal(pool.lease("one too many")?.ipv4, "10.8.0.77");
});

Deno.test("AddressPool tells who still has a number that is reserved for another", () => {
  const pool = new AddressPool();
  pool.lease("first");
  equal(pool.reserve("cam", 2), "first");
  equal(pool.lease("cam"), null);
  pool.release("first");
  equal(pool.lease("cam")?.ipv4, "10.8.0.2");
  equal(pool.lease("first")?.ipv4, "10.8.0.3");
  // Its own number of before is free again; one that it uses stays until it leaves.
  equal(pool.reserve("cam", 9), null);
  equal(pool.addressesOf("cam")?.ipv4, "10.8.0.2");
  pool.release("cam");
  equal(pool.lease("cam")?.ipv4, "10.8.0.9");
});

Deno.test("AddressPool reserves no number twice, and none that some clients refuse", () => {
  const pool = new AddressPool([], new TunnelNetwork("10.8.0.0/16", "fd00:8::/64"));
  pool.reserve("cam", 9);
  throws(() => pool.reserve("other", 9), /reserved for cam/);
  equal(pool.reserve("cam", 9), null);
  for (const host of [0, 1, 255, 256, 257, 65_535, 65_536, 2.5, NaN]) {
    throws(() => pool.reserve("other", host), /no client can rely on/);
  }
});

Deno.test("AddressPool keeps every address through a restart, unless the room is needed", () => {
  const names = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 600 });
  fc.assert(fc.property(names, names, (joining, leaving) => {
    const before = new AddressPool();
    const had = new Map<string, string>();
    for (const name of joining) {
      const addresses = before.lease(`${name}`);
      if (addresses !== null) had.set(`${name}`, addresses.ipv4);
    }
    for (const name of leaving) before.release(`${name}`);
    const after = new AddressPool(before.leases);
    deepEqual(after.leases, before.leases);
    for (const { name } of before.leases) equal(after.lease(name)?.ipv4, had.get(name));
  }));
});

Deno.test("AddressPool never has one address in use twice", () => {
  const step = fc.record({
    name: fc.integer({ min: 0, max: 40 }),
    does: fc.constantFrom("join", "join", "leave", "reserve", "cancel"),
    host: fc.integer({ min: 2, max: 30 }),
  });
  const network = new TunnelNetwork("10.8.0.0/27", "fd00:8::/64");
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const pool = new AddressPool([], network);
    const inUse = new Map<number, string>();
    const reserved = new Map<number, number>();
    for (const { name, does, host } of steps) {
      if (does === "leave") {
        pool.release(`${name}`);
        inUse.delete(name);
      } else if (does === "cancel") {
        pool.cancel(`${name}`);
        reserved.delete(name);
      } else if (does === "reserve") {
        const owner = [...reserved].find(([, other]) => other === host)?.[0];
        if (owner !== undefined && owner !== name) {
          throws(() => pool.reserve(`${name}`, host), RangeError);
          continue;
        }
        const holder = [...inUse].find(([, ipv4]) => ipv4 === `10.8.0.${host}`)?.[0] ?? name;
        equal(pool.reserve(`${name}`, host), holder === name ? null : `${holder}`);
        reserved.set(name, host);
      } else {
        const addresses = pool.lease(`${name}`);
        if (addresses !== null) inUse.set(name, addresses.ipv4);
        const own = reserved.get(name);
        if (own !== undefined && addresses !== null) equal(addresses.ipv4, `10.8.0.${own}`);
        // Nobody is refused while a number is free for it.
        const taken = new Set([...reserved.values()].map((each) => `10.8.0.${each}`))
          .union(new Set(inUse.values()));
        if (addresses === null && own === undefined) equal(taken.size, pool.size);
      }
      equal(new Set(inUse.values()).size, inUse.size);
      equal(pool.inUse, inUse.size);
    }
  }));
});
