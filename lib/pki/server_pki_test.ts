import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { openServerPki } from "./server_pki.ts";
import { hasOpenssl, openssl, opensslVerify } from "../../testing/pki/openssl.ts";
import { refuses } from "../../testing/pki/refusal.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const DAY_MS = 86_400_000;
const TREE = [
  ...[".lock", "ca-key.pem", "ca.pem", "clients", "revoked.json", "revoked.pem"],
  ...["server-key.pem", "server.pem"],
];

interface Changes {
  hosts?: string[];
  regenerate?: boolean;
  now?: Date;
}

function open(directory: string, changes: Changes = {}) {
  return openServerPki(directory, { hosts: [], regenerate: false, now: NOW, ...changes });
}

function inDays(days: number): Date {
  return new Date(NOW.getTime() + days * DAY_MS);
}

Deno.test("the first opening makes a tree for the default hosts, later ones use it", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "deep/pki");
  const first = await open(path);
  assert.equal(first.created, true);
  assert.match(first.notices.join(), /for 127\.0\.0\.1, localhost were made in/);
  assert.deepEqual(directory.names("deep/pki"), TREE);
  for (const [name, mode] of [["", 0o700], ["clients", 0o700], ["ca-key.pem", 0o600]] as const) {
    assert.equal((await Deno.stat(join(path, name))).mode! & 0o777, mode, name);
  }
  assert.equal((await Deno.stat(join(path, "server-key.pem"))).mode! & 0o777, 0o600);
  const second = await open(path, { hosts: ["localhost", "127.0.0.1"] });
  assert.equal(second.created, false);
  assert.deepEqual(second.notices, []);
  for (const part of ["caPem", "certPem", "keyPem"] as const) {
    assert.equal(second[part], first[part]);
  }
});

Deno.test("lifetimes are 10 years for the CA and 825 days for the server, from an hour ago", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await open(directory.path);
  const [ca, server] = [pki.caPem, pki.certPem].map((pem) => new X509Certificate(pem));
  assert.deepEqual([ca, server].map((certificate) => Date.parse(certificate!.validFrom)), [
    ...[NOW.getTime() - 3_600_000, NOW.getTime() - 3_600_000],
  ]);
  assert.equal(Date.parse(ca!.validTo), inDays(3650).getTime());
  assert.equal(Date.parse(server!.validTo), inDays(825).getTime());
});

Deno.test({
  name: "OpenSSL verifies the server certificate strictly, also beyond 2050",
  ignore: !hasOpenssl(),
  fn: async () => {
    for (const now of [NOW, new Date("2045-01-01T00:00:00Z"), new Date("2051-01-01T00:00:00Z")]) {
      await using directory = await TemporaryDirectory.create();
      const { path } = directory;
      await open(path, { now, hosts: ["192.0.2.1", "2001:db8::1", "vpn.example.org"] });
      const server = join(path, "server.pem");
      const { output } = await opensslVerify(path, server, now);
      assert.equal(output.trim(), `${server}: OK`);
      const text = await openssl("x509", "-in", server, "-noout", "-text");
      assert.match(
        text,
        /IP Address:192\.0\.2\.1, IP Address:2001:DB8:0:0:0:0:0:1, DNS:vpn\.example\.org/,
      );
      assert.match(text, /Extended Key Usage: \n +TLS Web Server Authentication\n/);
    }
  },
});

Deno.test("several servers that start at once make one tree", async () => {
  await using directory = await TemporaryDirectory.create();
  const all = await Promise.all([1, 2, 3].map(() => open(directory.path)));
  assert.equal(all.filter((pki) => pki.created).length, 1);
  assert.equal(new Set(all.map((pki) => pki.caPem + pki.certPem)).size, 1);
});

Deno.test("regenerating replaces everything and keeps the old tree", async () => {
  await using directory = await TemporaryDirectory.create();
  const before = await open(directory.path, { hosts: ["192.0.2.1"] });
  const alice = await before.issueClient("alice", NOW);
  await before.revokeClient("alice", NOW);
  assert.equal(before.revocations.poll().length, 1);
  const after = await open(directory.path, { regenerate: true });
  assert.equal(after.created, true);
  assert.notEqual(after.caPem, before.caPem);
  assert.match(after.notices[0]!, /moved to .*backup-20260601T120000Z; every client needs a new/);
  assert.deepEqual(directory.names(), [".lock", "backup-20260601T120000Z", ...TREE.slice(1)]);
  assert.deepEqual(directory.names("clients"), []);
  assert.equal(after.revocations.isRevoked(alice.serial), false);
  const old = await open(join(directory.path, "backup-20260601T120000Z"));
  assert.equal(old.caPem, before.caPem);
  assert.equal((await old.showClient("alice", NOW)).status, "revoked");

  await open(directory.path, { regenerate: true });
  assert.ok(directory.names().includes("backup-20260601T120000Z-2"));
  assert.equal(before.revocations.isRevoked(alice.serial), true, "a running server stays strict");
});

