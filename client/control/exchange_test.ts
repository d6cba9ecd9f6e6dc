import { deepEqual, equal, match, ok } from "node:assert/strict";
import { ControlError, type ControlErrorCode } from "./control_error.ts";
import { exchange, type ExchangeOptions } from "./exchange.ts";
import { TestAuthority } from "./test_certificates.ts";
import {
  createTestPki,
  credentialsOf,
  optionsFor,
  startTcpServer,
  startTlsServer,
  type TestPki,
  until,
} from "./test_server.ts";

const GRANT = {
  session_id: 7,
  session_key: "q".repeat(42) + "o=",
  udp_port: 8000,
  client_ip: "10.8.0.2",
  client_ip6: "fd00:8::2",
};

/** Runs an exchange that must fail with `code`, and returns its error. */
async function failure(code: ControlErrorCode, options: ExchangeOptions): Promise<ControlError> {
  const error = await exchange(options).then(() => null, (error) => error);
  ok(error instanceof ControlError, `a ControlError '${code}', not ${error}`);
  equal(error.code, code, error.message);
  ok(!error.message.endsWith("."), error.message);
  ok(!error.message.includes("PRIVATE KEY"));
  return error;
}

function startServer(pki: TestPki, answer: string, end: "ends" | "stays open" = "ends") {
  const options = { certificate: pki.server, clientAuthority: pki.authority };
  return startTlsServer(options, (socket) => {
    socket.resume();
    socket.on("end", () => end === "ends" ? socket.end(answer) : socket.write(answer));
  });
}

Deno.test("exchange() sends one object, half-closes and returns the grant", async () => {
  await using pki = await createTestPki();
  let request = "";
  const options = { certificate: pki.server, clientAuthority: pki.authority };
  await using server = await startTlsServer(options, (socket) => {
    socket.on("data", (chunk) => request += chunk);
    socket.on("end", () => socket.end(JSON.stringify(GRANT)));
  });
  const more = { features: ["x1"], clientVersion: "1.2.3" };
  const grant = await exchange(optionsFor(server.port, pki.alice, more));
  equal(grant.sessionId, 7);
  equal(grant.sessionKey.length, 32);
  deepEqual(JSON.parse(request), { client_name: "", features: ["x1"], client_version: "1.2.3" });
  await until("the connection is closed", () => server.open.size === 0);
});

Deno.test("exchange() takes an answer in pieces, from a server that never closes", async () => {
  await using pki = await createTestPki();
  const options = { certificate: pki.server, clientAuthority: pki.authority };
  await using server = await startTlsServer(options, (socket) => {
    const pieces = [...JSON.stringify(GRANT)];
    const sendNext = () => {
      const piece = pieces.shift();
      if (piece !== undefined) socket.write(piece, sendNext);
    };
    socket.resume();
    socket.on("end", sendNext);
  });
  equal((await exchange(optionsFor(server.port, pki.alice))).sessionId, 7);
  await until("the connection is closed", () => server.open.size === 0);
});

Deno.test("exchange() connects by name, by IPv6 address and by IPv6 address in brackets", async () => {
  await using pki = await createTestPki();
  await using byName = await startServer(pki, JSON.stringify(GRANT));
  const addresses = [{ address: "127.0.0.1", family: 4 }] as const;
  const named = { server: "localhost", addresses };
  equal((await exchange(optionsFor(byName.port, pki.alice, named))).sessionId, 7);
  const options = { certificate: pki.server, clientAuthority: pki.authority, host: "::1" };
  await using overIpv6 = await startTlsServer(options, (socket) => {
    socket.end(JSON.stringify(GRANT));
    socket.resume();
  });
  for (const server of ["::1", "[::1]"]) {
    equal((await exchange(optionsFor(overIpv6.port, pki.alice, { server }))).sessionId, 7);
  }
});

