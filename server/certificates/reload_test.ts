import { equal, match, notEqual, rejects } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { openServerPki, type ServerPki } from "../../lib/pki/server_pki.ts";
import { makeKey } from "../../testing/pki/openssl.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { checkServerCredentials, type ServerCredentials } from "../control/server_credentials.ts";
import { CredentialReload } from "./reload.ts";

interface Bench extends AsyncDisposable {
  readonly directory: string;
  readonly pki: ServerPki;
  readonly reload: CredentialReload;
  /** What the control plane was given, the latest last. */
  readonly taken: ServerCredentials[];
}

async function startBench(): Promise<Bench> {
  const directory = await TemporaryDirectory.create();
  const hosts = ["203.0.113.7"];
  const pki = await openServerPki(directory.path, { hosts, regenerate: false, now: new Date() });
  const taken: ServerCredentials[] = [];
  const control = {
    replaceCredentials(credentials: ServerCredentials) {
      checkServerCredentials(credentials);
      taken.push(credentials);
    },
  };
  const options = { pkiFolder: directory.path, hosts, control, revocations: pki.revocations };
  return {
    directory: directory.path,
    pki,
    reload: new CredentialReload(options, pki),
    taken,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

Deno.test("CredentialReload says in one line what it has read again", async () => {
  await using bench = await startBench();
  const { directory, pki, reload, taken } = bench;
  const unchanged = await reload.run(new Date());
  match(
    unchanged.line,
    /^reloaded: authority unchanged, server certificate unchanged \(serial \w+, until .*\), server key unchanged, 0 certificates revoked; sessions go on$/,
  );
  // Without its certificate the server gets a new one for the same key.
  await Deno.remove(join(directory, "server.pem"));
  await pki.issueClient("laptop", new Date());
  await pki.revokeClient("laptop", new Date());
  const changed = await reload.run(new Date());
  match(changed.line, /authority unchanged, server certificate new .* key unchanged, 1 cert/);
  match(changed.notices.join(), /server\.pem is missing: it was issued anew/);
  equal(taken.length, 2);
  notEqual(taken[1]!.certPem, taken[0]!.certPem);
});

Deno.test("CredentialReload issues a certificate anew in time, and does nothing until then", async () => {
  await using bench = await startBench();
  const { directory, pki, reload, taken } = bench;
  const after = (days: number) => new Date(Date.now() + days * 86_400_000);
  const validTo = Date.parse(new X509Certificate(pki.certPem).validTo);
  const validDays = (validTo - Date.now()) / 86_400_000;
  const revoked = join(directory, "revoked.json");
  await Deno.rename(revoked, `${revoked}.aside`);
  await Deno.writeTextFile(revoked, "being edited");
  equal(await reload.runWhenDue(after(validDays - 31)), null);
  await Deno.rename(`${revoked}.aside`, revoked);
  equal(taken.length, 0);
  const renewed = await reload.runWhenDue(after(validDays - 29));
  match(renewed!.notices.join(), /server\.pem expires on .*: it was issued anew/);
  equal(taken.length, 1);
  equal(Date.parse(new X509Certificate(taken[0]!.certPem).validTo) > validTo, true);
  equal(await reload.runWhenDue(after(validDays - 28)), null);
  // The clock was ahead and is right again: no client would take that certificate.
  const mended = await reload.runWhenDue(after(0));
  match(mended!.notices.join(), /is valid from .* clock says .*: it was issued anew/);
  equal(await reload.runWhenDue(after(0)), null);
});

Deno.test("CredentialReload answers calls one after the other", async () => {
  await using bench = await startBench();
  const { directory, reload, taken } = bench;
  await Deno.remove(join(directory, "server.pem"));
  const [first, second] = await Promise.all([reload.run(new Date()), reload.run(new Date())]);
  match(first.line, /server certificate new/);
  match(second.line, /server certificate unchanged/);
  equal(taken.length, 2);
});

Deno.test("CredentialReload takes over a new authority as a whole", async () => {
  await using bench = await startBench();
  const { directory, reload, taken } = bench;
  await openServerPki(directory, { hosts: [], regenerate: true, now: new Date() });
  match(
    (await reload.run(new Date())).line,
    /authority new, server certificate new .*, server key new/,
  );
  equal(taken.length, 1);
});

Deno.test("CredentialReload keeps the old certificates when a file is wrong", async () => {
  const faults: [(directory: string) => Promise<void>, RegExp][] = [
    [(path) => Deno.writeTextFile(join(path, "server.pem"), "no certificate"), /server\.pem/],
    [(path) => Deno.writeTextFile(join(path, "server-key.pem"), ""), /server-key\.pem/],
    [(path) => makeKey("EC P-256", join(path, "server-key.pem")), /is not its key; restore/],
    [(path) => Deno.writeTextFile(join(path, "ca.pem"), "\0"), /ca\.pem/],
    [(path) => Deno.remove(join(path, "ca.pem")), /ca\.pem is missing; restore it/],
    [(path) => Deno.remove(path, { recursive: true }).then(() => Deno.mkdir(path)), /ca\.pem is/],
    [(path) => Deno.writeTextFile(join(path, "revoked.json"), "{"), /revoked\.json/],
  ];
  for (const [spoil, what] of faults) {
    await using bench = await startBench();
    const { directory, reload, taken } = bench;
    await spoil(directory);
    const before = [...Deno.readDirSync(directory)].length;
    await rejects(reload.run(new Date()), (error: Error) => {
      match(error.message, /^Cannot reload the certificates, those in use stay: /);
      match(error.message, what);
      match(error.message, /; then send SIGHUP again$/);
      return true;
    });
    equal(taken.length, 0);
    equal([...Deno.readDirSync(directory)].length, before, "a reload makes no new authority");
  }
});