Deno.test("regenerating where there is nothing makes a tree without a backup", async () => {
  await using directory = await TemporaryDirectory.create();
  assert.equal((await open(directory.path, { regenerate: true })).created, true);
  assert.deepEqual(directory.names(), TREE);
});

Deno.test("a tree without ca.pem is refused, and can be regenerated", async () => {
  await using directory = await TemporaryDirectory.create();
  await open(directory.path);
  const ca = join(directory.path, "ca.pem");
  await Deno.remove(ca);
  await refuses(
    () => open(directory.path),
    "incomplete tree",
    ca,
    /ca-key\.pem is there but .*ca\.pem is missing; restore it, or "fluxify-server -regen"/,
  );
  assert.match((await open(directory.path, { regenerate: true })).notices[0]!, /backup-/);
});

Deno.test("an expired CA is refused, one that ends soon is a notice", async () => {
  await using directory = await TemporaryDirectory.create();
  await open(directory.path);
  const ca = join(directory.path, "ca.pem");
  const soon = await open(directory.path, { now: inDays(3600) });
  assert.match(soon.notices.join(), /The CA in .* expires on 2036-05-29 12:00 UTC.*plan/);
  await refuses(
    () => open(directory.path, { now: inDays(3651) }),
    "expired",
    ca,
    /expired on 2036-05-29 12:00 UTC and .* clock says 2036-05-30 12:00 UTC; if that is right, "fluxify-server -regen" makes a new CA/,
  );
});

Deno.test("a clock before the certificates is refused", async () => {
  await using directory = await TemporaryDirectory.create();
  await open(directory.path);
  const path = join(directory.path, "ca.pem");
  const now = new Date("1970-01-01T00:00:00Z");
  await refuses(
    () => open(directory.path, { now }),
    "not yet valid",
    path,
    /valid from 2026-06-01 11:00 UTC and this machine's clock says 1970-01-01 00:00 UTC; set the clock/,
  );
});

Deno.test("no authority is made by a clock that cannot be right", async () => {
  for (const regenerate of [false, true]) {
    await using directory = await TemporaryDirectory.create();
    if (regenerate) await open(directory.path);
    const before = [...Deno.readDirSync(directory.path)].map(({ name }) => name).sort();
    await refuses(
      () => open(directory.path, { now: new Date("1970-01-01T00:02:00Z"), regenerate }),
      "wrong clock",
      join(directory.path, "ca.pem"),
      /Cannot make the CA .*: this machine's clock says 1970-01-01 00:02 UTC; set the clock/,
    );
    const after = [...Deno.readDirSync(directory.path)].map(({ name }) => name).sort();
    assert.deepEqual(after, before);
  }
});

Deno.test("parts of different trees are refused, each with its remedy", async () => {
  await using directory = await TemporaryDirectory.create();
  await using other = await TemporaryDirectory.create();
  const { path } = directory;
  const at = (name: string) => join(path, name);
  await open(path);
  const pki = await open(other.path);
  const { certPath, keyPath } = await (await open(path)).issueClient("alice", NOW);
  const server = await Deno.readTextFile(at("server.pem"));
  const key = await Deno.readTextFile(at("server-key.pem"));

  await Deno.writeTextFile(at("server.pem"), pki.certPem);
  await refuses(() => open(path), "foreign CA", at("server.pem"), /not issued by the CA .*move/);
  await Deno.writeTextFile(at("server.pem"), server);
  await Deno.writeTextFile(at("server-key.pem"), pki.keyPem);
  await refuses(() => open(path), "key mismatch", at("server.pem"), /is not its key; restore/);
  await Deno.copyFile(certPath, at("server.pem"));
  await Deno.copyFile(keyPath, at("server-key.pem"));
  await refuses(() => open(path), "wrong usage", at("server.pem"), /not meant for servers/);
  await Deno.writeTextFile(at("server.pem"), server);
  await Deno.writeTextFile(at("server-key.pem"), key);
  await Deno.writeTextFile(at("ca.pem"), server);
  await refuses(
    () => open(path),
    "wrong usage",
    at("ca.pem"),
    /not a CA's; put the CA certificate/,
  );
});

