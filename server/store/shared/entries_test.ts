import { deepEqual, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  decodeEntry,
  encodeLease,
  encodeRevocation,
  encodeServer,
  parseKey,
  VALUE_BYTES_MAX,
} from "./entries.ts";

const ID = "00ff00ff00ff00ff";
const instants = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("9999-01-01") });
const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("entries: leases, revocations and servers are read as they were written", () => {
  const names = fc.string({ minLength: 1, maxLength: 64 });
  fc.assert(fc.property(names, fc.boolean(), instants, (name, isHere, at) => {
    const value = { name, server: isHere ? ID : null, atMs: at.getTime() };
    const lease = encodeLease("10.8.0.77", value);
    deepEqual(decodeEntry(lease.key, lease.value), { kind: "lease", ipv4: "10.8.0.77", value });
    const revocation = { serial: "3A5F", commonName: name, revokedAt: at, notAfter: at };
    const revoked = encodeRevocation(revocation);
    deepEqual(decodeEntry(revoked.key, revoked.value), { kind: "revoked", value: revocation });
  }));
  const value = { name: "vpn1", atMs: 5, sessions: 3, isDraining: true, version: "0.1.0" };
  const server = encodeServer(ID, value);
  deepEqual(decodeEntry(server.key, server.value), { kind: "server", id: ID, value });
});

Deno.test("entries: what is none of ours is refused by name", () => {
  const at = '"at":"2026-11-28T13:05:00.000Z"';
  const refused = (key: string, text: string, message: RegExp) =>
    throws(() => decodeEntry(key, bytes(text)), message);
  refused("lease.10.8.0.7", "nonsense", /it is not JSON/);
  refused("lease.10.8.0.7", "[]", /it is no object|is not what it should be/);
  refused("lease.10.8.0.7", `{"name":"","server":null,${at}}`, /its 'name'/);
  refused("lease.10.8.0.7", `{"name":"a","server":"me",${at}}`, /its 'server'/);
  refused("lease.10.8.0.7", `{"name":"a","server":null,"at":"soon"}`, /its 'at'/);
  refused("lease.10.8.0.7", `{"name":"a","server":null,"more":1,${at}}`, /its 'more'/);
  refused("lease.10.8.0.300", `{"name":"a","server":null,${at}}`, /its key is none of ours/);
  refused("lease.10.8.0.7", `"${"x".repeat(VALUE_BYTES_MAX)}"`, /more than 8192/);
  refused(`server.${ID}`, `{"name":"\\u001b[2J","sessions":1}`, /its 'name'/);
  refused("revoked.3A", `{"serial":"3B"}`, /it is no revocation/);
  const other = encodeRevocation({
    ...{ serial: "3B", commonName: "a" },
    ...{ revokedAt: new Date(0), notAfter: new Date(0) },
  });
  throws(() => decodeEntry("revoked.3A", other.value), /its key has another serial/);
});

Deno.test("entries: hostile keys and values never do more than be refused", () => {
  const keys = fc.oneof(
    fc.string(),
    fc.constantFrom("lease.10.8.0.7", "revoked.3A", `server.${ID}`),
    fc.string().map((text) => `lease.${text}`),
  );
  const values = fc.oneof(fc.uint8Array(), fc.json().map(bytes));
  fc.assert(fc.property(keys, values, (key, value) => {
    try {
      const { kind } = decodeEntry(key, value);
      equal(kind, parseKey(key)?.kind);
    } catch (error) {
      equal((error as Error).name, "Error");
    }
  }));
});
