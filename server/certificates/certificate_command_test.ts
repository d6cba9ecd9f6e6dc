import assert from "node:assert/strict";
import { join } from "node:path";
import { loadClientCredentials } from "../../lib/pki/client_credentials.ts";
import { openServerPki } from "../../lib/pki/server_pki.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import {
  deleteClient,
  initAuthority,
  listCertificates,
  newCertificate,
  regenerateAuthority,
  renewCertificate,
  revokeCertificate,
  serverToName,
  showCertificate,
} from "./certificate_command.ts";

const NOW = new Date("2026-06-01T12:00:00Z");

function options(directory: string, format: "text" | "json" = "text") {
  return { directory, folders: [directory], format, now: NOW };
}

Deno.test("cert init makes the CA once; cert new a bundle, and says where to copy it", async () => {
  await using directory = await TemporaryDirectory.create();
  const { path } = directory;
  const init = await initAuthority({ ...options(path), hosts: [] });
  assert.equal(init.exitCode, 0);
  // What was done, then what to do next.
  assert.match(
    init.lines.join("\n"),
    /^A new CA .* were made in[^]*start the server with -hosts[^]*\n"fluxify-server cert new NAME -pki .*" makes a certificate/,
  );
  assert.deepEqual(init.errorLines, []);
  const ca = await Deno.readTextFile(join(path, "ca.pem"));
  const again = await initAuthority({ ...options(path), hosts: [] });
  assert.match(again.lines.join(), /There is a CA in .* already; it stays as it is/);
  assert.equal(await Deno.readTextFile(join(path, "ca.pem")), ca);

  const first = await newCertificate({ ...options(path), name: "alice" });
  assert.equal(first.exitCode, 0);
  assert.match(
    first.lines[0]!,
    /^Certificate for alice issued: serial [0-9A-F]{32}, valid until 2028-05-31 12:00 UTC$/,
  );
  assert.equal(
    first.lines[1],
    `Copy ${path}/clients/alice.bundle to the client over a safe channel: it holds the client's private key`,
  );
  assert.deepEqual(first.lines.slice(2), [
    "On the client:",
    "  sudo fluxify-client -b -server HOST -cert alice.bundle",
  ]);
  assert.deepEqual(first.errorLines, []);
  const bundle = join(path, "clients/alice.bundle");
  assert.equal((await loadClientCredentials("/nonexistent", bundle, NOW)).commonName, "alice");
});

Deno.test("cert new tells the client the server's name where the certificate has one", async () => {
  const cases: [names: string[], expected: string][] = [
    [[], "HOST"],
    [["127.0.0.1", "localhost", "::1", "*.example.com"], "HOST"],
    [["203.0.113.10", "vpn.example.com"], "vpn.example.com"],
    [["2001:db8::10", "203.0.113.10", "203.0.113.11"], "203.0.113.10,2001:db8::10"],
  ];
  for (const [names, expected] of cases) assert.equal(serverToName(names), expected);
  await using directory = await TemporaryDirectory.create();
  const common = options(directory.path);
  await initAuthority({ ...common, hosts: ["vpn.example.com"] });
  const { lines } = await newCertificate({ ...common, name: "alice", controlPort: 9443 });
  const command = "  sudo fluxify-client -b -server vpn.example.com -ctrl 9443 -cert alice.bundle";
  assert.equal(lines.at(-1), command);
});

Deno.test("cert new makes no CA: a server would not know it", async () => {
  await using directory = await TemporaryDirectory.create();
  const { path } = directory;
  const folders = [join(path, "pki"), join(path, "etc")];
  const outcome = await newCertificate({
    ...options(folders[0]!),
    folders,
    name: "alice",
  });
  assert.equal(outcome.exitCode, 1);
  assert.match(
    outcome.errorLines.join("\n"),
    /^Cannot find a CA: there is no .*\/pki\/ca\.pem nor .*\/etc\/ca\.pem; name its folder with -pki/,
  );
  assert.deepEqual(directory.names(), []);
});

Deno.test("cert new leaves the server's certificate alone, even an expired one", async () => {
  await using directory = await TemporaryDirectory.create();
  const { path } = directory;
  await openServerPki(path, { hosts: ["192.0.2.1"], regenerate: false, now: NOW });
  const server = join(path, "server.pem");
  const before = await Deno.readTextFile(server);
  const now = new Date("2030-01-01T00:00:00Z");
  const { exitCode } = await newCertificate({ ...options(path), now, name: "alice" });
  assert.equal(exitCode, 0);
  assert.equal(await Deno.readTextFile(server), before);
});

