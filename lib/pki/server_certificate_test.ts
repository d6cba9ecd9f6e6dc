import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { openServerPki } from "./server_pki.ts";
import { refuses } from "../../testing/pki/refusal.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const DAY_MS = 86_400_000;

interface Changes {
  hosts?: string[];
  now?: Date;
}

function open(directory: string, changes: Changes = {}) {
  return openServerPki(directory, { hosts: [], regenerate: false, now: NOW, ...changes });
}

function inDays(days: number): Date {
  return new Date(NOW.getTime() + days * DAY_MS);
}

Deno.test("a host that is new is added to the certificate; key, CA and other hosts stay", async () => {
  await using directory = await TemporaryDirectory.create();
  const before = await open(directory.path, { hosts: ["192.0.2.1"] });
  const after = await open(directory.path, { hosts: ["vpn.example.org"] });
  assert.equal(after.created, false);
  assert.equal(after.keyPem, before.keyPem);
  assert.equal(after.caPem, before.caPem);
  assert.match(
    after.notices.join(),
    /does not name vpn\.example\.org, .*: it was issued anew from the CA, for 192\.0\.2\.1, vpn\.example\.org/,
  );
  assert.deepEqual((await open(directory.path, { hosts: ["192.0.2.1"] })).notices, []);
});

Deno.test("without the CA's key a missing host is a notice", async () => {
  await using directory = await TemporaryDirectory.create();
  const before = await open(directory.path);
  await Deno.remove(join(directory.path, "ca-key.pem"));
  const after = await open(directory.path, { hosts: ["vpn.example.org"] });
  assert.equal(after.certPem, before.certPem);
  assert.match(
    after.notices.join(),
    /clients that connect to these refuse it, and it could not be issued anew: .*ca-key\.pem is missing; put/,
  );
});

Deno.test("a server certificate is renewed 30 days before its end, and when it has expired", async () => {
  await using directory = await TemporaryDirectory.create();
  const { keyPem } = await open(directory.path);
  assert.deepEqual((await open(directory.path, { now: inDays(794) })).notices, []);
  const renewed = await open(directory.path, { now: inDays(796) });
  assert.match(
    renewed.notices.join(),
    /expires on 2028-09-03.*issued anew.*for 127\.0\.0\.1, localhost/,
  );
  assert.equal(renewed.keyPem, keyPem);
  const expired = await open(directory.path, { now: inDays(796 + 826) });
  assert.match(expired.notices.join(), /expired on .*issued anew/);
});

Deno.test("without the CA's key an expired server certificate is refused", async () => {
  await using directory = await TemporaryDirectory.create();
  await open(directory.path);
  await Deno.remove(join(directory.path, "ca-key.pem"));
  const soon = await open(directory.path, { now: inDays(800) });
  assert.match(soon.notices.join(), /expires on .*could not be issued anew/);
  const server = join(directory.path, "server.pem");
  await refuses(
    () => open(directory.path, { now: inDays(826) }),
    "expired",
    server,
    /expired on 2028-09-03 12:00 UTC, .*ca-key\.pem is missing; put the key/,
  );
});

Deno.test("a missing server certificate or key is made anew, if the CA's key is there", async () => {
  await using directory = await TemporaryDirectory.create();
  const at = (name: string) => join(directory.path, name);
  const first = await open(directory.path);
  await Deno.remove(at("server.pem"));
  const second = await open(directory.path);
  assert.match(second.notices.join(), /server\.pem is missing: it was issued anew/);
  assert.equal(second.keyPem, first.keyPem);
  await Deno.remove(at("server-key.pem"));
  const third = await open(directory.path);
  assert.match(third.notices.join(), /server-key\.pem is missing: it was issued anew/);
  assert.notEqual(third.keyPem, first.keyPem);
  assert.equal(
    new X509Certificate(third.certPem).verify(new X509Certificate(first.caPem).publicKey),
    true,
  );
  await Deno.remove(at("server.pem"));
  await Deno.remove(at("ca-key.pem"));
  await refuses(
    () => open(directory.path),
    "no CA key",
    at("server.pem"),
    /server\.pem is missing, and/,
  );
});

Deno.test("a server certificate that a clock ahead has issued is issued anew, by the CA", async () => {
  await using directory = await TemporaryDirectory.create();
  await open(directory.path);
  const server = join(directory.path, "server.pem");
  await Deno.remove(server);
  await open(directory.path, { now: inDays(10) });
  const copy = await Deno.readTextFile(server);
  const { notices, certPem } = await open(directory.path);
  assert.match(notices.join(), /valid from 2026-06-11 .*clock says 2026-06-01 .*issued anew/);
  assert.ok(new X509Certificate(certPem).validFromDate <= inDays(0));
  assert.deepEqual((await open(directory.path)).notices, []);

  await Deno.writeTextFile(server, copy);
  await Deno.remove(join(directory.path, "ca-key.pem"));
  await refuses(
    () => open(directory.path),
    "not yet valid",
    server,
    /valid from 2026-06-11 .*clock says 2026-06-01 .*put the key .*; set the clock if it is wrong/,
  );
});
