import assert from "node:assert/strict";
import { join } from "node:path";
import { loadClientCredentials } from "./client_credentials.ts";
import { openServerPki } from "./server_pki.ts";
import { refuses } from "../../testing/pki/refusal.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const DAY_MS = 86_400_000;
const LIMIT_MS = 5_000;

function openTree(directory: string) {
  return openServerPki(directory, { hosts: [], regenerate: false, now: NOW });
}

/** A server tree with the client alice, and an empty directory for what is copied to the client. */
async function setUp() {
  const server = await TemporaryDirectory.create();
  const client = await TemporaryDirectory.create();
  const pki = await openTree(server.path);
  const alice = await pki.issueClient("alice", NOW);
  const [cert, key] = await Promise.all(
    [alice.certPath, alice.keyPath].map((path) => Deno.readTextFile(path)),
  );
  return {
    server,
    pki,
    alice,
    cert: cert!,
    key: key!,
    ca: pki.caPem,
    /** Writes a file to the client's directory and returns its path. */
    async place(name: string, ...parts: string[]): Promise<string> {
      const path = join(client.path, name);
      await Deno.writeTextFile(path, parts.join(""), { mode: 0o600 });
      return path;
    },
    client: client.path,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await client[Symbol.asyncDispose]();
    },
  };
}

Deno.test("the only bundle in the directory is taken", async () => {
  await using site = await setUp();
  const path = await site.place("alice.bundle", site.cert, site.key, site.ca);
  await site.place(".other.bundle");
  const { notices, ...credentials } = await loadClientCredentials(site.client, undefined, NOW);
  assert.deepEqual(credentials, {
    commonName: "alice",
    certPem: site.cert,
    keyPem: site.key,
    caPem: site.ca,
    caName: "Fluxify CA",
    notAfter: site.alice.notAfter,
    source: path,
  });
  assert.deepEqual(notices, []);
});

Deno.test("-cert takes a bundle of any name and order, with CRLF and text around the parts", async () => {
  await using site = await setUp();
  const text = ["subject=alice\n", site.ca, "Bag Attributes\n", site.key, site.cert].join("");
  const path = await site.place("anything.txt", text.replaceAll("\n", "\r\n"));
  const credentials = await loadClientCredentials("/nonexistent", path, NOW);
  assert.equal(credentials.commonName, "alice");
  assert.equal(credentials.certPem, site.cert);
  assert.equal(credentials.keyPem, site.key);
  assert.equal(credentials.caPem, site.ca);
});

Deno.test("-cert takes NAME.pem with NAME-key.pem; ca.pem is beside, above or in the directory", async () => {
  await using site = await setUp();
  const inTree = await loadClientCredentials(site.client, site.alice.certPath, NOW);
  assert.equal(inTree.caPem, site.ca);
  await using elsewhere = await TemporaryDirectory.create();
  const cert = join(elsewhere.path, "alice.crt");
  await Deno.writeTextFile(cert, site.cert);
  await Deno.writeTextFile(join(elsewhere.path, "alice-key.pem"), site.key, { mode: 0o600 });
  await site.place("ca.pem", site.ca);
  assert.equal((await loadClientCredentials(site.client, cert, NOW)).caPem, site.ca);
  const beside = await site.place("alice.pem", site.cert);
  await site.place("alice-key.pem", site.key);
  assert.equal((await loadClientCredentials("/nonexistent", beside, NOW)).source, beside);
});

Deno.test("a bundle with several CA certificates is taken if one of them issued the client's", async () => {
  await using site = await setUp();
  await using other = await TemporaryDirectory.create();
  const { caPem } = await openTree(other.path);
  await site.place("alice.bundle", site.cert, site.key, caPem, site.ca);
  const credentials = await loadClientCredentials(site.client, undefined, NOW);
  assert.equal(credentials.caPem, caPem + site.ca);
});

Deno.test("without a certificate the error says how to get one", async () => {
  await using site = await setUp();
  const load = () => loadClientCredentials(site.client, undefined, NOW);
  const missing = join(site.client, "missing");
  await refuses(
    load,
    "no bundle",
    site.client,
    /"fluxify-server cert new NAME", copy NAME\.bundle/,
  );
  await refuses(
    () => loadClientCredentials(missing, undefined, NOW),
    "no bundle",
    missing,
    /copy NAME\.bundle there, or say where it is with -cert FILE/,
  );
  await site.place("ca.pem", site.ca);
  await site.place("alone.pem", site.cert);
  await site.place("notes.pem", "none");
  await refuses(load, "no bundle", site.client, /no client certificate with its key in /);
  const damaged = await site.place("alice.pem");
  await site.place("alice-key.pem");
  await refuses(load, "not PEM", damaged, /it is not a PEM file/);
  const file = await site.place("file");
  await refuses(
    () => loadClientCredentials(file, undefined, NOW),
    "unreadable",
    file,
    /must be a folder is a file/,
  );
});

