import assert from "node:assert/strict";
import { join } from "node:path";
import { openClientRegistry } from "./client_registry.ts";
import { openServerPki } from "./server_pki.ts";
import { hasOpenssl, openssl, opensslVerify } from "../../testing/pki/openssl.ts";
import { refuses } from "../../testing/pki/refusal.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";

const NOW = new Date("2026-06-01T12:00:00.789Z");
const DAY_MS = 86_400_000;

function openNew(directory: string) {
  return openServerPki(directory, { hosts: [], regenerate: false, now: NOW });
}

Deno.test("a new client has a certificate, a key and a bundle of both with the CA", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await openNew(directory.path);
  const issued = await pki.issueClient("alice", NOW);
  const copy = "alice-20260601-120000.pem";
  assert.deepEqual(directory.names("clients"), [
    ...[copy, "alice-key.pem", "alice.bundle", "alice.pem"],
  ]);
  const [cert, key, bundle] = await Promise.all(
    [issued.certPath, issued.keyPath, issued.bundlePath].map((path) => Deno.readTextFile(path)),
  );
  // The Go client takes the last certificate for the client's and those before it for the CA's.
  assert.equal(bundle, pki.caPem + cert! + key!);
  assert.match(key!, /^-----BEGIN PRIVATE KEY-----\n/);
  for (const secret of [issued.keyPath, issued.bundlePath]) {
    assert.equal((await Deno.stat(secret)).mode! & 0o777, 0o600);
  }
  assert.match(issued.serial, /^[4-7][0-9A-F]{31}$/);
  assert.equal(issued.notAfter.toISOString(), "2028-05-31T12:00:00.000Z");
});

Deno.test("a copy tells when a certificate was made; it is no client of its own", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await openNew(directory.path);
  const { certPath } = await pki.issueClient("alice", NOW);
  const copy = join(directory.path, "clients", "alice-20260601-120000.pem");
  assert.equal(await Deno.readTextFile(copy), await Deno.readTextFile(certPath));
  assert.deepEqual((await pki.listClients(NOW)).map((one) => one.certPath), [certPath]);
  assert.deepEqual((await pki.showClient("alice", NOW)).others, []);
  assert.deepEqual((await pki.revokeClient("alice", NOW)).notices, []);
  // The next one takes its place: there is one copy of each client.
  const later = new Date(NOW.getTime() + DAY_MS);
  await pki.issueClient("alice", later);
  const copies = directory.names("clients").filter((name) => /-\d{6}\.pem$/.test(name));
  assert.deepEqual(copies, ["alice-20260602-120000.pem"]);
  const listed = await pki.listClients(later);
  assert.deepEqual(listed.map(({ status }) => status), ["valid", "revoked"]);
  assert.deepEqual([listed[0]!.revokedAt, listed[1]!.revokedAt], [null, NOW]);
});

Deno.test("a certificate was made when it was, though it is valid from earlier on", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await openNew(directory.path);
  const { certPath } = await pki.issueClient("alice", NOW);
  const second = (date: Date) => date.toISOString().slice(0, 19);
  const created = async () => second((await pki.showClient("alice", NOW)).createdAt);
  assert.equal(await created(), second(NOW));
  // Copied to another machine years later, it is no younger.
  await Deno.utime(certPath, new Date("2027-01-01T00:00:00Z"), new Date("2027-01-01T00:00:00Z"));
  assert.equal(await created(), second(NOW));
  // Other programs make certificates that are valid from when they were made.
  const start = new Date(NOW.getTime() - 3_600_000);
  await Deno.utime(certPath, start, start);
  assert.equal(await created(), second(start));
});

