import { deepEqual, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  decodeEntry,
  encodeClient,
  encodeLease,
  encodeRevocation,
  encodeServer,
  encodeUsage,
  parseKey,
  VALUE_BYTES_MAX,
} from "./entries.ts";
import { NO_SETTINGS } from "../../clients/client_settings.ts";

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

Deno.test("entries: volumes and settings of clients are read as written, whatever their names", () => {
  const names = ["laptop", "__proto__", "名".repeat(200), "a b.c"];
  const months = new Map([["2026-11", 5], ["2026-12", Number.MAX_SAFE_INTEGER]]);
  for (const name of names) {
    const usage = encodeUsage(name, ID, { by: ID, months });
    deepEqual(decodeEntry(usage.key, usage.value), {
      ...{ kind: "usage", name, id: ID },
      value: { by: ID, months },
    });
    const settings = { ...NO_SETTINGS, quotaBytes: 1e9 };
    const client = encodeClient(name, { settings, atMs: 5 });
    deepEqual(decodeEntry(client.key, client.value), {
      ...{ kind: "client", name },
      value: { settings, atMs: 5 },
    });
  }
  const { key } = encodeUsage("laptop", ID, { by: ID, months });
  const refused = (value: unknown, message: RegExp, other = key) =>
    throws(() => decodeEntry(other, bytes(JSON.stringify(value))), message);
  const good = { name: "laptop", by: ID, months: { "2026-11": 1 } };
  refused({ ...good, name: "cam" }, /its key has another name/);
  refused({ ...good, by: "me" }, /its 'by'/);
  refused({ ...good, months: { "2026-13": 1 } }, /its 'months/);
  for (const bytes of [-1, 0.5, 1e300, "1", null]) {
    refused({ ...good, months: { "2026-11": bytes } }, /its 'months/);
  }
  const many = Object.fromEntries([..."123456789"].map((digit) => [`2026-0${digit}`, 1]));
  refused({ ...good, months: many }, /its 'months'/);
  refused(good, /its key is none of ours/, "usage.bGFwdG9w");
  refused(good, /its key is none of ours/, `${key}.${ID}`);
});
