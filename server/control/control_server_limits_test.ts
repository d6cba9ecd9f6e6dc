import { doesNotMatch, equal, match, ok } from "node:assert/strict";
import tls from "node:tls";
import { ask, opensslClient, startBench, type TestBench, until } from "./test_bench.ts";

Deno.test("there are no sessions to resume: each connection shows its certificate", async () => {
  await using bench = await startBench();
  const request = '{"client_name":""}\n';
  const session = `${bench.authority.directory}/session`;
  const first = await opensslClient(bench, bench.alice, request, "-sess_out", session);
  match(first, /"session_id":7/);
  doesNotMatch(first, /New Session Ticket|TLS session ticket:/);
  equal(await Deno.stat(session).then((file) => file.size, () => 0), 0);
});

Deno.test("garbage instead of TLS is closed, counted, and logged once", async () => {
  await using bench = await startBench();
  const garbage = [
    "GET / HTTP/1.1\r\n\r\n",
    "\x00".repeat(100),
    "\x16\x03\x01\xff\xff" + "a".repeat(70_000),
    "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    "\x15\x03\x03\x00\x02\x02\x28",
  ];
  for (const [index, bytes] of garbage.entries()) {
    using socket = await connectTo(bench);
    await socket.write(Uint8Array.from(bytes, (char) => char.charCodeAt(0))).catch(() => {});
    await readToEnd(socket);
    await until("it is counted", () => bench.server.stats.handshakesFailed === index + 1);
  }
  const lines = bench.events.filter(({ event }) => event === "handshakes failed");
  equal(lines.length, 1);
  equal((await ask(bench, bench.alice)).session_id, 7);
});

Deno.test("who looks whether the port is open, and says nothing, makes no alarm", async () => {
  await using bench = await startBench();
  for (let index = 0; index < 3; index++) {
    (await connectTo(bench))[Symbol.dispose]();
    await until("it is counted", () => bench.server.stats.handshakesFailed === index + 1);
  }
  equal(bench.events.some(({ event }) => event === "handshakes failed"), false);
  equal(bench.events.filter(({ event }) => event === "left silently").length, 1);
});

Deno.test("TLS below 1.3 is refused", async () => {
  await using bench = await startBench();
  const older = [["-tls1_1", "-cipher", "ALL@SECLEVEL=0"], ["-tls1_2"]];
  for (const [index, args] of older.entries()) {
    const output = await opensslClient(bench, bench.alice, "{}", ...args);
    ok(!output.includes("session_id"));
    await until("it is counted", () => bench.server.stats.handshakesFailed === index + 1);
  }
});

Deno.test("a peer that connects and says nothing is closed when the time is over", async () => {
  await using bench = await startBench({ exchangeTimeoutMs: 200 });
  using socket = await connectTo(bench);
  await readToEnd(socket);
  await until("it is counted", () => bench.server.stats.timedOut === 1);
  equal(bench.server.connections, 0);
});

Deno.test("a peer that drips bytes is closed when the time is over, before and after the handshake", async () => {
  await using bench = await startBench({ exchangeTimeoutMs: 400 });
  {
    using socket = await connectTo(bench);
    // A TLS record with a client hello of 8 KiB, which never gets that far.
    const start = Uint8Array.of(0x16, 0x03, 0x01, 0x20, 0x00, 0x01, 0x00, 0x1f, 0xfc);
    await socket.write(start);
    await dripUntilClosed(socket, 0x03);
  }
  await until("the first is counted", () => bench.server.stats.timedOut === 1);
  const client = await Deno.connectTls({
    hostname: "127.0.0.1",
    port: bench.server.port,
    caCerts: [bench.authority.certPem],
    cert: bench.alice.certPem,
    key: bench.alice.keyPem,
  });
  await dripUntilClosed(client, 0x20);
  client.close();
  await until("the second is counted", () => bench.server.stats.timedOut === 2);
  equal(bench.granted.length, 0);
});

Deno.test("a grant that never comes ends with the time", async () => {
  const never = Promise.withResolvers<never>();
  await using bench = await startBench({ exchangeTimeoutMs: 400, grant: () => never.promise });
  equal(await ask(bench, bench.alice), null);
  await until("it is counted", () => bench.server.stats.timedOut === 1);
});

