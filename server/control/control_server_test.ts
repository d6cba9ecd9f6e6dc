import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { requireNewClientName } from "../../lib/pki/client_name.ts";
import { startControlServer } from "./control_server.ts";
import {
  type Answer,
  ask,
  opensslClient,
  startBench,
  TEST_KEY,
  type TestBench,
  testGrant,
  until,
} from "./test_bench.ts";
import { Namespace } from "../../tests/netns/namespace.ts";
import { TestAuthority, type TestCertificate } from "../../tests/support/test_certificates.ts";

Deno.test("a client with a certificate gets what grant() returns, over IPv4 and IPv6", async () => {
  await using bench = await startBench();
  const request = '{"client_name":"alice","features":["x1"],"client_version":"1.0"}';
  const answer = await ask(bench, bench.alice, { pieces: [request] });
  equal(answer.session_key, TEST_KEY.toBase64());
  equal(answer.client_ip, "10.8.0.2");
  ok((await ask(bench, bench.alice, { host: "::1" })).session_id);
  const [first, second] = bench.granted;
  equal(first?.commonName, "alice");
  equal(first.remoteAddress, "127.0.0.1");
  deepEqual(first.features, ["x1"]);
  equal(first.clientVersion, "1.0");
  match(first.serialHex, /^[0-9a-f]{2,40}$/);
  equal(first.notAfterMs, Date.parse(new X509Certificate(bench.alice.certPem).validTo));
  equal(second?.remoteAddress, "::1");
  equal(bench.server.stats.granted, 2);
});

Deno.test({
  name: "netns: both families are served also where the machine keeps them apart",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using namespace = await Namespace.create("control");
    const program = new URL("./test_families.ts", import.meta.url).pathname;
    const served = () =>
      namespace.run(Deno.execPath(), "run", "-A", "--no-check", "--no-lock", program);
    equal((await served()).stdout, "127.0.0.1\n::1\n");
    await namespace.sysctl("net.ipv6.bindv6only", 1);
    equal((await served()).stdout, "127.0.0.1\n::1\n");
    await namespace.sysctl("net.ipv6.conf.all.disable_ipv6", 1);
    equal((await served()).stdout, "127.0.0.1\n");
  },
});

Deno.test("the answer comes without a half-close, after split writes, whatever TLS it can", async () => {
  await using bench = await startBench();
  const request = '{"client_name":"","note":"}{\\"\\u007d"}';
  for (const pieces of [[request], [...request]]) {
    for (const halfClose of ["never", "after the request"] as const) {
      for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
        const options = { pieces, halfClose, minVersion: version };
        equal((await ask(bench, bench.alice, options)).session_id, 7, `${version} ${halfClose}`);
      }
    }
  }
});

Deno.test("openssl s_client gets an answer", async () => {
  await using bench = await startBench();
  const output = await opensslClient(bench, bench.alice, '{"client_name":"alice"}\n', "-quiet");
  match(output, /"session_id":7/);
});

Deno.test("a half-close with close_notify alone, as Go's CloseWrite() does it, gets its answer", async () => {
  await using bench = await startBench();
  using relay = startRelay(bench.server.port, "bytes at once, FIN never");
  equal((await askThrough(relay.port, bench)).session_id, 7);
});

Deno.test("a request that comes in one piece with the end of the handshake and the FIN gets its answer", async () => {
  await using bench = await startBench();
  for (let i = 0; i < 20; i++) {
    using relay = startRelay(bench.server.port, "all together with the FIN");
    equal((await askThrough(relay.port, bench)).session_id, 7);
  }
});

Deno.test("client_name must be empty or the name in the certificate", async () => {
  await using bench = await startBench();
  const answer = await ask(bench, bench.alice, { pieces: ['{"client_name":"bob"}'] });
  equal(answer.error.code, "name_mismatch");
  match(answer.error.message, /leave it empty or send 'alice'/);
  equal(bench.granted.length, 0);
  equal(bench.events[0]?.event, "refused");
});

