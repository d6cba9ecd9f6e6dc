import { deepEqual, doesNotMatch, equal, match } from "node:assert/strict";
import { ConnectProxy, type ProxyManner } from "../../testing/connect_proxy.ts";
import { parseProxyUrl } from "../transport/proxy_setting.ts";
import { exchange } from "./exchange.ts";
import {
  createTestPki,
  failure,
  GRANT,
  optionsFor,
  startTcpServer,
  startTlsServer,
  type TestPki,
} from "./test_server.ts";

const SECRET = "geheim";
const BASIC = "Basic YW5uYTpnZWhlaW0=";

const throughProxy = (port: number, user = "") => ({
  addresses: [{ address: "127.0.0.1", family: 4 }] as const,
  proxy: parseProxyUrl(`http://${user}127.0.0.1:${port}`, "-proxy"),
  server: "localhost",
});

/** Answers what is complete, as the product's server does. */
function startServer(pki: TestPki) {
  const options = { certificate: pki.server, clientAuthority: pki.authority };
  return startTlsServer(options, (socket) => {
    socket.on("data", () => socket.write(JSON.stringify(GRANT)));
  });
}

Deno.test("a session is had through a proxy, which is told the server's name", async () => {
  await using pki = await createTestPki();
  await using server = await startServer(pki);
  await using proxy = await ConnectProxy.start({ authorization: BASIC });
  const through = throughProxy(proxy.port, `anna:${SECRET}@`);
  equal((await exchange(optionsFor(server.port, pki.alice, through))).sessionId, 7);
  deepEqual(proxy.asked, [`localhost:${server.port}`]);
});

Deno.test("nothing is half-closed through a proxy, which may end both directions then", async () => {
  await using pki = await createTestPki();
  const options = { certificate: pki.server, clientAuthority: pki.authority };
  let hasEnded = false;
  await using server = await startTlsServer(options, (socket) => {
    socket.on("end", () => hasEnded = true);
    // As late as a server that waits for the end of the request would answer.
    socket.on("data", () => setTimeout(() => socket.write(JSON.stringify(GRANT)), 100));
  });
  await using proxy = await ConnectProxy.start();
  equal(
    (await exchange(optionsFor(server.port, pki.alice, throughProxy(proxy.port)))).sessionId,
    7,
  );
  equal(hasEnded, false);
});

Deno.test("without addresses it is the proxy's name that is looked up", async () => {
  await using pki = await createTestPki();
  await using server = await startServer(pki);
  await using proxy = await ConnectProxy.start();
  const { addresses: _, ...through } = throughProxy(proxy.port);
  equal((await exchange(optionsFor(server.port, pki.alice, through))).sessionId, 7);
});

Deno.test("a proxy that refuses, or is none, is told of with what to do about it", async () => {
  await using pki = await createTestPki();
  await using server = await startServer(pki);
  const cases: readonly [ProxyManner, string, RegExp][] = [
    [
      { status: "407 Proxy Authentication Required" },
      "",
      /wants a user and a password: .* file:PATH/,
    ],
    [{ status: "401 No" }, `anna:${SECRET}@`, /does not take the user and the password/],
    [{ status: "407 No" }, `anna:${SECRET}@`, /does not take the user and the password/],
    [
      { status: "403 Forbidden" },
      "",
      /\(403 Forbidden\): it lets nobody connect to the server.*-ctrl 443/,
    ],
    [{ status: "503 Service Unavailable" }, "", /cannot reach the server: check -server/],
    [{ status: "429 Slow down" }, "", /\(429 Slow down\): check -proxy/],
    ["nonsense", "", /does not answer as an HTTP proxy does; check/],
    ["hang up", "", /does not answer as an HTTP proxy does; check/],
  ];
  for (const [manner, user, words] of cases) {
    await using proxy = await ConnectProxy.start({ manner });
    const options = optionsFor(server.port, pki.alice, throughProxy(proxy.port, user));
    const error = await failure("proxy failed", options);
    match(error.message, words);
    match(error.message, /127\.0\.0\.1:\d+/);
    doesNotMatch(error.message, new RegExp(`${SECRET}|YW5u`));
    equal(error.retryable, true);
  }
});

Deno.test("a proxy that is slow to answer costs the time that is given, and no more", async () => {
  await using pki = await createTestPki();
  await using proxy = await ConnectProxy.start({ manner: "silent" });
  const options = optionsFor(1, pki.alice, { ...throughProxy(proxy.port), timeoutMs: 300 });
  match((await failure("timed out", options)).message, /No answer from the proxy within 0\.3 s/);
});

Deno.test("where no proxy listens, that is told, and not that the server is away", async () => {
  await using pki = await createTestPki();
  const closed = await startTcpServer(() => {});
  const { port } = closed;
  await closed[Symbol.asyncDispose]();
  const options = optionsFor(1, pki.alice, throughProxy(port));
  match(
    (await failure("proxy failed", options)).message,
    /Cannot reach the proxy at .* nothing listens/,
  );
});

Deno.test("a proxy that plays the server is not trusted", async () => {
  await using pki = await createTestPki();
  await using other = await createTestPki();
  await using impostor = await startServer(other);
  await using proxy = await ConnectProxy.start();
  const options = optionsFor(impostor.port, pki.alice, throughProxy(proxy.port));
  await failure("server certificate of another authority", options);
});