Deno.test("damaged and mistaken files are refused by name", async () => {
  await using directory = await TemporaryDirectory.create();
  const { path } = directory;
  const { keyPem, certPem } = await open(path);
  const middle = Math.floor(certPem.length / 2);
  const broken = certPem.slice(0, middle) + "AAAAAAAA" + certPem.slice(middle + 8);
  const cases = [
    ["ca.pem", "hello", "not PEM", /not a PEM file/],
    ["ca.pem", keyPem, "damaged", /no certificate but PRIVATE KEY/],
    ["ca.pem", certPem.slice(0, 200), "damaged", /cut short/],
    ["server.pem", certPem.replace(/\n.*\n/, "\nAAAA\n"), "damaged", /is damaged; copy the file/],
    ["server.pem", broken, undefined, /./],
    ["server-key.pem", certPem, "damaged", /no private key but CERTIFICATE; put the key/],
    ["server-key.pem", keyPem.replace(/\n.*\n/, "\nAAAA\n"), "damaged", /damaged or of an unknown/],
    ["server-key.pem", keyPem.replaceAll("PRIVATE", "ENCRYPTED PRIVATE"), "encrypted key", /pass/],
    [
      "server-key.pem",
      "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAA==\n-----END RSA PRIVATE KEY-----",
      "encrypted key",
      /protected by a passphrase; write it without one: "openssl pkey -in/,
    ],
  ] as const;
  for (const [name, text, code, message] of cases) {
    const file = join(path, name);
    const before = await Deno.readTextFile(file);
    await Deno.writeTextFile(file, text);
    if (code === undefined) await assert.rejects(open(path), { name: "PkiError" });
    else await refuses(() => open(path), code, file, message);
    await Deno.writeTextFile(file, before);
  }
  await open(path);
});

Deno.test("keys that others may read are a notice, each", async () => {
  await using directory = await TemporaryDirectory.create();
  await open(directory.path);
  for (const name of ["ca-key.pem", "server-key.pem"]) {
    await Deno.chmod(join(directory.path, name), 0o644);
  }
  const { notices } = await open(directory.path);
  assert.equal(notices.length, 2);
  assert.match(notices[0]!, /ca-key\.pem holds a private key .*chmod 600/);
  assert.match(notices[1]!, /server-key\.pem holds a private key .*chmod 600/);
});

Deno.test("what others could let themselves in by is a notice, each", async () => {
  await using directory = await TemporaryDirectory.create();
  await open(directory.path);
  await Deno.chmod(directory.path, 0o770);
  for (const name of ["ca.pem", "revoked.json"]) {
    await Deno.chmod(join(directory.path, name), 0o666);
  }
  const { notices } = await open(directory.path);
  assert.deepEqual(notices.map((line) => /"(chmod go-w .*)"$/.exec(line)?.[1]), [
    `chmod go-w ${directory.path}`,
    `chmod go-w ${join(directory.path, "ca.pem")}`,
    `chmod go-w ${join(directory.path, "revoked.json")}`,
  ]);
  assert.match(notices[0]!, /other users .* may change .* who is let in \(mode 0770\)/);
});

Deno.test("a place that cannot hold a tree, and hosts that are none, are refused", async () => {
  await using directory = await TemporaryDirectory.create();
  const file = join(directory.path, "file");
  await Deno.writeTextFile(file, "");
  await refuses(
    () => open(file),
    "unreadable",
    join(file, "ca.pem"),
    /must be a folder is a file; check the/,
  );
  await refuses(
    () => open(directory.path, { hosts: ["1.2.3"] }),
    "bad host",
    "",
    /give -hosts like/,
  );
  assert.deepEqual(directory.names(), ["file"]);
});

Deno.test({
  name: "root follows no link in a folder of another user",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    await using elsewhere = await TemporaryDirectory.create();
    const { path } = directory;
    const [lock, clients] = [join(path, ".lock"), join(path, "clients")];
    const target = join(elsewhere.path, "made-by-root");
    await Deno.chown(path, 65534, 65534);
    await Deno.symlink(target, lock);
    const open = () => openServerPki(path, { hosts: [], regenerate: false, now: new Date() });
    await refuses(open, "foreign link", lock, /other users may change .*"chown"/);
    await Deno.remove(lock);
    const pki = await open();
    await Deno.remove(clients);
    await Deno.symlink(elsewhere.path, clients);
    const issue = () => pki.issueClient("alice", new Date());
    await refuses(issue, "foreign link", clients, /it is a symbolic link/);
    assert.deepEqual(elsewhere.names(), []);

    await Deno.chown(path, 0, 0);
    await issue();
    assert.deepEqual(
      elsewhere.names().filter((name) => !/-\d{6}\.pem$/.test(name)),
      ["alice-key.pem", "alice.bundle", "alice.pem"],
    );
  },
});