Deno.test("cert list is a table of clients, and says how to make the first", async () => {
  await using directory = await TemporaryDirectory.create();
  const { path } = directory;
  const pki = await openServerPki(path, { hosts: [], regenerate: false, now: NOW });
  const empty = await listCertificates(options(path));
  assert.match(empty.lines.join(), /no clients in .* yet: "fluxify-server cert new NAME"/);
  const alice = await pki.issueClient("alice", NOW);
  const bob = await pki.issueClient("bob-the-router", NOW);
  await revokeCertificate({ ...options(path), name: "alice" });
  await Deno.writeTextFile(join(path, "clients", "odd\u202ename.pem"), "");
  const { lines, exitCode } = await listCertificates(options(path));
  assert.equal(exitCode, 0);
  assert.deepEqual(lines, [
    `NAME            SERIAL                            EXPIRES               STATUS      LAST SEEN`,
    `alice           ${alice.serial}  2028-05-31 12:00 UTC  revoked     -`,
    `bob-the-router  ${bob.serial}  2028-05-31 12:00 UTC  valid       -`,
    `odd?name        -                                 -                     unreadable  -`,
  ]);
});

Deno.test("cert show tells everything about one client, but no key", async () => {
  await using directory = await TemporaryDirectory.create();
  const { path } = directory;
  await initAuthority({ ...options(path), hosts: [] });
  await newCertificate({ ...options(path), name: "alice" });
  const { lines } = await showCertificate({ ...options(path), name: "alice" });
  const text = lines.join("\n");
  assert.match(text, /^Name +alice\nCommon name +alice\nSerial +[0-9A-F]{32}\nStatus +valid\n/);
  assert.match(
    text,
    /\nRevoked +no\nCreated +2026-06-01 12:00 UTC\nValid from +2026-06-01 11:00 UTC\nValid until +2028-05-31 12/,
  );
  assert.match(
    text,
    /\nSHA-256 +([0-9A-F]{2}:){31}[0-9A-F]{2}\nCertificate +.*alice\.pem\nBundle +/,
  );
  assert.doesNotMatch(text, /PRIVATE|-----/);
});

Deno.test("cert revoke, then new: a running server sees the old serial revoked", async () => {
  await using directory = await TemporaryDirectory.create();
  const { path } = directory;
  const running = await openServerPki(path, { hosts: [], regenerate: false, now: NOW });
  const { serial } = await running.issueClient("alice", NOW);
  const { lines, errorLines } = await revokeCertificate({ ...options(path), name: "alice" });
  assert.equal(lines[0], `Certificate of alice revoked: serial ${serial}`);
  assert.match(lines[1]!, /"fluxify-server cert new alice" issues a new certificate$/);
  assert.deepEqual(errorLines, []);
  assert.deepEqual(running.revocations.poll().map((entry) => [entry.serial, entry.commonName]), [
    [serial, "alice"],
  ]);
  assert.equal((await newCertificate({ ...options(path), name: "alice" })).exitCode, 0);
  const { lines: shown } = await showCertificate({ ...options(path), name: "alice" });
  assert.match(shown.join("\n"), new RegExp(`\nRevoked before +${serial}\n`));
});

Deno.test("cert delete removes what is revoked or expired, and with --force what is in use", async () => {
  await using directory = await TemporaryDirectory.create();
  const { path } = directory;
  const clients = join(path, "clients");
  const left = async () =>
    (await Array.fromAsync(Deno.readDir(clients), ({ name }) => name)).sort();
  await initAuthority({ ...options(path), hosts: [] });
  for (const name of ["alice", "bob"]) await newCertificate({ ...options(path), name });
  const all = await left();

  const refused = await deleteClient({ ...options(path), name: "alice", which: "not in use" });
  assert.equal(refused.exitCode, 1);
  assert.match(
    refused.errorLines[0]!,
    /Cannot delete alice: .* is in use.*"fluxify-server cert revoke alice" first, or give --force/,
  );
  assert.deepEqual(await left(), all);

  await revokeCertificate({ ...options(path), name: "alice" });
  const { exitCode, lines } = await deleteClient({
    ...options(path),
    name: "alice",
    which: "not in use",
  });
  assert.equal(exitCode, 0);
  assert.deepEqual(lines.filter((line) => line.startsWith("Removed")), [
    `Removed ${clients}/alice-key.pem`,
    `Removed ${clients}/alice.bundle`,
    `Removed ${clients}/alice.pem`,
    `Removed ${clients}/alice-20260601-120000.pem`,
  ]);
  const bobs = all.filter((name) => name.startsWith("bob"));
  assert.deepEqual(await left(), bobs);
  // The CRL and the list still have it.
  const listed = (await listCertificates(options(path))).lines.join("\n");
  assert.match(listed, /^alice .* revoked/m);

  const later = new Date("2029-01-01T00:00:00Z");
  const expired = { ...options(path), now: later, name: "bob", which: "not in use" } as const;
  assert.equal((await deleteClient(expired)).exitCode, 0);
  assert.deepEqual(await left(), []);
  assert.match((await deleteClient(expired)).errorLines[0]!, /Cannot find the client bob/);

  await newCertificate({ ...options(path), name: "carol" });
  const forced = await deleteClient({ ...options(path, "json"), name: "carol", which: "any" });
  const { revocations, files } = JSON.parse(forced.lines[0]!);
  assert.deepEqual([revocations.length, files.length], [1, 4]);
  assert.deepEqual(await left(), []);
  assert.match((await listCertificates(options(path))).lines.join("\n"), /^carol .* revoked/m);
});

