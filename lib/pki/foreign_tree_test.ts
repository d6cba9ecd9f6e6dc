/** Trees that the `openssl` program wrote, laid out as the Go implementation lays out its own. */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { loadClientCredentials } from "./client_credentials.ts";
import { openServerPki } from "./server_pki.ts";
import {
  hasOpenssl,
  type KeyKind,
  makeForeignTree,
  openssl,
  opensslVerify,
  tryOpenssl,
} from "../../testing/pki/openssl.ts";
import { refuses } from "../../testing/pki/refusal.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";

const ignore = !hasOpenssl();
const HOSTS = ["127.0.0.1", "localhost"];

const KEY_FILES: [KeyKind, "pkix" | "utf8only", RegExp][] = [
  ["RSA 2048", "pkix", /^-----BEGIN RSA PRIVATE KEY-----/],
  ["RSA 4096", "utf8only", /^-----BEGIN RSA PRIVATE KEY-----/],
  ["EC P-256", "utf8only", /^-----BEGIN EC PRIVATE KEY-----/],
  ["EC P-384", "pkix", /^-----BEGIN EC PRIVATE KEY-----/],
];

for (const [kind, stringMask, keyFile] of KEY_FILES) {
  Deno.test({
    name: `an ${kind} tree with ${stringMask} names is used as it is, and issues clients`,
    ignore,
    fn: async () => {
      await using directory = await TemporaryDirectory.create();
      const { path } = directory;
      const tree = await makeForeignTree(path, { kind, stringMask });
      await tree.issueClient("old", kind === "RSA 4096" ? "RSA 2048" : kind);
      const before = directory.names();
      const now = new Date();
      const pki = await openServerPki(path, { hosts: HOSTS, regenerate: false, now });
      assert.deepEqual(pki.notices, []);
      assert.equal(pki.created, false);
      assert.deepEqual(directory.names(), before, "opening writes nothing");
      assert.match(pki.keyPem, keyFile);

      const { certPath, bundlePath } = await pki.issueClient("new", now);
      const ca = join(path, "ca.pem");
      const verified = await tryOpenssl("verify", "-x509_strict", "-CAfile", ca, certPath);
      assert.equal(verified.output.trim(), `${certPath}: OK`);
      const fromBundle = await loadClientCredentials("/nonexistent", bundlePath, now);
      assert.equal(fromBundle.commonName, "new");
      const old = join(path, "clients/old.pem");
      const fromFiles = await loadClientCredentials("/nonexistent", old, now);
      assert.equal(fromFiles.commonName, "old");
      assert.match(fromFiles.keyPem, keyFile);

      assert.equal((await pki.showClient("old", now)).bundlePath, null);
      await pki.revokeClient("old", now);
      assert.deepEqual((await pki.listClients(now)).map(({ name, status }) => [name, status]), [
        ["new", "valid"],
        ["old", "revoked"],
      ]);
      assert.match(
        await openssl("crl", "-in", join(path, "revoked.pem"), "-CAfile", ca),
        /verify OK/,
      );
    },
  });
}

Deno.test({
  name: "certificates in files with a time in the name go by their common name",
  ignore,
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const { path } = directory;
    const tree = await makeForeignTree(path, { kind: "RSA 2048" });
    const [older, younger] = ["alice-20261128-065001", "alice-20261128-065002"];
    for (const file of [older, younger]) await tree.issueClient("alice", "EC P-256", 365, file);
    await tree.issueClient("bob", "EC P-256", 365, "bob-20261128-065003");
    const now = new Date();
    const pki = await openServerPki(path, { hosts: HOSTS, regenerate: false, now });
    const statuses = async () =>
      (await pki.listClients(now)).map(({ name, certPath, status }) => [
        name,
        basename(certPath),
        status,
      ]);
    assert.deepEqual((await statuses()).map(([name]) => name), ["alice", "alice", "bob"]);
    assert.equal((await pki.showClient("alice", now)).others.length, 1);
    const taken = join(path, `clients/${older}.pem`);
    await refuses(
      () => pki.issueClient("alice", now),
      "name taken",
      taken,
      /has this name, and two machines .* "fluxify-server cert revoke alice" first/,
    );

    const { notices } = await pki.revokeClient(older, now);
    assert.match(
      notices.join(),
      /alice-20261128-065002\.pem is for alice, too, and is not revoked/,
    );
    const { revocations } = await pki.revokeClient("alice", now);
    assert.equal(revocations.length, 1);
    assert.deepEqual(await statuses(), [
      ["alice", `${older}.pem`, "revoked"],
      ["alice", `${younger}.pem`, "revoked"],
      ["bob", "bob-20261128-065003.pem", "valid"],
    ]);
    const issued = await pki.issueClient("alice", now);
    assert.equal((await pki.showClient("alice", now)).certPath, issued.certPath);
    await pki.revokeClient("alice", now);
    assert.ok(pki.revocations.poll().length === 3 && pki.revocations.isRevoked(issued.serial));
  },
});

