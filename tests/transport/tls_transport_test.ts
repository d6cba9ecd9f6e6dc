/** The client's and the server's end of the data plane inside TLS, each with an engine's sockets. */
import { deepEqual, equal } from "node:assert/strict";
import { TlsTransport } from "../../client/transport/tls_transport.ts";
import { parseProxyUrl } from "../../client/transport/proxy_setting.ts";
import { Libc } from "../../lib/ffi/libc/libc.ts";
import type { EnginePath } from "../../lib/net/engine.ts";
import { Relay } from "../../lib/net/relay/relay.ts";
import { startBench, type TestBench, until } from "../../server/control/test_bench.ts";
import { DataStreams } from "../../server/transport/data_streams.ts";
import { ConnectProxy } from "../../testing/connect_proxy.ts";

const WORKER = new URL("../../lib/net/relay/test_worker.ts", import.meta.url);
const LOOPBACK = { transport: "udp", hostname: "127.0.0.1" } as const;

interface Bench extends TestBench {
  readonly streams: DataStreams;
  readonly relay: Relay;
}

/** A server whose engine sends each record back. */
async function startServer(): Promise<Bench> {
  await using stack = new AsyncDisposableStack();
  const engine = Deno.listenDatagram({ ...LOOPBACK, port: 0 });
  const echoing = (async () => {
    for await (const [record, from] of engine) await engine.send(record, from).catch(() => {});
  })();
  stack.defer(async () => {
    engine.close();
    await echoing;
  });
  const relay = stack.use(new Relay(Libc.open(), WORKER));
  const streams = new DataStreams({
    ...{ relay, enginePort: (engine.addr as Deno.NetAddr).port },
    ...{ say: () => {}, warn: () => {}, nowMs: () => performance.now() },
  });
  const bench = stack.use(await startBench({ dataStreams: streams }));
  const kept = stack.move();
  return { ...bench, streams, relay, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** In the place of an engine: one socket for its one path. */
class OnePath implements Disposable {
  readonly received: Uint8Array[] = [];
  #socket: Deno.DatagramConn | null = null;
  #port = 0;

  addPath(_session: number, { port }: EnginePath): number {
    this.#port = port;
    const socket = this.#socket = Deno.listenDatagram({ ...LOOPBACK, port: 0 });
    (async () => {
      for await (const [record] of socket) this.received.push(record);
    })();
    return (socket.addr as Deno.NetAddr).port;
  }

  removePath(): void {
    this.#socket?.close();
    this.#socket = null;
  }

  send(length: number, fill: number): void {
    this.#socket?.send(new Uint8Array(length).fill(fill), { ...LOOPBACK, port: this.#port })
      .catch(() => {});
  }

  [Symbol.dispose](): void {
    this.removePath();
  }
}

interface ClientOptions {
  readonly server?: string;
  readonly proxy?: ConnectProxy;
  readonly authority?: TestBench["authority"];
}

function startClient(bench: Bench, options: ClientOptions = {}) {
  const { server = "localhost", proxy, authority = bench.authority } = options;
  const engine = new OnePath();
  const transport = new TlsTransport({
    libc: Libc.open(),
    workerModule: WORKER,
    credentials: {
      caPem: authority.certPem,
      certPem: bench.alice.certPem,
      keyPem: bench.alice.keyPem,
    },
    port: bench.server.port,
    proxy: proxy === undefined ? null : parseProxyUrl(`http://a:b@127.0.0.1:${proxy.port}`, ""),
    purpose: "only way",
  });
  const route = { link: "lo", device: "lo", source: null, address: "127.0.0.1", server };
  const path = transport.open(engine, { session: 1, id: 0, forbidsFragments: true }, route);
  return {
    engine,
    path,
    async [Symbol.asyncDispose]() {
      await transport[Symbol.asyncDispose]();
      engine[Symbol.dispose]();
    },
  };
}

/** Sends until one comes back, as heartbeats do. */
async function answered(engine: OnePath, fill: number): Promise<void> {
  await until(`${fill} came back`, () => {
    if (engine.received.some((record) => record[0] === fill)) return true;
    engine.send(60, fill);
    return false;
  });
}

Deno.test("records of a client's engine come to the server's, and back", async () => {
  await using bench = await startServer();
  await using client = startClient(bench);
  await answered(client.engine, 1);
  client.engine.received.length = 0;
  for (let turn = 2; turn < 12; turn++) client.engine.send(1400, turn);
  await until("all came back", () => client.engine.received.at(-1)?.[0] === 11);
  deepEqual(client.engine.received.filter(({ length }) => length === 1400).map(([fill]) => fill), [
    ...[2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  ]);
  client.path.close();
  await until("the server has none", () => bench.streams.count === 0);
});

Deno.test("a connection that is cut is made again", async () => {
  await using bench = await startServer();
  await using client = startClient(bench);
  await answered(client.engine, 1);
  bench.streams.endWhere(() => true);
  await until("it is gone", () => bench.streams.count === 0);
  await answered(client.engine, 2);
});

Deno.test("a proxy that is cut off and comes back carries again", async () => {
  await using bench = await startServer();
  await using proxy = await ConnectProxy.start({ authorization: "Basic YTpi" });
  await using client = startClient(bench, { proxy });
  await answered(client.engine, 1);
  proxy.cut();
  await answered(client.engine, 2);
  equal(proxy.asked[0], `localhost:${bench.server.port}`);
});

Deno.test("nothing is sent to a server of another name, or of another authority", async () => {
  await using bench = await startServer();
  await using other = await startServer();
  await using wrongName = startClient(bench, { server: "vpn.example" });
  await using wrongAuthority = startClient(bench, { authority: other.authority });
  await using right = startClient(bench);
  await answered(right.engine, 1);
  for (const { engine } of [wrongName, wrongAuthority]) {
    engine.send(60, 3);
    equal(engine.received.length, 0);
  }
  const reports = await bench.relay.report();
  // Of the three only one has brought anything.
  equal(reports.filter(({ receivedBytes }) => receivedBytes > 0).length, 1);
});
