/** The data plane inside TLS from the control port to an engine's port, in whose place an echo is. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { once } from "node:events";
import tls from "node:tls";
import { Libc } from "../../lib/ffi/libc/libc.ts";
import { Relay } from "../../lib/net/relay/relay.ts";
import { DATA_STREAM_PROTOCOL } from "../../lib/protocol/wire/stream_frame.ts";
import type { TestCertificate } from "../../tests/support/test_certificates.ts";
import { ask, startBench, type TestBench, until } from "../control/test_bench.ts";
import { DataStreams } from "./data_streams.ts";

const WORKER = new URL("../../lib/net/relay/test_worker.ts", import.meta.url);

interface StreamBench extends TestBench {
  readonly streams: DataStreams;
  readonly relay: Relay;
  readonly lines: string[];
  /** What came to the engine's port, in order. */
  readonly received: Uint8Array[];
  readonly revoked: Set<string>;
}

/** What comes to the port of the engine goes back, unless `echoes` says otherwise. */
async function startStreams(
  echo: (record: Uint8Array) => readonly Uint8Array[] = (record) => [record],
): Promise<StreamBench> {
  await using stack = new AsyncDisposableStack();
  const engine = stack.adopt(
    Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 }),
    (socket) => socket.close(),
  );
  const received: Uint8Array[] = [];
  const answering = (async () => {
    for await (const [record, from] of engine) {
      received.push(record);
      for (const answer of echo(record)) await engine.send(answer, from).catch(() => {});
    }
  })();
  const libc = Libc.open();
  const relay = stack.use(new Relay(libc, WORKER));
  const lines: string[] = [];
  const revoked = new Set<string>();
  const streams = new DataStreams({
    relay,
    enginePort: (engine.addr as Deno.NetAddr).port,
    say: (line) => lines.push(line),
    warn: (line) => lines.push(`warning: ${line}`),
    nowMs: () => performance.now(),
  });
  const bench = stack.use(
    await startBench({ dataStreams: streams, isRevoked: (serial) => revoked.has(serial) }),
  );
  const kept = stack.move();
  return {
    ...bench,
    ...{ streams, relay, lines, received, revoked },
    async [Symbol.asyncDispose]() {
      await kept.disposeAsync();
      await answering;
    },
  };
}

interface Peer extends Disposable {
  readonly socket: tls.TLSSocket;
  /** Bytes that came. */
  readonly text: () => Uint8Array;
  readonly isClosed: () => boolean;
}

