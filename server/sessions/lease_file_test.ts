import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { HOST_MAX, HOST_MIN, POOL_SIZE } from "./address_pool.ts";
import { decodeLeases, encodeLeases, LEASE_FILE_BYTES_MAX } from "./lease_file.ts";

Deno.test("decodeLeases() reads what encodeLeases() wrote, in its order", () => {
  const leases = fc.uniqueArray(
    fc.record({
      name: fc.string({ minLength: 1, maxLength: 200 }),
      host: fc.integer({ min: HOST_MIN, max: HOST_MAX }),
    }),
    { selector: ({ host }) => host, maxLength: POOL_SIZE },
  ).filter((all) => new Set(all.map(({ name }) => name)).size === all.length);
  fc.assert(fc.property(leases, (all) => deepEqual(decodeLeases(encodeLeases(all)), all)));
});

Deno.test("encodeLeases() stays within its bound, whatever the names hold", () => {
  const leases = Array.from({ length: POOL_SIZE }, (_, index) => ({
    name: `${String(index).padStart(3, "0")}${"\u0001".repeat(253)}`,
    host: HOST_MIN + index,
  }));
  const text = encodeLeases(leases);
  ok(text.length < LEASE_FILE_BYTES_MAX);
  equal(decodeLeases(text).length, POOL_SIZE);
  deepEqual(decodeLeases(encodeLeases([{ name: "x".repeat(257), host: 2 }])), []);
});

Deno.test("decodeLeases() says what is wrong", () => {
  const file = (...leases: unknown[]) => JSON.stringify({ version: 1, leases });
  const lease = (host: number) => ({ name: `${host}`, ipv4: `10.8.0.${host}` });
  const cases: [string, RegExp][] = [
    ["", /not JSON/],
    ['{"version":1,"leases":[', /not JSON/],
    ["[]", /^Error: (it is not a list of leases|version)/],
    ["null", /not a list of leases/],
    ['{"version":2,"leases":[]}', /version is not/],
    ['{"version":1}', /leases is not/],
    [file({ name: "a", ipv4: "10.9.0.2" }), /leases\.0\.ipv4 is not/],
    [file({ name: "a", ipv4: "10.8.0.02" }), /ipv4/],
    [file({ name: "", ipv4: "10.8.0.2" }), /leases\.0\.name is not/],
    [file({ name: "x".repeat(257), ipv4: "10.8.0.2" }), /name/],
    [file(7), /leases\.0/],
    [file(lease(1)), /10\.8\.0\.1 is no address of a client/],
    [file(lease(255)), /10\.8\.0\.255 is no address/],
    [file(lease(2), lease(2)), /leased twice/],
    [file(lease(2), { name: "b", ipv4: "10.8.0.2" }), /leased twice/],
    [file(...Array.from({ length: 254 }, (_, index) => lease(index + 2))), /leases is not/],
  ];
  for (const [text, message] of cases) throws(() => decodeLeases(text), message, text);
});

Deno.test("decodeLeases() survives any text", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    try {
      ok(decodeLeases(text).length <= POOL_SIZE);
    } catch (error) {
      ok(error instanceof Error);
    }
  }));
});