Deno.test({
  name: "OpenSSL verifies clients strictly, refuses revoked ones, and reads the CRL",
  ignore: !hasOpenssl(),
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const { path } = directory;
    const pki = await openNew(path);
    const alice = await pki.issueClient("alice", NOW);
    const bob = await pki.issueClient("bob_the-2nd.x", NOW);
    await pki.revokeClient("bob_the-2nd.x", NOW);
    for (const cert of [alice.certPath, join(path, "server.pem")]) {
      const { output } = await opensslVerify(path, cert, NOW);
      assert.equal(output.trim(), `${cert}: OK`);
    }
    const refused = await opensslVerify(path, bob.certPath, NOW);
    assert.match(refused.output, /certificate revoked/);
    const crl = await openssl("crl", "-in", join(path, "revoked.pem"), "-noout", "-text");
    assert.match(crl, new RegExp(`Serial Number: ${bob.serial}`));
    const text = await openssl("x509", "-in", alice.certPath, "-noout", "-text");
    assert.match(text, /Subject: CN = alice\n/);
    assert.match(text, /Extended Key Usage: \n +TLS Web Client Authentication\n/);
    assert.match(text, /Basic Constraints: critical\n +CA:FALSE/);
    const later = new Date(NOW.getTime() + 731 * DAY_MS);
    assert.match((await opensslVerify(path, alice.certPath, later)).output, /has expired/);
  },
});

Deno.test("names are refused when bad, and when taken", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await openNew(directory.path);
  const { certPath, serial } = await pki.issueClient("alice", NOW);
  await refuses(() => pki.issueClient("../alice", NOW), "bad name", "", /1 to 64 letters/);
  await refuses(
    () => pki.issueClient("alice", NOW),
    "name taken",
    certPath,
    /"fluxify-server cert renew alice" makes a new one.*"fluxify-server cert revoke alice" first/,
  );
  const stray = join(directory.path, "clients", "carol.bundle");
  await Deno.writeTextFile(stray, "");
  await refuses(() => pki.issueClient("carol", NOW), "name taken", stray, /move it away/);
  assert.equal((await pki.showClient("alice", NOW)).serial, serial);
});

Deno.test("of two clients of one name issued at once, one is refused", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await openNew(directory.path);
  const results = await Promise.allSettled([1, 2, 3].map(() => pki.issueClient("alice", NOW)));
  assert.deepEqual(results.map((result) => result.status).sort(), [
    ...["fulfilled", "rejected", "rejected"],
  ]);
});

Deno.test("a revoked client can be issued again, with a new serial; the old one stays revoked", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await openNew(directory.path);
  const first = await pki.issueClient("alice", NOW);
  const { revocations, notices } = await pki.revokeClient("alice", NOW);
  assert.deepEqual(notices, []);
  assert.deepEqual(revocations, [{
    serial: first.serial,
    commonName: "alice",
    revokedAt: NOW,
    notAfter: first.notAfter,
  }]);
  assert.deepEqual(pki.revocations.poll(), revocations);
  await refuses(
    () => pki.revokeClient("alice", NOW),
    "already revoked",
    first.certPath,
    /"fluxify-server cert new alice"/,
  );
  const second = await pki.issueClient("alice", NOW);
  assert.notEqual(second.serial, first.serial);
  assert.equal(pki.revocations.isRevoked(first.serial), true);
  assert.equal(pki.revocations.isRevoked(second.serial), false);
  assert.deepEqual(
    (await pki.listClients(NOW)).map(({ name, serial, status }) => [name, serial, status]),
    [["alice", second.serial, "valid"], ["alice", first.serial, "revoked"]],
  );
  const details = await pki.showClient("alice", NOW);
  assert.equal(details.status, "valid");
  assert.equal(details.revokedAt, null);
  assert.deepEqual(details.revokedEarlier, [first.serial]);
});

Deno.test("revocations made at once by several processes are all kept", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await openNew(directory.path);
  const names = ["a", "b", "c", "d"];
  for (const name of names) await pki.issueClient(name, NOW);
  await Promise.all(names.map(async (name) => {
    await (await openClientRegistry(directory.path)).revoke(name, NOW);
  }));
  assert.deepEqual(pki.revocations.poll().map((entry) => entry.commonName).sort(), names);
});

Deno.test("the list shows each status, and survives damaged files", async () => {
  await using directory = await TemporaryDirectory.create();
  await using other = await TemporaryDirectory.create();
  const pki = await openNew(directory.path);
  await pki.issueClient("valid", new Date(NOW.getTime() + 800 * DAY_MS));
  await pki.issueClient("expired", NOW);
  await pki.issueClient("future", new Date(NOW.getTime() + 900 * DAY_MS));
  await pki.issueClient("revoked", NOW);
  await pki.revokeClient("revoked", NOW);
  const foreign = await (await openNew(other.path)).issueClient("foreign", NOW);
  await Deno.copyFile(foreign.certPath, join(directory.path, "clients/foreign.pem"));
  await Deno.writeTextFile(join(directory.path, "clients/damaged.pem"), "x");
  await Deno.writeTextFile(join(directory.path, "clients/.hidden.pem"), "x");
  await Deno.writeTextFile(join(directory.path, "clients/notes.txt"), "x");
  const listed = await pki.listClients(new Date(NOW.getTime() + 801 * DAY_MS));
  assert.deepEqual(listed.map(({ name, status }) => [name, status]), [
    ["damaged", "unreadable"],
    ["expired", "expired"],
    ["foreign", "foreign"],
    ["future", "not yet valid"],
    ["revoked", "revoked"],
    ["valid", "valid"],
  ]);
});