Deno.test("the only certificate with a key is taken, whatever form it has; ca.pem completes it", async () => {
  const forms: Record<string, (site: Awaited<ReturnType<typeof setUp>>) => Promise<string>> = {
    "one file, ca.pem": async (site) => {
      await site.place("ca.pem", site.ca);
      return await site.place("alice.pem", site.cert, site.key);
    },
    "a pair, ca.pem": async (site) => {
      await site.place("ca.pem", site.ca);
      await site.place("alice-key.pem", site.key);
      return await site.place("alice.pem", site.cert);
    },
    "a pair, the CA in front of the certificate": async (site) => {
      await site.place("alice-key.pem", site.key);
      return await site.place("alice.pem", site.ca, site.cert);
    },
    "a whole bundle with the name of a certificate": (site) =>
      site.place("carol.pem", site.ca, site.cert, site.key),
    "a bundle without the CA, ca.pem": async (site) => {
      await site.place("ca.pem", site.ca);
      return await site.place("alice.bundle", site.cert, site.key);
    },
    "a copy of the whole folder of the server": async (site) => {
      await site.place("ca.pem", site.ca);
      await site.place("ca-key.pem", await Deno.readTextFile(join(site.server.path, "ca-key.pem")));
      await site.place("server.pem", site.pki.certPem);
      await site.place("server-key.pem", site.pki.keyPem);
      await site.place("alice.pem", site.cert);
      await site.place("alice-key.pem", site.key);
      return await site.place("alice.bundle", site.ca, site.cert, site.key);
    },
  };
  for (const [form, make] of Object.entries(forms)) {
    await using site = await setUp();
    const path = await make(site);
    for (const given of [undefined, path]) {
      const { source, certPem, keyPem, caPem } = await loadClientCredentials(
        site.client,
        given,
        NOW,
      );
      assert.deepEqual(
        [source, certPem, keyPem, caPem],
        [path, site.cert, site.key, site.ca],
        form,
      );
    }
  }
});

Deno.test("a pipe among the files is not waited for, and a folder is no certificate", async () => {
  await using site = await setUp();
  const path = await site.place("alice.bundle", site.cert, site.key, site.ca);
  await new Deno.Command("mkfifo", { args: [join(site.client, "a.pem")] }).output();
  await Deno.mkdir(join(site.client, "b.bundle"));
  const limit = Promise.withResolvers<string>();
  const timer = setTimeout(() => limit.resolve("waits for the pipe"), LIMIT_MS);
  const loading = loadClientCredentials(site.client, undefined, NOW).then(({ source }) => source);
  assert.equal(await Promise.race([loading, limit.promise]), path);
  clearTimeout(timer);
});

Deno.test("-cert FILE takes ca.pem from -pki", async () => {
  await using site = await setUp();
  await using elsewhere = await TemporaryDirectory.create();
  const path = join(elsewhere.path, "alice.pem");
  await Deno.writeTextFile(path, site.cert + site.key, { mode: 0o600 });
  await refuses(
    () => loadClientCredentials(site.client, path, NOW),
    "incomplete bundle",
    path,
    /lacks the CA certificate, and there is no .*ca\.pem/,
  );
  await site.place("ca.pem", site.ca);
  assert.equal((await loadClientCredentials(site.client, path, NOW)).caPem, site.ca);
});

Deno.test("certificates of several clients are listed, of whatever form", async () => {
  await using site = await setUp();
  const bob = await site.pki.issueClient("bob", NOW);
  await site.place("alice.pem", site.cert, site.key);
  await Deno.copyFile(bob.certPath, join(site.client, "bob.pem"));
  await Deno.copyFile(bob.keyPath, join(site.client, "bob-key.pem"));
  const load = () => loadClientCredentials(site.client, undefined, NOW);
  await refuses(load, "several bundles", site.client, /holds alice\.pem, bob\.pem; say which/);
  await Deno.copyFile(bob.bundlePath, join(site.client, "b.bundle"));
  await refuses(load, "several bundles", site.client, /holds alice\.pem, b\.bundle; say which/);
});

Deno.test("several bundles are listed, at most 20 of them", async () => {
  await using site = await setUp();
  const load = () => loadClientCredentials(site.client, undefined, NOW);
  await site.place("b.bundle");
  await site.place("a.bundle");
  await refuses(load, "several bundles", site.client, /holds a\.bundle, b\.bundle; say which/);
  for (let index = 0; index < 23; index++) await site.place(`c${index}.bundle`);
  await refuses(load, "several bundles", site.client, /and 5 more; say which with -cert FILE/);
});