Deno.test("each command prints one line of JSON on demand", async () => {
  await using directory = await TemporaryDirectory.create();
  const json = options(directory.path, "json");
  await initAuthority({ ...json, hosts: [] });
  const results: unknown[] = [];
  for (
    const outcome of [
      await newCertificate({ ...json, name: "alice" }),
      await listCertificates(json),
      await showCertificate({ ...json, name: "alice" }),
      await revokeCertificate({ ...json, name: "alice" }),
    ]
  ) {
    assert.equal(outcome.lines.length, 1);
    results.push(JSON.parse(outcome.lines[0]!));
  }
  const [issued, listed, shown, revoked] = results as [
    Record<string, unknown>,
    Record<string, unknown>[],
    Record<string, unknown>,
    Record<string, unknown>,
  ];
  const { serial } = issued;
  const notAfter = "2028-05-31T12:00:00.000Z";
  const certPath = join(directory.path, "clients/alice.pem");
  assert.deepEqual(listed, [{
    ...{ name: "alice", certPath, serial, notAfter, status: "valid" },
    createdAt: "2026-06-01T12:00:00.000Z",
    lastSeen: null,
    revokedAt: null,
  }]);
  assert.equal(shown.serial, serial);
  assert.deepEqual(revoked, {
    name: "alice",
    revocations: [{ serial, commonName: "alice", revokedAt: NOW.toISOString(), notAfter }],
  });
});

Deno.test("refusals are one line on standard error and exit code 1", async () => {
  await using directory = await TemporaryDirectory.create();
  const { path } = directory;
  for (
    const command of [
      () => listCertificates(options(path)),
      () => showCertificate({ ...options(path), name: "alice" }),
      () => revokeCertificate({ ...options(path), name: "alice" }),
    ]
  ) {
    const { exitCode, lines, errorLines } = await command();
    assert.deepEqual([exitCode, lines, errorLines.length], [1, [], 1]);
    assert.match(
      errorLines[0]!,
      /^Cannot find a CA: there is no .*ca\.pem; name its folder with -pki/,
    );
  }
  const bad = await newCertificate({ ...options(path), name: "../x" });
  assert.equal(bad.exitCode, 1);
  assert.match(bad.errorLines.join("\n"), /^Cannot use "\.\.\/x" as a client name: /);
  assert.deepEqual(directory.names(), [], "neither looking nor a bad name makes anything");
  await initAuthority({ ...options(path), hosts: [] });
  await newCertificate({ ...options(path), name: "alice" });
  const taken = await newCertificate({ ...options(path), name: "alice" });
  assert.equal(taken.exitCode, 1);
  assert.match(taken.errorLines.join("\n"), /^Cannot issue a certificate for alice: .* exists; /);
});

Deno.test("cert renew revokes nothing where no certificate can be issued", async () => {
  await using directory = await TemporaryDirectory.create();
  const { path } = directory;
  await initAuthority({ ...options(path), hosts: [] });
  await newCertificate({ ...options(path), name: "laptop" });
  await Deno.rename(join(path, "ca-key.pem"), join(path, "away.pem"));
  const refused = await renewCertificate({ ...options(path), name: "laptop" });
  assert.equal(refused.exitCode, 1);
  assert.match(refused.errorLines.join(), /Cannot issue certificates: .*ca-key\.pem is missing/);
  assert.match((await listCertificates(options(path))).lines.join(), /laptop .* valid/);
  await Deno.rename(join(path, "away.pem"), join(path, "ca-key.pem"));
  assert.equal((await renewCertificate({ ...options(path), name: "laptop" })).exitCode, 0);
});

Deno.test("cert regenerate keeps the old tree under its names, also in a folder given as ./pki", async () => {
  await using directory = await TemporaryDirectory.create();
  // As `./pki` is, below the folder one is in.
  const path = `${directory.path}/./pki`;
  await initAuthority({ ...options(path), hosts: [] });
  await newCertificate({ ...options(path), name: "laptop" });
  assert.equal((await regenerateAuthority({ ...options(path), hosts: [] })).exitCode, 0);
  const [backup] = [...Deno.readDirSync(path)].filter(({ name }) => name.startsWith("backup-"));
  const kept = [...Deno.readDirSync(join(path, backup!.name))].map(({ name }) => name).sort();
  assert.deepEqual(kept, [
    ...["ca-key.pem", "ca.pem", "clients", "revoked.json", "revoked.pem"],
    ...["server-key.pem", "server.pem"],
  ]);
});