Deno.test("requests that are no request are told what is wrong", async () => {
  await using bench = await startBench();
  const cases: [string, string][] = [
    ["garbage", "malformed"],
    ["[]", "malformed"],
    ['{"client_name":', "malformed"],
    ['{"client_name":7}', "malformed"],
    ['{"features":"x1"}', "malformed"],
    ["{]}", "malformed"],
    ["", "malformed"],
    [`{"client_name":"","pad":"${"x".repeat(20_000)}"}`, "too_large"],
    [" ".repeat(20_000), "too_large"],
    // Far more than the limit: it is thrown away, and the answer still arrives.
    [`{"pad":"${"x".repeat(2_000_000)}"}`, "too_large"],
  ];
  for (const [request, code] of cases) {
    const answer = await ask(bench, bench.alice, { pieces: [request] });
    equal(answer?.error?.code, code, request.slice(0, 20));
    ok(answer.error.message.length > 20);
  }
  equal(bench.granted.length, 0);
  equal(bench.server.stats.refused, cases.length);
});

Deno.test("a client that leaves without asking is told apart from one that asks badly", async () => {
  await using bench = await startBench();
  const messages: string[] = [];
  for (const request of ["", '{"client_name":']) {
    messages.push((await ask(bench, bench.alice, { pieces: [request] })).error.message);
  }
  match(messages[0]!, /left without asking for a session; it may not trust the certificate/);
  match(messages[1]!, /it ended before the JSON object did/);
});

/** A client's certificate that the authority has not signed itself, with the chain up to it. */
async function throughIntermediate(authority: TestAuthority): Promise<TestCertificate> {
  const issuer = await authority.issue("intermediate", {
    extensions: ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"],
  });
  const client = await authority.issue("mallory", { issuer });
  return { ...client, certPem: client.certPem + issuer.certPem };
}

Deno.test("certificates that TLS refuses get no answer, and grant() never sees them", async () => {
  await using bench = await startBench();
  await using other = await TestAuthority.create();
  const refused = {
    "none": null,
    "another authority": await other.issue("alice"),
    "expired": await bench.authority.issue("expired", { days: -1 }),
    "for servers": await bench.authority.issueServer("wrong_usage"),
    "through an intermediate authority": await throughIntermediate(bench.authority),
  };
  let failed = 0;
  for (const [what, certificate] of Object.entries(refused)) {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      equal(await ask(bench, certificate, { maxVersion }), null, `${what}, ${maxVersion}`);
      failed++;
      await until("the failure is counted", () => bench.server.stats.handshakesFailed === failed);
    }
  }
  equal(bench.granted.length, 0);
  equal(bench.events.filter(({ event }) => event === "handshakes failed").length, 1);
});

Deno.test("a certificate that is not valid yet is refused", async () => {
  await using bench = await startBench();
  const tomorrow = new Date(Date.now() + 86_400_000);
  const early = await bench.authority.issue("early", { notBefore: tomorrow });
  equal(await ask(bench, early), null);
  equal(bench.granted.length, 0);
});

Deno.test("certificates that name no client are told why", async () => {
  await using bench = await startBench();
  const subjects: [string, string, RegExp][] = [
    ["two_names", "/CN=alice/CN=bob", /more than one/],
    ["no_name", "/O=nobody", /no common name/],
    ["path", "/CN=..\\/alice", /letters, digits/],
    ["line", "/CN=alice\nroot", /letters, digits/],
  ];
  for (const [name, subject, problem] of subjects) {
    const certificate = await bench.authority.issue(name, { subject });
    const answer = await ask(bench, certificate);
    equal(answer.error.code, "bad_certificate", name);
    match(answer.error.message, problem);
  }
  const anyUse = await bench.authority.issue("any_use", {
    extensions: ["basicConstraints=CA:FALSE"],
  });
  match((await ask(bench, anyUse)).error.message, /clientAuth/);
  equal(bench.granted.length, 0);
});

