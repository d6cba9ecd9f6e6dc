import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { TestAuthority, type TestCertificate } from "../../../tests/support/test_certificates.ts";
import { HandshakeTooLongError, TlsConnection } from "./tls_connection.ts";
import { TlsContext } from "./tls_context.ts";
import { TlsError, TlsSession } from "./tls_session.ts";

const text = (bytes: Uint8Array | null) => bytes === null ? null : new TextDecoder().decode(bytes);
const bytesOf = (value: string) => new TextEncoder().encode(value);

interface Pair extends AsyncDisposable {
  readonly server: TlsConnection;
  readonly client: TlsConnection;
  readonly raw: Deno.TcpConn;
}

/** Two ends of a TCP connection over loopback, each with a session of its context. */
async function connectPair(server: TlsContext, client: TlsContext): Promise<Pair> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const [near, far] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port }),
    listener.accept(),
  ]);
  const pair = {
    server: new TlsConnection(far, new TlsSession(server)),
    client: new TlsConnection(near, new TlsSession(client, "localhost")),
  };
  return {
    ...pair,
    raw: near,
    [Symbol.asyncDispose]() {
      pair.server.close();
      pair.client.close();
      return Promise.resolve();
    },
  };
}

async function contexts(
  authority: TestAuthority,
  client: TestCertificate,
  protocols: { server?: string; client?: string } = {},
) {
  const { certPem, keyPem } = await authority.issueServer(`server-${crypto.randomUUID()}`);
  const caPem = authority.certPem;
  return {
    server: new TlsContext("server", { caPem, certPem, keyPem }, protocols.server),
    client: new TlsContext(
      "client",
      { caPem, certPem: client.certPem, keyPem: client.keyPem },
      protocols.client,
    ),
  };
}

Deno.test("both sides see each other's certificate, and what is written arrives", async () => {
  await using authority = await TestAuthority.create();
  const alice = await authority.issue("alice");
  const { server, client } = await contexts(authority, alice);
  await using pair = await connectPair(server, client);
  await Promise.all([pair.server.handshake(), pair.client.handshake()]);
  const der = pair.server.peerCertificate();
  deepEqual(der, derOf(alice.certPem));
  ok(pair.client.peerCertificate() !== null);
  match(pair.client.negotiated(), /^TLSv1\.3 TLS_\w+$/);
  equal(pair.server.negotiated(), pair.client.negotiated());

  const long = "x".repeat(100_000);
  await Promise.all([
    pair.client.write(bytesOf("hello ")).then(() => pair.client.write(bytesOf(long)))
      .then(() => pair.client.closeWrite()),
    readAll(pair.server).then((all) => equal(all, `hello ${long}`)),
  ]);
  // The other direction goes on after that.
  await pair.server.write(bytesOf("answer"));
  await pair.server.closeWrite();
  equal(await readAll(pair.client), "answer");
});

Deno.test("a protocol is agreed on where both know it, and the handshake goes on where not", async () => {
  await using authority = await TestAuthority.create();
  const alice = await authority.issue("alice");
  const cases: [string | undefined, string | undefined, string][] = [
    ["data/1", "data/1", "data/1"],
    ["data/1", "data/2", ""],
    ["data/1", undefined, ""],
    [undefined, "data/1", ""],
  ];
  for (const [ofServer, ofClient, agreed] of cases) {
    const both = { server: ofServer, client: ofClient };
    const { server, client } = await contexts(authority, alice, both);
    await using pair = await connectPair(server, client);
    await Promise.all([pair.server.handshake(), pair.client.handshake()]);
    deepEqual([pair.server.protocol(), pair.client.protocol()], [agreed, agreed]);
  }
});

Deno.test("a client without a good certificate is refused in the handshake, with the reason", async () => {
  await using authority = await TestAuthority.create();
  await using other = await TestAuthority.create();
  const cases: [string, TestCertificate, RegExp][] = [
    ["another authority", await other.issue("alice"), /certificate|issuer|self/],
    ["expired", await authority.issue("late", { days: -1 }), /expired/],
    [
      "meant for servers",
      await authority.issue("wrong", { extensions: ["extendedKeyUsage=serverAuth"] }),
      /purpose/,
    ],
  ];
  for (const [name, certificate, reason] of cases) {
    const { server, client } = await contexts(authority, certificate);
    await using pair = await connectPair(server, client);
    // In TLS 1.3 the client is done before the server has seen its certificate.
    const asClient = pair.client.handshake().then(() => pair.client.read());
    asClient.catch(() => {});
    await rejects(pair.server.handshake(), (error: TlsError) => {
      ok(error instanceof TlsError, name);
      ok(reason.test(error.reason), `${name}: ${error.reason}`);
      ok(error.verifyCode !== 0, name);
      return true;
    });
    await rejects(asClient, /alert/, name);
  }
});