Deno.test({
  name: "two certificates of one name are revoked together",
  ignore,
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const { path } = directory;
    const tree = await makeForeignTree(path, { kind: "EC P-256" });
    for (const file of ["alice", "alice-20261128-065002"]) {
      await tree.issueClient("alice", "EC P-256", 365, file);
    }
    const now = new Date();
    const pki = await openServerPki(path, { hosts: HOSTS, regenerate: false, now });
    const { revocations, notices } = await pki.revokeClient("alice", now);
    assert.deepEqual([revocations.length, notices], [2, []]);
  },
});

Deno.test({
  name: "the server certificate of another program's CA is issued anew for its own RSA key",
  ignore,
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const { path } = directory;
    await makeForeignTree(path, { kind: "RSA 2048", serverDays: 10 });
    const key = await Deno.readTextFile(join(path, "server-key.pem"));
    const now = new Date();
    const hosts = ["2001:db8::1"];
    const pki = await openServerPki(path, { hosts, regenerate: false, now });
    assert.match(
      pki.notices.join(),
      /issued anew from the CA, for 127\.0\.0\.1, localhost, 2001:db8::1/,
    );
    assert.equal(pki.keyPem, key);
    const server = join(path, "server.pem");
    const ca = join(path, "ca.pem");
    const { output } = await tryOpenssl("verify", "-x509_strict", "-CAfile", ca, server);
    assert.equal(output.trim(), `${server}: OK`);
    const text = await openssl("x509", "-in", server, "-noout", "-text");
    assert.match(text, /Key Usage: critical\n +Digital Signature, Key Encipherment/);
  },
});

Deno.test({
  name: "a CA with a key of a kind that TLS does not verify is refused on both sides",
  ignore,
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const { path } = directory;
    const tree = await makeForeignTree(path, { kind: "EC P-521" });
    await tree.issueClient("alice", "EC P-256");
    const ca = join(path, "ca.pem");
    const now = new Date();
    const message = /its key is neither RSA nor ECDSA P-256 or P-384; "fluxify-server -regen"/;
    const options = { hosts: HOSTS, regenerate: false, now };
    await refuses(() => openServerPki(path, options), "unsupported key", ca, message);
    const cert = join(path, "clients/alice.pem");
    const load = () => loadClientCredentials("/nonexistent", cert, now);
    await refuses(load, "unsupported key", ca, message);
  },
});

Deno.test({
  name: "a CA's name with several attributes and letters beyond ASCII is kept as it is",
  ignore,
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const { path } = directory;
    const [ca, key] = [join(path, "ca.pem"), join(path, "ca-key.pem")];
    await openServerPki(path, { hosts: HOSTS, regenerate: false, now: new Date() });
    await Deno.remove(join(path, "server.pem"));
    await openssl(
      ...["req", "-x509", "-utf8", "-key", key, "-out", ca, "-days", "3000"],
      ...["-subj", '/C=DE/O=Käse, Brot + Co./OU=\\ one/OU=two/CN=Fluxify "CA"/emailAddress=a@b.c'],
    );
    const now = new Date();
    const pki = await openServerPki(path, { hosts: HOSTS, regenerate: false, now });
    const { certPath } = await pki.issueClient("alice", now);
    for (const cert of [certPath, join(path, "server.pem")]) {
      const { output } = await tryOpenssl("verify", "-CAfile", ca, cert);
      assert.equal(output.trim(), `${cert}: OK`);
    }
  },
});

Deno.test({
  name: "the expired client certificate of another program is refused",
  ignore,
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const tree = await makeForeignTree(directory.path, { kind: "EC P-256" });
    await tree.issueClient("late", "RSA 2048", 1);
    const cert = join(directory.path, "clients/late.pem");
    const inTwoDays = new Date(Date.now() + 2 * 86_400_000);
    await refuses(
      () => loadClientCredentials("/nonexistent", cert, inTwoDays),
      "expired",
      cert,
      /expired on /,
    );
    const pki = await openServerPki(directory.path, {
      hosts: HOSTS,
      regenerate: false,
      now: new Date(),
    });
    assert.equal((await pki.showClient("late", inTwoDays)).status, "expired");
  },
});

Deno.test({
  name: "a passphrase-protected key of either form is refused with the command that lifts it",
  ignore,
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const { path } = directory;
    await makeForeignTree(path, { kind: "RSA 2048" });
    const key = join(path, "server-key.pem");
    const plain = join(path, "plain.pem");
    await Deno.rename(key, plain);
    for (const form of [["rsa", "-traditional", "-aes128"], ["pkey", "-aes128"]]) {
      await openssl(...form, "-in", plain, "-passout", "pass:secret", "-out", key);
      await refuses(
        () => openServerPki(path, { hosts: HOSTS, regenerate: false, now: new Date() }),
        "encrypted key",
        key,
        /"openssl pkey -in .*server-key\.pem -out NEW-FILE"/,
      );
    }
  },
});

Deno.test({
  name: "opensslVerify() itself refuses a certificate of another CA",
  ignore,
  fn: async () => {
    await using one = await TemporaryDirectory.create();
    await using two = await TemporaryDirectory.create();
    const now = new Date();
    await openServerPki(one.path, { hosts: [], regenerate: false, now });
    await openServerPki(two.path, { hosts: [], regenerate: false, now });
    assert.equal((await opensslVerify(one.path, join(two.path, "server.pem"))).success, false);
  },
});
