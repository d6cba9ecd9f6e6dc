import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { DEFAULT_NETWORK, TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";
import type { Lease } from "./address_pool.ts";
import * as file from "./lease_file.ts";
import { LEASE_FILE_BYTES_MAX } from "./lease_file.ts";

const HOST_MIN = 2, HOST_MAX = 254, POOL_SIZE = 253;
const decodeLeases = (text: string, network = DEFAULT_NETWORK) => file.decodeLeases(text, network);
const encodeLeases = (leases: readonly Lease[], network = DEFAULT_NETWORK) =>
  file.encodeLeases(leases, network);

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
  const inFile = (...leases: unknown[]) => JSON.stringify({ version: 1, leases });
  const lease = (host: number) => ({ name: `${host}`, ipv4: `10.8.0.${host}` });
  const cases: [string, RegExp][] = [
    ["", /not JSON/],
    ['{"version":1,"leases":[', /not JSON/],
    ["[]", /^Error: (it is not a list of leases|version)/],
    ["null", /not a list of leases/],
    ['{"version":2,"leases":[]}', /version is not/],
    ['{"version":1}', /leases is not/],
    [inFile({ name: "a", ipv4: "10.8.0.02" }), /ipv4/],
    [inFile({ name: "", ipv4: "10.8.0.2" }), /leases\.0\.name is not/],
    [inFile({ name: "x".repeat(257), ipv4: "10.8.0.2" }), /name/],
    [inFile(7), /leases\.0/],
    [inFile(lease(1)), /10\.8\.0\.1 is no address of a client/],
    [inFile(lease(255)), /10\.8\.0\.255 is no address/],
    [inFile(lease(2), lease(2)), /leased twice/],
    [inFile(lease(2), { name: "b", ipv4: "10.8.0.2" }), /leased twice/],
    [inFile(...Array.from({ length: 65_537 }, () => lease(2))), /leases is not/],
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

Deno.test("leases of another network are left out, those of ours stay in any network", () => {
  const other = new TunnelNetwork("10.9.0.0/16", "fd09::/64");
  const leases = [{ name: "a", host: 2 }, { name: "b", host: 700 }];
  deepEqual(decodeLeases(encodeLeases(leases, other), other), leases);
  deepEqual(decodeLeases(encodeLeases(leases, other)), []);
});