Deno.test("every name that a new certificate may have is served", async () => {
  await using bench = await startBench();
  const names = ["_router", "_", "a-", "a.", "7", "x".repeat(64)];
  for (const [index, name] of names.entries()) {
    requireNewClientName(name);
    const certificate = await bench.authority.issue(`name${index}`, { subject: `/CN=${name}` });
    equal((await ask(bench, certificate)).session_id, 7, name);
  }
  deepEqual(bench.granted.map(({ commonName }) => commonName), names);
});

Deno.test("a revoked certificate is refused from the next connection on", async () => {
  const revoked = new Set<string>();
  await using bench = await startBench({ isRevoked: (serialHex) => revoked.has(serialHex) });
  ok((await ask(bench, bench.alice)).session_id);
  revoked.add(bench.granted[0]!.serialHex);
  const answer = await ask(bench, bench.alice);
  equal(answer.error.code, "revoked");
  match(answer.error.message, /'alice' has been revoked; ask the operator/);
  equal(bench.granted.length, 1);
});

Deno.test("a request does not outlive a revocation that comes while it is read", async () => {
  let asked = 0;
  await using bench = await startBench({ isRevoked: () => ++asked > 1 });
  equal((await ask(bench, bench.alice)).error.code, "revoked");
  equal(bench.granted.length, 0);
});

Deno.test("a server tells how it is, and takes nobody while it drains", async () => {
  let isDraining = false;
  await using bench = await startBench({ status: () => ({ load: 0.25, isDraining }) });
  const how = { pieces: ['{"client_name":"alice","ask":"status"}'] };
  deepEqual(await ask(bench, bench.alice, how), { status: { load: 0.25, draining: false } });
  deepEqual(bench.granted, []);
  equal((await ask(bench, bench.alice)).load, 0.25);
  isDraining = true;
  equal((await ask(bench, bench.alice, how)).status.draining, true);
  equal((await ask(bench, bench.alice)).error.code, "draining");
  equal(bench.granted.length, 1);
  const stranger = { pieces: ['{"client_name":"mallory","ask":"status"}'] };
  equal((await ask(bench, bench.alice, stranger)).error.code, "name_mismatch");
});

Deno.test("a refusal of grant() reaches the client; a fault of it does so without its words", async () => {
  let fault: Error | null = null;
  await using bench = await startBench({
    grant() {
      if (fault !== null) throw fault;
      return { kind: "refusal", code: "pool_full", message: "no address is free" };
    },
  });
  deepEqual((await ask(bench, bench.alice)).error, {
    code: "pool_full",
    message: "no address is free",
  });
  fault = new Error("disk on fire");
  const answer = await ask(bench, bench.alice);
  equal(answer.error.code, "unavailable");
  ok(!answer.error.message.includes("fire"));
  ok(bench.events.some((event) => event.event === "failed" && event.reason === "disk on fire"));
});

Deno.test("the log never holds a session key or a private key", async () => {
  await using bench = await startBench();
  await ask(bench, bench.alice);
  await ask(bench, bench.alice, { pieces: ["garbage"] });
  const log = JSON.stringify(bench.events);
  ok(log.includes("granted") && log.includes("malformed"));
  ok(!log.includes(TEST_KEY.toBase64()) && !log.includes("PRIVATE KEY"));
});

Deno.test("replaceCredentials() serves the next connection and still asks for certificates", async () => {
  await using bench = await startBench();
  await using other = await TestAuthority.create();
  const bob = await other.issue("bob");
  equal(await ask({ authority: other, server: bench.server }, bob), null);
  const { certPem, keyPem } = await other.issueServer("server");
  bench.server.replaceCredentials({ caPem: other.certPem, certPem, keyPem });
  const next = { authority: other, server: bench.server };
  equal((await ask(next, bob)).session_id, 7);
  equal(await ask(next, bench.alice), null);
  equal(await ask(next, null), null);
  equal(bench.granted.map(({ commonName }) => commonName).join(), "bob");
});

