import { equal, match, ok } from "node:assert/strict";
import { TestAuthority } from "../../tests/support/test_certificates.ts";
import {
  createTestPki,
  credentialsOf,
  failure,
  GRANT,
  optionsFor,
  startServer,
  startTlsServer,
  until,
} from "./test_server.ts";

Deno.test("a certificate for other names is refused, and the names are told", async () => {
  await using pki = await createTestPki();
  await using server = await startServer(pki, JSON.stringify(GRANT));
  const addresses = [{ address: "127.0.0.1", family: 4 }] as const;
  const named = { server: "vpn.example", addresses };
  const error = await failure(
    "server certificate of another name",
    optionsFor(server.port, pki.alice, named),
  );
  match(error.message, /is for localhost, 127\.0\.0\.1, ::1, not for vpn\.example; connect by one/);
  equal(error.retryable, false);
  // An address is never matched by a name, nor by the common name.
  const certificate = await pki.authority.issue("127.0.0.1", {
    extensions: ["extendedKeyUsage=serverAuth", "subjectAltName=DNS:vpn.example,DNS:*.example"],
  });
  const options = { certificate, clientAuthority: pki.authority };
  await using unnamed = await startTlsServer(options, (socket) => socket.resume());
  const other = optionsFor(unnamed.port, pki.alice);
  match((await failure("server certificate of another name", other)).message, /vpn\.example/);
});

Deno.test("certificates that are out of date, of another authority or no server's are refused", async () => {
  await using pki = await createTestPki();
  await using other = await TestAuthority.create();
  const future = new Date(Date.now() + 86_400_000);
  const { authority } = pki;
  const cases = [
    ["server certificate out of date", await authority.issueServer("old", { days: -1 })],
    ["server certificate out of date", await authority.issueServer("new", { notBefore: future })],
    ["server certificate of another authority", await other.issueServer("server")],
    // A client of the same authority that plays the server.
    [
      "server certificate of another authority",
      await authority.issue("mallory", {
        extensions: ["extendedKeyUsage=clientAuth", "subjectAltName=IP:127.0.0.1"],
      }),
    ],
  ] as const;
  for (const [code, certificate] of cases) {
    let served = 0;
    const options = { certificate, clientAuthority: authority };
    await using server = await startTlsServer(options, () => served++);
    await failure(code, optionsFor(server.port, pki.alice));
    await until("the connection is closed", () => server.open.size === 0);
    equal(served, 0);
  }
});

Deno.test("authorities that the system trusts do not count", async () => {
  await using pki = await createTestPki();
  await using trusted = await TestAuthority.create();
  const options = {
    certificate: await trusted.issueServer("server"),
    clientAuthority: pki.authority,
  };
  await using server = await startTlsServer(options, (socket) => {
    socket.end(JSON.stringify(GRANT));
    socket.resume();
  });
  const program = `
    import { exchange } from ${JSON.stringify(import.meta.resolve("./exchange.ts"))};
    const options = ${JSON.stringify(optionsFor(server.port, pki.alice))};
    console.log(await exchange(options).then(() => "trusted", (error) => error.code));`;
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--frozen", program],
    cwd: import.meta.dirname,
    env: { DENO_CERT: trusted.certFile, NODE_EXTRA_CA_CERTS: trusted.certFile },
    stderr: "inherit",
  }).output();
  equal(new TextDecoder().decode(output.stdout).trim(), "server certificate of another authority");
});

Deno.test("a server that closes on the client's certificate is explained", async () => {
  await using pki = await createTestPki();
  await using other = await TestAuthority.create();
  const options = { certificate: pki.server, clientAuthority: other };
  await using server = await startTlsServer(options, () => {});
  const error = await failure("client certificate refused", optionsFor(server.port, pki.alice));
  match(error.message, /expired or been revoked.*bundle is of this server/);
  equal(error.retryable, true);
  await using older = await startTlsServer(
    { ...options, tls: { maxVersion: "TLSv1.2" } },
    () => {},
  );
  const tooOld = await failure("not a control server", optionsFor(older.port, pki.alice));
  match(tooOld.message, /does not speak TLS 1\.3/);
});

Deno.test("a TLS alert about the client's certificate is explained", async () => {
  await using pki = await createTestPki();
  await using other = await TestAuthority.create();
  const child = new Deno.Command("openssl", {
    args: [
      ...["s_server", "-accept", "127.0.0.1:0", "-Verify", "1", "-verify_return_error"],
      ...["-CAfile", other.certFile, "-cert", pki.server.certFile, "-key", pki.server.keyFile],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const port = await acceptPort(child.stdout);
  const error = await failure("client certificate refused", optionsFor(port, pki.alice));
  match(error.message, /says '(unknown ca|bad certificate|certificate unknown)'/);
  child.kill();
  await child.stdin.close().catch(() => {});
  await child.status;
});

Deno.test("a bundle that cannot work is refused before any connection", async () => {
  await using pki = await createTestPki();
  await using other = await TestAuthority.create();
  const bob = await pki.authority.issue("bob");
  const cases = [
    { ...pki.alice, certPem: "garbage" },
    { ...pki.alice, caPem: "" },
    { ...pki.alice, keyPem: "garbage" },
    { ...pki.alice, keyPem: bob.keyPem },
    { ...pki.alice, caPem: other.certPem },
  ];
  for (const credentials of cases) {
    equal((await failure("bad credentials", optionsFor(1, credentials))).retryable, false);
  }
  const old = credentialsOf(await pki.authority.issue("old", { days: -1 }), pki.authority);
  const expired = await failure("own certificate out of date", optionsFor(1, old));
  match(expired.message, /expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC; get a new bundle/);
  equal(expired.retryable, false);
  const notBefore = new Date(Date.now() + 86_400_000);
  const early = credentialsOf(await pki.authority.issue("early", { notBefore }), pki.authority);
  ok((await failure("own certificate out of date", optionsFor(1, early))).retryable);
});

/** Waits for "ACCEPT 127.0.0.1:port" and returns the port. */
async function acceptPort(stdout: ReadableStream<Uint8Array>): Promise<number> {
  let text = "";
  for await (const chunk of stdout.values({ preventCancel: true })) {
    text += new TextDecoder().decode(chunk);
    const port = /ACCEPT \S*:(\d+)/.exec(text)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error(`openssl s_server did not start: ${text}`);
}
