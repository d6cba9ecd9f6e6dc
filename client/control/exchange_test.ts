import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import type { TLSSocket } from "node:tls";
import { askStatus, exchange, type ExchangeOptions } from "./exchange.ts";
import {
  createTestPki,
  failure,
  GRANT,
  optionsFor,
  startServer,
  startTcpServer,
  startTlsServer,
  until,
} from "./test_server.ts";

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
  let atServer: TLSSocket | undefined;
  await using server = await startTlsServer(options, (socket) => {
    atServer = socket;
    const pieces = [...JSON.stringify(GRANT)];
    const sendNext = () => {
      const piece = pieces.shift();
      if (piece !== undefined) socket.write(piece, sendNext);
    };
    socket.resume();
    socket.on("end", sendNext);
  });
  equal((await exchange(optionsFor(server.port, pki.alice))).sessionId, 7);
  // The server learns from what it sends that nobody is there.
  await until("the connection is closed", () => {
    atServer?.write(" ");
    return server.open.size === 0;
  });
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

Deno.test("askStatus() asks for no session; what an older server grants is dropped", async () => {
  await using pki = await createTestPki();
  const ask = async (answer: unknown) => {
    await using server = await startServer(pki, JSON.stringify(answer));
    return await askStatus(optionsFor(server.port, pki.alice));
  };
  const status = { load: 0.5, draining: true };
  deepEqual(await ask({ status }), { kind: "status", load: 0.5, isDraining: true });
  deepEqual(await ask(GRANT), { kind: "status", load: null, isDraining: false });
  await rejects(ask({ error: { code: "revoked", message: "no" } }), /refuses: no/);
  await using server = await startServer(pki, JSON.stringify({ status }));
  await failure("malformed response", optionsFor(server.port, pki.alice));
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
  }
});

Deno.test("an answer that is cut short is worth another try", async () => {
  await using pki = await createTestPki();
  await using server = await startServer(pki, '{"session_id":');
  ok((await failure("connection lost", optionsFor(server.port, pki.alice))).retryable);
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
  await using mute = await startTcpServer((socket) => void socket.resume());
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
  const after = await failure("timed out", optionsFor(lazy.port, pki.alice, { timeoutMs: 3000 }));
  match(after.message, /server did not answer within 3 s/);
  equal(served, 1);
});

Deno.test("an abort ends the exchange at once and leaves no connection", async () => {
  await using pki = await createTestPki();
  await using mute = await startTcpServer((socket) => void socket.resume());
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
  match(error.message, /localhost \(127\.0\.0\.9:.*, then: .*localhost \(127\.0\.0\.1:/);
});

Deno.test("exchange() takes a server that speaks v1 only when told to", async () => {
  await using pki = await createTestPki();
  await using server = await startServer(pki, JSON.stringify({ ...GRANT, features: ["gzip"] }));
  const error = await failure("server speaks v1", optionsFor(server.port, pki.alice));
  match(error.message, /v1 only, .*bring it up to date, or give -accept-v1$/);
  equal(error.retryable, false);
  const options = optionsFor(server.port, pki.alice, { acceptsV1: true });
  equal((await exchange(options)).sessionId, GRANT.session_id);
});