Deno.test("a server of another authority is refused by the client", async () => {
  await using authority = await TestAuthority.create();
  await using other = await TestAuthority.create();
  const { server } = await contexts(other, await other.issue("x"));
  const { client } = await contexts(authority, await authority.issue("alice"));
  await using pair = await connectPair(server, client);
  const asServer = pair.server.handshake();
  asServer.catch(() => {});
  await rejects(pair.client.handshake(), (error: TlsError) => error.verifyCode !== 0);
  await rejects(asServer, /alert/);
});

Deno.test("what is no TLS, and a handshake without end, are refused", async () => {
  await using authority = await TestAuthority.create();
  const { server, client } = await contexts(authority, await authority.issue("alice"));
  {
    await using pair = await connectPair(server, client);
    await pair.raw.write(bytesOf("GET / HTTP/1.1\r\n\r\n"));
    await rejects(pair.server.handshake(), TlsError);
  }
  {
    await using pair = await connectPair(server, client);
    await pair.raw.write(Uint8Array.of(0x16, 0x03, 0x01, 0x20, 0x00, 0x01, 0x00, 0x1f, 0xfc));
    pair.raw.closeWrite();
    await rejects(pair.server.handshake(), Deno.errors.UnexpectedEof);
  }
  {
    // Records of one byte each: a hello that never ends.
    await using pair = await connectPair(server, client);
    const drip = Uint8Array.of(0x16, 0x03, 0x01, 0x00, 0x01, 0x01);
    const flood = new Uint8Array(30_000 * drip.length);
    for (let at = 0; at < flood.length; at += drip.length) flood.set(drip, at);
    const writing = (async () => {
      for (let rest = flood; rest.length > 0;) rest = rest.subarray(await pair.raw.write(rest));
    })();
    writing.catch(() => {});
    await rejects(
      pair.server.handshake(),
      (error) => error instanceof HandshakeTooLongError || error instanceof TlsError,
    );
  }
});

Deno.test("credentials that do not fit together are refused, and no key is shown", async () => {
  await using authority = await TestAuthority.create();
  const [alice, bob] = [await authority.issue("alice"), await authority.issue("bob")];
  const caPem = authority.certPem;
  const make = (change: object) => () =>
    new TlsContext("server", { caPem, certPem: alice.certPem, keyPem: alice.keyPem, ...change });
  throws(make({ keyPem: bob.keyPem }), /private key for TLS: it belongs to another certificate/);
  throws(make({ keyPem: "no key" }), /Cannot use the private key/);
  throws(make({ certPem: "none" }), /Cannot use the certificate for TLS/);
  throws(make({ caPem: "none" }), /authority for TLS: it holds none in PEM/);
  try {
    make({ keyPem: bob.keyPem })();
  } catch (error) {
    ok(!String(error).includes("PRIVATE"));
  }
});

Deno.test("a context and a session that were freed are refused, freeing twice is not", async () => {
  await using authority = await TestAuthority.create();
  const { server } = await contexts(authority, await authority.issue("alice"));
  const session = new TlsSession(server);
  server[Symbol.dispose]();
  server[Symbol.dispose]();
  throws(() => new TlsSession(server), /freed/);
  equal(session.handshake(), false, "a session keeps what it needs of its context");
  session[Symbol.dispose]();
  session[Symbol.dispose]();
  throws(() => session.handshake(), /freed/);
});

function derOf(pem: string): Uint8Array {
  const base64 = pem.replaceAll(/-----[^-]+-----|\s/g, "");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

async function readAll(connection: TlsConnection): Promise<string> {
  let all = "";
  for (let part = await connection.read(); part !== null; part = await connection.read()) {
    all += text(part);
  }
  return all;
}