Deno.test("half-open connections stay bounded, and clients still get through", async () => {
  await using bench = await startBench({ handshakesMax: 8 });
  await using stack = new AsyncDisposableStack();
  // 2 of 8 for each source: every one of these makes room for the next of its source.
  for (let i = 0; i < 20; i++) stack.use(await connectTo(bench));
  await until("the oldest are gone", () => bench.server.stats.evicted === 18);
  equal(bench.server.connections, 2);
  equal((await ask(bench, bench.alice)).session_id, 7);
});

Deno.test("half-open connections of many sources stay bounded, and clients still get through", async () => {
  await using bench = await startBench({ handshakesMax: 8 });
  await using stack = new AsyncDisposableStack();
  for (let i = 0; i < 20; i++) stack.use(await connectFrom(bench, `127.0.${i + 1}.1`));
  await until("the oldest are gone", () => bench.server.stats.evicted === 12);
  equal(bench.server.connections, 8);
  equal((await ask(bench, bench.alice)).session_id, 7);
});

Deno.test("sources that were let in have places of their own, and none has all of them", async () => {
  await using bench = await startBench({ handshakesMax: 32 });
  await using stack = new AsyncDisposableStack();
  const [known, other] = ["127.0.7.1", "127.0.8.1"] as const;
  for (const localAddress of [known, other]) {
    equal((await ask(bench, bench.alice, { localAddress })).session_id, 7);
  }
  const first = stack.use(await connectFrom(bench, known));
  // 32 places for strangers; 4 for those that are known, of which a source has one.
  for (let i = 0; i < 40; i++) stack.use(await connectFrom(bench, `127.0.${100 + i}.1`));
  for (let i = 0; i < 10; i++) stack.use(await connectFrom(bench, other));
  await until("all have been seen", () => bench.server.stats.accepted === 53);
  await until("all is quiet", () => bench.server.connections === 34);
  equal(bench.server.stats.evicted, 8 + 9);
  equal(first.isOpen, true);
});

Deno.test("one client has few exchanges at a time, and leaves the others theirs", async () => {
  const never = Promise.withResolvers<never>();
  await using bench = await startBench({ grant: () => never.promise });
  const clients: Promise<unknown>[] = [];
  for (let i = 0; i < 10; i++) clients.push(ask(bench, bench.alice));
  await until("the oldest are gone", () => bench.server.stats.evicted === 6);
  const bob = ask(bench, await bench.authority.issue("bob"));
  await until("bob is in", () => bench.server.connections === 5);
  equal(bench.server.stats.evicted, 6);
  await bench.server.close();
  await Promise.all([...clients, bob]);
});

Deno.test("connections that are reset at any moment leave nothing behind", async () => {
  await using bench = await startBench();
  for (let i = 0; i < 20; i++) {
    const socket = tls.connect({
      host: "127.0.0.1",
      port: bench.server.port,
      ca: bench.authority.certPem,
      cert: bench.alice.certPem,
      key: bench.alice.keyPem,
    });
    socket.on("error", () => {});
    const closed = new Promise((resolve) => socket.once("close", resolve));
    if (i % 2 === 0) socket.once("secureConnect", () => socket.destroy());
    else socket.once("connect", () => socket.destroy());
    await closed;
    (await connectTo(bench)).close();
  }
  await until("all are gone", () => bench.server.connections === 0);
  // They went when they were reset, not when their time was over.
  equal(bench.server.stats.timedOut, 0);
  equal((await ask(bench, bench.alice)).session_id, 7);
});

function connectTo(bench: TestBench): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname: "127.0.0.1", port: bench.server.port });
}

/** Connects from another address of the loopback network. */
async function connectFrom(
  bench: TestBench,
  localAddress: string,
): Promise<AsyncDisposable & { readonly isOpen: boolean }> {
  const { connect } = await import("node:net");
  const socket = connect({ host: "127.0.0.1", port: bench.server.port, localAddress });
  socket.on("error", () => {});
  let isOpen = true;
  const closed = new Promise((resolve) => socket.once("close", resolve)).then(() => isOpen = false);
  await new Promise((resolve) => socket.once("connect", resolve));
  return {
    get isOpen() {
      return isOpen;
    },
    async [Symbol.asyncDispose]() {
      socket.destroy();
      await closed;
    },
  };
}

async function readToEnd(socket: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(4096);
  while (await socket.read(buffer).catch(() => null) !== null);
}

async function dripUntilClosed(socket: Deno.Conn, byte: number): Promise<void> {
  const ended = readToEnd(socket);
  let open = true;
  ended.then(() => open = false);
  while (open) {
    await socket.write(Uint8Array.of(byte)).catch(() => open = false);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await ended;
}
