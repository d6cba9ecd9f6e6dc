/**
 * One end of a tunnel for the tests, with a session that both ends know beforehand. Run inside a
 * namespace: `test_peer.ts client|server native|portable x1|v1 [device=server ...]`. Prints a line
 * of JSON for each event, and a line for each path that is refused; on SIGTERM the drops and the report, then it ends.
 */
import { messageOf } from "../../ffi/error_text.ts";
import { Libc } from "../../ffi/libc/libc.ts";
import type { Engine, EngineOptions } from "../engine.ts";
import { FEATURE_ECN } from "../driver/features.ts";
import { NativeEngine } from "../native/native_engine.ts";
import { isNativeWorker, runNativeWorker } from "../native/worker.ts";
import { PortableEngine } from "./portable_engine.ts";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";

const TUN_NAME = "fx0";
const PORT = 8000;
const SESSION = 0x89abcdef;
const ADDRESSES = {
  server: ["10.8.0.1/24", "fd00:8::1/64"],
  client: ["10.8.0.2/24", "fd00:8::2/64"],
} as const;

async function ip(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args }).output();
  if (!success) throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

async function run(role: "client" | "server", engineName: string, wire: string, paths: string[]) {
  const options: EngineOptions = {
    libc: Libc.open(),
    tunName: TUN_NAME,
    role: role === "server" ? { kind: "server", port: PORT } : { kind: "client" },
    onEvent: (event) => console.log(JSON.stringify(event)),
    workerModule: new URL(import.meta.url),
  };
  const engine: Engine = engineName === "native"
    ? new NativeEngine(options)
    : new PortableEngine(options);
  for (const address of ADDRESSES[role]) await ip("address", "add", address, "dev", TUN_NAME);
  await ip("link", "set", TUN_NAME, "mtu", "1400", "up");
  engine.openSession({
    role,
    id: SESSION,
    key: new Uint8Array(32).fill(7),
    x1: wire === "x1",
    ipv4: "10.8.0.2",
    ipv6: "fd00:8::2",
    reorderBufferSize: 128,
    reorderFlushTimeoutMs: 50,
    // The tests say themselves what fits.
    tuning: { ...DEFAULT_TUNING, probeMtu: false },
    mtu: 1400,
    name: "test",
    // As two programs would agree on it.
    carriesEcn: wire === "x1" && engine.features.includes(FEATURE_ECN),
  });
  for (const [id, path] of paths.entries()) {
    const [device, server] = path.split("=") as [string, string];
    try {
      engine.addPath(SESSION, { id, name: device, device, server, port: PORT });
    } catch (error) {
      console.log(`path ${id}: ${messageOf(error)}`);
    }
  }
  const ended = Promise.withResolvers<void>();
  Deno.addSignalListener("SIGTERM", ended.resolve);
  console.log("ready");
  await ended.promise;
  const [report] = await engine.report();
  console.log(JSON.stringify({ drops: Object.fromEntries(engine.drops.entries()), report }));
  await engine.stop();
  Deno.removeSignalListener("SIGTERM", ended.resolve);
  console.log("stopped");
}

if (isNativeWorker()) runNativeWorker();
else if (import.meta.main) {
  const [role, engine, wire, ...paths] = Deno.args;
  await run(role as "client" | "server", engine!, wire!, paths);
}