Deno.test("replaceCredentials() accepts several authorities, and keeps the old ones on a mistake", async () => {
  await using bench = await startBench();
  await using other = await TestAuthority.create();
  const { certPem, keyPem } = bench.serverCertificate;
  const good = { caPem: bench.authority.certPem + other.certPem, certPem, keyPem };
  const bad = {
    "not a certificate in PEM": { ...good, certPem: "garbage" },
    "holds no PEM certificate": { ...good, caPem: "" },
    "not a private key in PEM": { ...good, keyPem: "garbage" },
    "belongs to another certificate": { ...good, keyPem: bench.alice.keyPem },
    "has not signed it": { ...good, caPem: other.certPem },
  };
  for (const [problem, credentials] of Object.entries(bad)) {
    throws(() => bench.server.replaceCredentials(credentials), new RegExp(problem));
  }
  equal((await ask(bench, bench.alice)).session_id, 7);
  bench.server.replaceCredentials(good);
  equal((await ask(bench, await other.issue("bob"))).session_id, 7);
});

Deno.test("a port in use is told with what to do", async () => {
  await using bench = await startBench();
  const { caPem, certPem, keyPem } = {
    caPem: bench.authority.certPem,
    ...bench.serverCertificate,
  };
  const options = { caPem, certPem, keyPem, port: bench.server.port, handshakesMax: 8 };
  const callbacks = { isRevoked: () => false, grant: testGrant, log: () => {} };
  await rejects(
    startControlServer({ ...options, ...callbacks, exchangeTimeoutMs: 1000 }),
    /Cannot listen on TCP port \d+ of every address: another program uses it; stop that/,
  );
});

Deno.test("close() ends connections in every stage", async () => {
  const hanging = Promise.withResolvers<never>();
  const bench = await startBench({ grant: () => hanging.promise });
  const silent = await Deno.connect({ hostname: "127.0.0.1", port: bench.server.port });
  const waiting = ask(bench, bench.alice);
  await until("both are connected", () => bench.server.connections === 2);
  await bench[Symbol.asyncDispose]();
  equal(await waiting, null);
  equal(await silent.read(new Uint8Array(1)).catch(() => null), null);
  silent.close();
  equal(bench.server.connections, 0);
});

async function askThrough(port: number, bench: TestBench): Promise<Answer> {
  const client = await Deno.connectTls({
    hostname: "127.0.0.1",
    port,
    caCerts: [bench.authority.certPem],
    cert: bench.alice.certPem,
    key: bench.alice.keyPem,
  });
  await client.write(new TextEncoder().encode("{}"));
  await client.closeWrite();
  return await new Response(client.readable).json();
}

/** Passes one connection on; what the client sends after its first flight is passed on as told. */
function startRelay(
  serverPort: number,
  upwards: "bytes at once, FIN never" | "all together with the FIN",
): Disposable & { port: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const run = async () => {
    using client = await listener.accept();
    using server = await Deno.connect({ hostname: "127.0.0.1", port: serverPort });
    const down = pass(server, client);
    const buffer = new Uint8Array(65_536);
    await server.write(buffer.subarray(0, await client.read(buffer) ?? 0));
    if (upwards === "bytes at once, FIN never") {
      await pass(client, server);
    } else {
      const held: number[] = [];
      for (let n = await client.read(buffer); n !== null; n = await client.read(buffer)) {
        held.push(...buffer.subarray(0, n));
      }
      await server.write(Uint8Array.from(held));
      await server.closeWrite();
    }
    await down;
    await client.closeWrite();
  };
  run().catch(() => {});
  return { port: listener.addr.port, [Symbol.dispose]: () => listener.close() };
}

async function pass(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
    await to.write(buffer.subarray(0, n));
  }
}
