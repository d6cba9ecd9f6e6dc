import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { AddressPool, POOL_SIZE } from "./address_pool.ts";

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
