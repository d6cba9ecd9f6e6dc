import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { generateKey } from "../../lib/pki/private_key.ts";
import { loadAuthority, serverTree } from "../../lib/pki/server_tree.ts";
import {
  newClientCertificate,
  pkiDirectory,
  spawnClient,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { makeForeignTree } from "../../testing/pki/openssl.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import {
  cert,
  createSmallLab,
  ending,
  FAR_ADDRESSES,
  innerAddresses,
  pingAll,
  SERVER_ADDRESS,
} from "./small_lab.ts";

const EXCHANGE = [
  ...[Deno.execPath(), "run", "-A", "--no-lock"],
  new URL("exchange_program.ts", import.meta.url).pathname,
];
const END_TIMEOUT_MS = 15_000;
/** Long enough for a client to start. */
const BRIEF_LIFE_MS = 12_000;

topic("e2e certificates", async (scenario) => {
  await using lab = await createSmallLab();
  const rsaTree = makeRsaTree(join(lab.directory, "rsa"));
  rsaTree.catch(() => {}); // awaited at the end: such keys take seconds
  let server = await startServer(lab);
  const before = await hostState(lab.client);
  const bundle = join(pkiDirectory(lab), "clients", "laptop.bundle");

  await scenario("cert new, list and show beside a running server", async () => {
    match((await cert(lab, "list")).text, /There are no clients/);
    const made = await cert(lab, "new", "laptop");
    equal(made.exitCode, 0, made.text);
    const serial = /serial (\S+),/.exec(made.text)?.[1];
    ok(serial !== undefined, made.text);
    match((await cert(lab, "list")).text, new RegExp(`laptop +${serial}.* valid`));
    const { text } = await cert(lab, "show", "laptop");
    match(text, new RegExp(`Serial +${serial}`));
    match(text, /Revoked +no/);
    const twice = await cert(lab, "new", "laptop");
    notEqual(twice.exitCode, 0);
    match(twice.text, /laptop/);
    for (const action of ["show", "revoke"]) {
      const unknown = await cert(lab, action, "nobody");
      equal(unknown.exitCode, 1);
      match(unknown.text, /nobody/);
    }
    const client = await startClient(lab, bundle);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
  });

  await scenario("revoking ends the live session, and the client says so", async (measure) => {
    const client = await startClient(lab, bundle);
    const startMs = performance.now();
    equal((await cert(lab, "revoke", "laptop")).exitCode, 0);
    await server.waitForLine(
      /session of laptop ended: its certificate was revoked/,
      END_TIMEOUT_MS,
    );
    measure("session ended after", performance.now() - startMs, "ms");
    const { exitCode, text } = await ending(client);
    measure("client stopped after", performance.now() - startMs, "ms");
    equal(exitCode, 1);
    match(text, /the certificate of 'laptop' has been revoked; ask the operator.*new bundle/);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("a revoked client gets no new session", async () => {
    const { exitCode, text } = await ending(spawnClient(lab, bundle));
    equal(exitCode, 1);
    match(text, /the certificate of 'laptop' has been revoked; ask the operator.*new bundle/);
    match((await cert(lab, "list")).text, /laptop .* revoked/);
    match((await cert(lab, "show", "laptop")).text, /Status +revoked/);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("a new certificate of the same name works", async () => {
    equal((await cert(lab, "new", "laptop")).exitCode, 0);
    const client = await startClient(lab, bundle);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
  });

  await scenario("revoking ends a session whose replacement was never used", async () => {
    const client = await startClient(lab, bundle);
    const [own] = await innerAddresses(client);
    const { stdout } = await lab.client.run(...EXCHANGE, SERVER_ADDRESS, "8443", bundle);
    equal(stdout.trim(), `granted ${own}`);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal((await cert(lab, "revoke", "laptop")).exitCode, 0);
    await client.waitForLine(/the certificate of 'laptop' has been revoked/, END_TIMEOUT_MS)
      .finally(() => client.stop("SIGKILL"));
  });

  await scenario("a client that asked for a session and did not use it leaves", async () => {
    equal((await cert(lab, "new", "laptop")).exitCode, 0);
    const client = await startClient(lab, bundle);
    await lab.client.run(...EXCHANGE, SERVER_ADDRESS, "8443", bundle);
    const from = server.lineCount;
    equal(await client.stop("SIGINT"), 0);
    await server.waitForLine(/session of laptop ended: it left/, END_TIMEOUT_MS, from);
  });

  await scenario("the session of a certificate ends when the certificate does", async (measure) => {
    const file = join(lab.directory, "brief.pem");
    const notAfterMs = await makeBriefBundle(pkiDirectory(lab), file);
    const client = await startClient(lab, file);
    await pingAll(lab.client, FAR_ADDRESSES);
    await server.waitForLine(
      /session of brief ended: its certificate has expired/,
      BRIEF_LIFE_MS + END_TIMEOUT_MS,
    );
    measure("session ended after", Date.now() - notAfterMs, "ms");
    const { exitCode, text } = await ending(client);
    equal(exitCode, 1);
    match(text, /certificate of this client expired.*get a new bundle/);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("-regen ends old certificates, new ones work", async () => {
    const other = await newClientCertificate(lab, "phone");
    const old = join(lab.directory, "old.bundle");
    await Deno.copyFile(other, old);
    equal(await server.stop("SIGINT"), 0);
    server = await startServer(lab, { args: ["-regen"] });
    await server.waitForLine(/old certificates were moved to .*backup-/, 1000);
    const { exitCode, text } = await ending(spawnClient(lab, old));
    equal(exitCode, 1);
    match(text, /is not of the authority in this client's bundle.*get a bundle/);
    const client = await startClient(lab, await newClientCertificate(lab, "phone"));
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    equal(await server.stop("SIGINT"), 0);
  });

  await scenario(
    "a tree of RSA 4096 keys in PKCS#1, made by OpenSSL, carries traffic",
    async () => {
      const directory = await rsaTree;
      server = await startServer(lab, { args: ["-pki", directory] });
      const client = await startClient(lab, join(directory, "clients", "phone.pem"));
      await pingAll(lab.client, FAR_ADDRESSES);
      equal(await client.stop("SIGINT"), 0);
      equal(await server.stop("SIGINT"), 0);
    },
  );
});

/** A server for the lab and a client "phone". Returns the folder. */
async function makeRsaTree(directory: string): Promise<string> {
  await Deno.mkdir(directory);
  const subjectAltName = `IP:${SERVER_ADDRESS}`;
  const tree = await makeForeignTree(directory, { kind: "RSA 4096", subjectAltName });
  await tree.issueClient("phone", "RSA 4096");
  return directory;
}

/** Writes a bundle for "brief" whose certificate ends soon. Returns when, in ms since 1970. */
async function makeBriefBundle(pki: string, file: string): Promise<number> {
  const authority = await loadAuthority(serverTree(pki), new Date());
  const { pem: keyPem, spki } = generateKey();
  const long = new X509Certificate(await authority.issueClient(spki, "brief", new Date()));
  const lifetimeMs = Date.parse(long.validTo) - Date.now();
  const issuedAt = new Date(Date.now() - lifetimeMs + BRIEF_LIFE_MS);
  const certPem = await authority.issueClient(spki, "brief", issuedAt);
  await Deno.writeTextFile(file, certPem + keyPem + authority.certPem, { mode: 0o600 });
  return Date.parse(new X509Certificate(certPem).validTo);
}
