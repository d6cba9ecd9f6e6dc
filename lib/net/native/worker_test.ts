/** The engine's thread as the main thread steers it, in a namespace of its own. */
import { deepEqual } from "node:assert/strict";
import { Namespace, needsRoot } from "../../../tests/netns/namespace.ts";

const CONFIG = new URL("../../../deno.json", import.meta.url).pathname;
const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

const PROGRAM = `
import { Libc } from ${module("../../ffi/libc/libc.ts")};
import { NativeEngine } from ${module("native_engine.ts")};
import { isNativeWorker, runNativeWorker } from ${module("worker.ts")};
import { DEFAULT_TUNING } from ${module("../../protocol/session/session_tuning.ts")};

if (isNativeWorker()) runNativeWorker();
else {
  const told = [];
  const engine = new NativeEngine({
    libc: Libc.open(),
    tunName: "flux0",
    role: { kind: "server", port: 8000 },
    onEvent: (event) => told.push(event),
    workerModule: new URL(import.meta.url),
  });
  const session = (id, keyBytes = 32) => ({
    role: "server", id, key: new Uint8Array(keyBytes), x1: true, name: "client " + id, mtu: 1400,
    ipv4: "10.8.0." + (id + 1), ipv6: "fd00:8::" + (id + 1),
    reorderBufferSize: 16, reorderFlushTimeoutMs: 50, tuning: DEFAULT_TUNING,
  });
  engine.openSession(session(1));
  engine.openSession(session(2, 31));
  engine.openSession(session(3));
  const ids = async () => (await engine.report()).map(({ id }) => id);
  const before = await ids();
  engine.closeSession(1);
  engine.closeSession(77);
  const after = await ids();
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  await socket.send(new Uint8Array(60), { transport: "udp", hostname: "127.0.0.1", port: 8000 });
  while (engine.drops.total === 0) await engine.report();
  socket.close();
  const drops = engine.drops.entries();
  await engine.stop();
  const left = await ids();
  const events = told.map(({ kind, session }) => ({ kind, session }));
  console.log(JSON.stringify({ before, after, drops, left, events }));
}
`;

Deno.test({
  name: "netns: the thread opens, closes and reports sessions, and one that fails ends no other",
  ...needsRoot(),
  fn: async () => {
    await using namespace = await Namespace.create("worker");
    await namespace.run("ip", "link", "set", "lo", "up");
    const file = await Deno.makeTempFile({ suffix: ".mts" });
    try {
      await Deno.writeTextFile(file, PROGRAM);
      const { stdout } = await namespace.run(
        ...[Deno.execPath(), "run", "-A", "--no-check", "--quiet", "--config", CONFIG, file],
      );
      deepEqual(JSON.parse(stdout), {
        before: [1, 3],
        after: [3],
        drops: [["unknown version", 1]],
        left: [],
        events: [{ kind: "session failed", session: 2 }],
      });
    } finally {
      await Deno.remove(file);
    }
  },
});