async function connect(
  bench: StreamBench,
  certificate: TestCertificate = bench.alice,
  host = "127.0.0.1",
): Promise<Peer> {
  const chunks: Uint8Array[] = [];
  let closed = false;
  const socket = tls.connect({
    ...{ host, port: bench.server.port, ca: bench.authority.certPem },
    ...{ cert: certificate.certPem, key: certificate.keyPem },
    ALPNProtocols: [DATA_STREAM_PROTOCOL],
    checkServerIdentity: () => undefined,
  });
  socket.on("error", () => {});
  socket.on("close", () => closed = true);
  socket.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  await once(socket, "secureConnect");
  equal(socket.alpnProtocol, DATA_STREAM_PROTOCOL);
  return {
    socket,
    text: () => Uint8Array.from(chunks.flatMap((chunk) => [...chunk])),
    isClosed: () => closed,
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

function frame(length: number, fill: number): Uint8Array {
  const bytes = new Uint8Array(2 + length).fill(fill);
  new DataView(bytes.buffer).setUint16(0, length);
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

for (const host of ["127.0.0.1", "::1"]) {
  Deno.test(`records go to the engine and back, however the stream is cut (${host})`, async () => {
    await using bench = await startStreams();
    using peer = await connect(bench, bench.alice, host);
    const stream = joined(frame(50, 1), frame(1400, 2), frame(1400, 3), frame(90, 4));
    for (let at = 0; at < stream.length; at += 501) {
      peer.socket.write(stream.subarray(at, at + 501));
    }
    await until("all came back", () => peer.text().length === stream.length);
    deepEqual(peer.text(), stream);
    deepEqual(bench.received.map((one) => [one.length, one[0]]), [
      ...[[50, 1], [1400, 2], [1400, 3], [90, 4]],
    ]);
    const [report] = await bench.relay.report();
    equal(report!.stage, "open");
    equal(report!.sentBytes, stream.length);
    equal(report!.receivedBytes, stream.length);
    equal(report!.dropped, 0);
    match(bench.lines[0]!, /^alice: data inside TLS from \[?[\d.:]+\]?:\d+$/);
  });
}

Deno.test("the engine's address of a stream leads back to its peer", async () => {
  await using bench = await startStreams();
  using peer = await connect(bench);
  const { localPort } = peer.socket;
  await until("it was taken", () => bench.streams.count === 1);
  const [line] = bench.lines;
  match(line!, new RegExp(`:${localPort}$`));
  equal(bench.streams.peerOf("127.0.0.1:9"), null);
  equal(bench.streams.peerOf(`203.0.113.1:${localPort}`), null);
});

Deno.test("a client that asks for no data stream gets its session as ever", async () => {
  await using bench = await startStreams();
  equal((await ask(bench, bench.alice)).session_id, 7);
  equal(bench.streams.count, 0);
});

Deno.test("what is no record ends its stream, and the others go on", async () => {
  await using bench = await startStreams();
  using broken = await connect(bench);
  using good = await connect(bench);
  broken.socket.write(joined(frame(60, 1), Uint8Array.of(0, 7)));
  await until("it was closed", broken.isClosed);
  good.socket.write(frame(70, 2));
  await until("the other was answered", () => good.text().length === 72);
  ok(
    bench.lines.some((line) => /^warning: alice: .* the client sent what is no record/.test(line)),
  );
  equal(bench.streams.count, 1);
});

Deno.test("a certificate that is revoked opens nothing, and ends what it has opened", async () => {
  await using bench = await startStreams();
  using peer = await connect(bench);
  await until("it was taken", () => bench.streams.count === 1);
  bench.streams.endWhere(({ commonName }) => commonName === "bob");
  equal(bench.streams.count, 1);
  let serial = "";
  bench.streams.endWhere((identity) => {
    serial = identity.serialHex;
    return true;
  });
  await until("it was closed", peer.isClosed);
  equal(bench.streams.count, 0);
  bench.revoked.add(serial);
  using again = await connect(bench);
  await until("it was refused", again.isClosed);
  equal(bench.received.length, 0);
  ok(bench.events.some((event) => event.event === "refused" && event.code === "revoked"));
});

Deno.test("one client has so many streams at most: the oldest makes room", async () => {
  await using bench = await startStreams();
  await using stack = new AsyncDisposableStack();
  const first = stack.use(await connect(bench));
  await until("it was taken", () => bench.streams.count === 1);
  const others: Peer[] = [];
  while (others.length < 32) others.push(stack.use(await connect(bench)));
  await until("the first was closed", first.isClosed);
  await until("there are as many as may be", () => bench.streams.count === 32);
  ok(others.every((peer) => !peer.isClosed()));
});

Deno.test("who reads nothing costs bounded memory, and keeps nobody from anything", async () => {
  // Each small record brings back much.
  const burst = Array.from({ length: 20 }, () => new Uint8Array(1400).fill(9));
  await using bench = await startStreams((record) => record[0] === 1 ? burst : [record]);
  using lazy = await connect(bench);
  lazy.socket.pause();
  await until("records were dropped", () => {
    for (let turn = 0; turn < 20; turn++) lazy.socket.write(frame(50, 1));
    return bench.received.length > 4000;
  });
  using good = await connect(bench);
  good.socket.write(frame(70, 2));
  await until("the other was answered", () => good.text().length === 72);
  const reports = await bench.relay.report();
  ok(reports.every(({ queuedBytes }) => queuedBytes <= 2 * 1024 * 1024));
  ok(reports.some(({ dropped }) => dropped > 0), "nothing was dropped");
  const dropped = await bench.streams.dropped();
  bench.streams.endWhere(() => true);
  await until("they have ended", () => bench.streams.count === 0);
  ok(await bench.streams.dropped() >= dropped, "what was dropped is forgotten");
});

Deno.test("a peer that goes away without a word leaves nothing behind", async () => {
  await using bench = await startStreams();
  const peer = await connect(bench);
  peer.socket.write(frame(60, 1));
  await until("it was answered", () => peer.text().length === 62);
  peer.socket.destroy();
  await until("the stream has ended", () => bench.streams.count === 0);
  deepEqual(await bench.relay.report(), []);
});

Deno.test("hostile certificates and bytes get no stream", async () => {
  await using bench = await startStreams();
  const stranger = await bench.authority.issue("server2", {
    extensions: ["extendedKeyUsage=serverAuth"],
  });
  const socket = tls.connect({
    ...{ host: "127.0.0.1", port: bench.server.port, ca: bench.authority.certPem },
    ...{ cert: stranger.certPem, key: stranger.keyPem },
    ALPNProtocols: [DATA_STREAM_PROTOCOL],
  });
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.on("close", () => resolve()));
  equal(bench.streams.count, 0);
});