Deno.test("a bundle with missing parts is refused, each part by name", async () => {
  await using site = await setUp();
  const { cert, key, ca } = site;
  const cases = [
    [[cert, key], /lacks the CA certificate, and there is no .*; copy the whole NAME\.bundle/],
    [[cert, ca], /lacks the private key;/],
    [[key, ca], /lacks the client certificate;/],
    [[cert], /lacks the private key and the CA certificate, and/],
    [[key], /lacks the client certificate and the CA certificate, and/],
    [[ca], /lacks the client certificate and the private key;/],
  ] as const;
  for (const [parts, message] of cases) {
    const path = await site.place("alice.bundle", ...parts);
    const load = () => loadClientCredentials(site.client, undefined, NOW);
    await refuses(load, "incomplete bundle", path, message);
  }
});

Deno.test("files that are missing, unreadable, damaged or of the wrong kind are refused", async () => {
  await using site = await setUp();
  const load = (path: string) => () => loadClientCredentials("/nonexistent", path, NOW);
  const at = (name: string) => join(site.client, name);
  await refuses(
    load(at("no.bundle")),
    "not found",
    at("no.bundle"),
    /no such file; check the path/,
  );
  await refuses(load(site.client), "unreadable", site.client, /it is a directory; name a file/);
  const text = await site.place("text.bundle", "hello");
  await refuses(load(text), "not PEM", text, /not a PEM file/);
  const cut = await site.place("cut.bundle", site.cert, site.key.slice(0, -30));
  await refuses(load(cut), "damaged", cut, /cut short; copy the file again/);
  const keyOnly = await site.place("csr.pem", site.cert.replaceAll("CERTIFICATE", "OTHER"));
  await refuses(load(keyOnly), "damaged", keyOnly, /no certificate but OTHER; name the client's/);
  const ca = await site.place("other-ca.pem", site.ca);
  await refuses(load(ca), "wrong usage", ca, /the certificate of a CA; name the client's/);

  const cert = await site.place("alice.pem", site.cert);
  const key = at("alice-key.pem");
  await refuses(load(cert), "not found", key, /there is no .*alice-key\.pem; copy it there/);
  await site.place("alice-key.pem", site.cert);
  await refuses(load(cert), "not found", at("ca.pem"), /the server's ca\.pem there/);
  await site.place("ca.pem", site.ca);
  await refuses(load(cert), "damaged", key, /no private key but CERTIFICATE/);
  await site.place("alice-key.pem", site.key);
  await site.place("ca.pem", site.cert);
  await refuses(load(cert), "wrong usage", at("ca.pem"), /not a CA's/);
});

Deno.test("parts that do not belong together are refused", async () => {
  await using site = await setUp();
  await using other = await TemporaryDirectory.create();
  const pki = await openTree(other.path);
  const bob = await site.pki.issueClient("bob", NOW);
  const bobKey = await Deno.readTextFile(bob.keyPath);
  const load = (path: string) => () => loadClientCredentials("/nonexistent", path, NOW);

  const mixed = await site.place("mixed.bundle", site.cert, bobKey, site.ca);
  await refuses(load(mixed), "key mismatch", mixed, /is not its key; copy/);
  const cert = await site.place("alice.pem", site.cert);
  const key = await site.place("alice-key.pem", bobKey);
  await site.place("ca.pem", site.ca);
  await refuses(
    load(cert),
    "key mismatch",
    key,
    /alice\.pem: the key in .*alice-key\.pem is not its/,
  );
  const foreign = await site.place("foreign.bundle", site.cert, site.key, pki.caPem);
  await refuses(load(foreign), "foreign CA", foreign, /not issued by the CA in .* of one server/);
});

Deno.test("a server's certificate is refused as a client's", async () => {
  await using site = await setUp();
  const path = await site.place("server.bundle", site.pki.certPem, site.pki.keyPem, site.ca);
  await refuses(
    () => loadClientCredentials(site.client, path, NOW),
    "wrong usage",
    path,
    /not meant for clients \(no clientAuth usage\); make one with/,
  );
});

Deno.test("an expired or future certificate is refused, with what to do on which machine", async () => {
  await using site = await setUp();
  const path = await site.place("alice.bundle", site.cert, site.key, site.ca);
  const load = (days: number) => () =>
    loadClientCredentials(site.client, undefined, new Date(NOW.getTime() + days * DAY_MS));
  await load(729)();
  await refuses(
    load(731),
    "expired",
    path,
    /expired on 2028-05-31 12:00 UTC and .* clock says 2028-0.*; if that is right, on the server run "fluxify-server cert revoke alice" and/,
  );
  await refuses(load(-1), "not yet valid", path, /valid from 2026-06-01 11:00 UTC .*set the clock/);
});

Deno.test("a key that others may read is a notice", async () => {
  await using site = await setUp();
  const path = await site.place("alice.bundle", site.cert, site.key, site.ca);
  await Deno.chmod(path, 0o644);
  const { notices } = await loadClientCredentials(site.client, undefined, NOW);
  assert.deepEqual(notices, [
    `${path} holds a private key and other users of this machine have access to it (mode 0644): run "chmod 600 ${path}"`,
  ]);
});