Deno.test("showing and revoking refuse unknown names and ways out of the directory", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await openNew(directory.path);
  const path = join(directory.path, "clients/nobody.pem");
  for (const action of [pki.showClient, pki.revokeClient]) {
    await refuses(
      () => action("nobody", NOW),
      "no such client",
      path,
      /"fluxify-server cert list"/,
    );
    await refuses(() => action("../server", NOW), "bad name", "", /cert list/);
  }
  await Deno.writeTextFile(path, "x");
  await refuses(() => pki.revokeClient("nobody", NOW), "not PEM", path, /not a PEM file/);
});

Deno.test("without the CA's key nothing is issued, but clients are still revoked", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await openNew(directory.path);
  const { serial } = await pki.issueClient("alice", NOW);
  const caKey = join(directory.path, "ca-key.pem");
  await Deno.remove(caKey);
  await refuses(
    () => pki.issueClient("bob", NOW),
    "no CA key",
    caKey,
    /put the key of this CA there/,
  );
  const { notices } = await pki.revokeClient("alice", NOW);
  assert.match(notices.join(), /revoked\.pem, which only other programs read, was not renewed/);
  assert.equal(pki.revocations.isRevoked(serial), true);
});

Deno.test("the key of another CA issues nothing", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await openNew(directory.path);
  const caKey = join(directory.path, "ca-key.pem");
  await Deno.copyFile(join(directory.path, "server-key.pem"), caKey);
  await refuses(
    () => pki.issueClient("bob", NOW),
    "key mismatch",
    caKey,
    /not the key of the CA in .*ca\.pem; restore the two from one backup/,
  );
  assert.deepEqual(directory.names("clients"), []);
});

Deno.test("an expired CA issues nothing", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await openNew(directory.path);
  const later = new Date(NOW.getTime() + 3651 * DAY_MS);
  const ca = join(directory.path, "ca.pem");
  await refuses(() => pki.issueClient("bob", later), "expired", ca, /expired on .*-regen/);
});

Deno.test("a client certificate does not outlive its CA", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await openNew(directory.path);
  const late = new Date(NOW.getTime() + 3600 * DAY_MS);
  const { notAfter } = await pki.issueClient("late", late);
  assert.equal(notAfter.toISOString(), "2036-05-29T12:00:00.000Z");
});

Deno.test("nothing is revoked from a list that is out of date", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await openNew(directory.path);
  await pki.issueClient("alice", NOW);
  const path = join(directory.path, "revoked.json");
  await Deno.writeTextFile(path, "{");
  await refuses(() => pki.revokeClient("alice", NOW), "damaged", path, /restore it from a backup/);
  assert.equal(await Deno.readTextFile(path), "{");
});

Deno.test("a lost list of revocations is not taken for an empty one", async () => {
  await using directory = await TemporaryDirectory.create();
  await openNew(directory.path);
  const path = join(directory.path, "revoked.json");
  await Deno.remove(path);
  for (const open of [openNew, openClientRegistry]) {
    await refuses(() => open(directory.path), "not found", path, /restore it .* or remove/);
  }
  await Deno.remove(join(directory.path, "revoked.pem"));
  assert.deepEqual((await openNew(directory.path)).revocations.entries(), []);
});

Deno.test("openClientRegistry() makes nothing where there is no CA", async () => {
  await using directory = await TemporaryDirectory.create();
  const ca = join(directory.path, "ca.pem");
  await refuses(
    () => openClientRegistry(directory.path),
    "not found",
    ca,
    /name its folder with -pki, .* or with "fluxify-server cert init"/,
  );
  assert.deepEqual(directory.names(), []);
});
