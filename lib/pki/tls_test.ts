/** Real handshakes over loopback: what this folder writes and reads is what TLS takes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { once } from "node:events";
import tls from "node:tls";
import { type ClientCredentials, loadClientCredentials } from "./client_credentials.ts";
import { openServerPki, type ServerPki } from "./server_pki.ts";
import { hasOpenssl, type KeyKind, makeForeignTree } from "../../testing/pki/openssl.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";

interface Peer {
  protocol: string;
  commonName: string;
  serial: string;
  revoked: boolean;
}

/** A server that tells each client whom it sees, as the control plane does. */
class Greeter implements AsyncDisposable {
  readonly #server: tls.Server;

  private constructor(server: tls.Server) {
    this.#server = server;
  }

  static async listen(pki: ServerPki): Promise<Greeter> {
    const server = tls.createServer({
      cert: pki.certPem,
      key: pki.keyPem,
      ca: pki.caPem,
      requestCert: true,
      rejectUnauthorized: true,
    }, (socket) => {
      const { subject, serialNumber } = socket.getPeerCertificate();
      const peer: Peer = {
        protocol: socket.getProtocol() ?? "",
        commonName: subject.CN as string,
        serial: serialNumber,
        revoked: pki.revocations.isRevoked(serialNumber),
      };
      socket.on("error", () => {});
      socket.end(JSON.stringify(peer));
    });
    server.on("tlsClientError", (_error, socket) => socket.destroy());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Greeter(server);
  }

  /** Connects and returns what the server says; rejects when either side refuses the other. */
  async greet(
    { certPem, keyPem, caPem }: Pick<ClientCredentials, "certPem" | "keyPem" | "caPem">,
    hostname = "127.0.0.1",
  ): Promise<Peer> {
    const { port } = this.#server.address() as { port: number };
    const caCerts = [caPem];
    using connection = await Deno.connectTls({
      hostname,
      port,
      cert: certPem,
      key: keyPem,
      caCerts,
    });
    const chunk = new Uint8Array(4096);
    const length = await connection.read(chunk);
    return JSON.parse(new TextDecoder().decode(chunk.subarray(0, length ?? 0)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }
}

function open(directory: string, hosts: string[] = []): Promise<ServerPki> {
  return openServerPki(directory, { hosts, regenerate: false, now: new Date() });
}

Deno.test("generated files carry mutual TLS 1.3, by address and by name", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await open(directory.path);
  const { serial, bundlePath } = await pki.issueClient("alice", new Date());
  const credentials = await loadClientCredentials("/nonexistent", bundlePath, new Date());
  await using greeter = await Greeter.listen(pki);
  for (const hostname of ["127.0.0.1", "localhost"]) {
    assert.deepEqual(await greeter.greet(credentials, hostname), {
      protocol: "TLSv1.3",
      commonName: "alice",
      serial,
      revoked: false,
    });
  }
});

Deno.test("a revoked serial is seen by a running server, and the new certificate is not", async () => {
  await using directory = await TemporaryDirectory.create();
  const pki = await open(directory.path);
  await using greeter = await Greeter.listen(pki);
  const { bundlePath } = await pki.issueClient("alice", new Date());
  const load = () => loadClientCredentials("/nonexistent", bundlePath, new Date());
  const old = await load();
  assert.equal((await greeter.greet(old)).revoked, false);
  await (await open(directory.path)).revokeClient("alice", new Date());
  assert.equal((await greeter.greet(old)).revoked, true);
  await pki.issueClient("alice", new Date());
  assert.equal((await greeter.greet(await load())).revoked, false);
});

Deno.test("neither side accepts the other of another CA", async () => {
  await using directory = await TemporaryDirectory.create();
  await using other = await TemporaryDirectory.create();
  const pki = await open(directory.path);
  const stranger = await open(other.path);
  const { bundlePath } = await stranger.issueClient("mallory", new Date());
  const credentials = await loadClientCredentials("/nonexistent", bundlePath, new Date());
  await using greeter = await Greeter.listen(pki);
  await assert.rejects(greeter.greet(credentials));
  await assert.rejects(greeter.greet({ ...credentials, caPem: pki.caPem }));
  await assert.rejects(
    greeter.greet({ caPem: pki.caPem, certPem: pki.certPem, keyPem: pki.keyPem }),
    "a server certificate is none for clients",
  );
});

Deno.test("a certificate issued anew for one more host is accepted under it and the old ones", async () => {
  await using directory = await TemporaryDirectory.create();
  const before = await open(directory.path, ["127.0.0.1"]);
  const { bundlePath } = await before.issueClient("alice", new Date());
  const credentials = await loadClientCredentials("/nonexistent", bundlePath, new Date());
  {
    await using greeter = await Greeter.listen(before);
    await assert.rejects(greeter.greet(credentials, "localhost"));
  }
  await using greeter = await Greeter.listen(await open(directory.path, ["localhost"]));
  for (const hostname of ["127.0.0.1", "localhost"]) {
    assert.equal((await greeter.greet(credentials, hostname)).commonName, "alice");
  }
});

for (
  const [kind, stringMask] of [
    ["RSA 2048", "pkix"],
    ["RSA 2048", "utf8only"],
    ["EC P-256", "pkix"],
    ["EC P-384", "utf8only"],
  ] as const
) {
  Deno.test({
    name: `an openssl-made ${kind} tree with ${stringMask} names carries TLS 1.3 for each key kind`,
    ignore: !hasOpenssl(),
    fn: async () => {
      await using directory = await TemporaryDirectory.create();
      const tree = await makeForeignTree(directory.path, { kind, stringMask });
      const clientKinds: KeyKind[] = ["RSA 2048", "EC P-256", "EC P-384"];
      for (const clientKind of clientKinds) {
        await tree.issueClient(clientKind.replace(" ", "_"), clientKind);
      }
      const pki = await open(directory.path, ["127.0.0.1", "localhost"]);
      const { bundlePath } = await pki.issueClient("new", new Date());
      await using greeter = await Greeter.listen(pki);
      const names = clientKinds.map((clientKind) => clientKind.replace(" ", "_"));
      const files = [
        ...names.map((name) => join(directory.path, "clients", `${name}.pem`)),
        bundlePath,
      ];
      for (const file of files) {
        const credentials = await loadClientCredentials("/nonexistent", file, new Date());
        const { protocol, commonName } = await greeter.greet(credentials);
        assert.deepEqual([protocol, commonName], ["TLSv1.3", credentials.commonName]);
      }
    },
  });
}
