import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
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
  const step = fc.record({ name: fc.integer({ min: 0, max: 400 }), leave: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 1000 }), (steps) => {
    const pool = new AddressPool();
    const inUse = new Map<number, string>();
    for (const { name, leave } of steps) {
      if (leave) {
        pool.release(`${name}`);
        inUse.delete(name);
      } else {
        const addresses = pool.lease(`${name}`);
        if (addresses === null) equal(inUse.size, POOL_SIZE);
        else inUse.set(name, addresses.ipv4);
      }
      equal(new Set(inUse.values()).size, inUse.size);
    }
  }));
});