Deno.test("an error object of the server is passed on, and its code decides about retrying", async () => {
  await using pki = await createTestPki();
  const cases: [string, boolean][] = [["revoked", false], ["name_mismatch", false], [
    "pool_full",
    true,
  ], ["unavailable", true]];
  for (const [code, retryable] of cases) {
    const message = "do this\u001b[2J and that";
    await using server = await startServer(pki, JSON.stringify({ error: { code, message } }));
    const error = await failure("refused by the server", optionsFor(server.port, pki.alice));
    equal(error.serverCode, code);
    equal(error.retryable, retryable);
    match(error.message, /^The server refuses: do this \[2J and that$/);
  }
});

Deno.test("answers that are no answer are refused", async () => {
  await using pki = await createTestPki();
  const answers = [
    "garbage",
    "[]",
    "{}",
    '{"error":"no"}',
    JSON.stringify({ ...GRANT, session_key: "c2hvcnQ=" }),
    JSON.stringify({ ...GRANT, client_ip: "256.1.1.1" }),
    `{"pad":"${"x".repeat(1_000_000)}"}`,
  ];
  for (const answer of answers) {
    await using server = await startServer(pki, answer, "stays open");
    const error = await failure("malformed response", optionsFor(server.port, pki.alice));
    ok(!error.message.includes("c2hvcnQ"));
    await until("the connection is closed", () => server.open.size === 0);
  }
});

Deno.test("an answer that is cut short is worth another try", async () => {
  await using pki = await createTestPki();
  await using server = await startServer(pki, '{"session_id":');
  ok((await failure("connection lost", optionsFor(server.port, pki.alice))).retryable);
});

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
    args: ["eval", "--no-lock", program],
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
  await failure("connection lost", optionsFor(older.port, pki.alice));
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
  match(expired.message, /expired on \d{4}-\d\d-\d\d; get a new bundle/);
  equal(expired.retryable, false);
  const notBefore = new Date(Date.now() + 86_400_000);
  const early = credentialsOf(await pki.authority.issue("early", { notBefore }), pki.authority);
  ok((await failure("own certificate out of date", optionsFor(1, early))).retryable);
});

Deno.test("a port where nothing listens, and one that does not speak TLS, are told apart", async () => {
  await using pki = await createTestPki();
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = closed.addr;
  closed.close();
  const error = await failure("connection refused", optionsFor(port, pki.alice));
  match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}: nothing listens there`));
  ok(error.retryable);
  await using http = await startTcpServer((socket) => {
    socket.resume();
    socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  await failure("not a control server", optionsFor(http.port, pki.alice));
  await using closing = await startTcpServer((socket) => void socket.destroy());
  ok((await failure("connection lost", optionsFor(closing.port, pki.alice))).retryable);
});

Deno.test("silence ends with the time, before and after the TLS handshake", async () => {
  await using pki = await createTestPki();
  await using mute = await startTcpServer(() => {});
  const short = { timeoutMs: 200 };
  const before = await failure("timed out", optionsFor(mute.port, pki.alice, short));
  match(before.message, /TLS handshake did not end within 0\.2 s/);
  await until("the connection is closed", () => mute.open.size === 0);
  const options = { certificate: pki.server, clientAuthority: pki.authority };
  let served = 0;
  await using lazy = await startTlsServer(options, (socket) => {
    served++;
    socket.resume();
  });
  const after = await failure("timed out", optionsFor(lazy.port, pki.alice, { timeoutMs: 1500 }));
  match(after.message, /server did not answer within 1\.5 s/);
  equal(served, 1);
});

Deno.test("an abort ends the exchange at once and leaves no connection", async () => {
  await using pki = await createTestPki();
  await using mute = await startTcpServer(() => {});
  const aborted = { signal: AbortSignal.abort() };
  await failure("aborted", optionsFor(mute.port, pki.alice, aborted));
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = failure("aborted", optionsFor(mute.port, pki.alice, { signal }));
  await until("it is connected", () => mute.open.size === 1);
  controller.abort();
  await waiting;
  await until("the connection is closed", () => mute.open.size === 0);
});

Deno.test("the next address is tried after one that is silent or refuses, and all are told", async () => {
  await using pki = await createTestPki();
  await using server = await startServer(pki, JSON.stringify(GRANT));
  // Nothing listens on this address of the loopback network.
  const addresses = [{ address: "127.0.0.9", family: 4 }, { address: "127.0.0.1", family: 4 }];
  const both = { server: "localhost", addresses } as Partial<ExchangeOptions>;
  equal((await exchange(optionsFor(server.port, pki.alice, both))).sessionId, 7);
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  closed.close();
  const error = await failure(
    "connection refused",
    optionsFor(closed.addr.port, pki.alice, both),
  );
  match(error.message, /localhost \(127\.0\.0\.9:.*; then: .*localhost \(127\.0\.0\.1:/);
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
