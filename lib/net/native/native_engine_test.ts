import { deepEqual } from "node:assert/strict";
import { Namespace, needsRoot } from "../../../tests/netns/namespace.ts";

const CONFIG = new URL("../../../deno.json", import.meta.url).pathname;

/** A worker that breaks when it is asked for something, and the program that started it. */
const PROGRAM = `
import { isMainThread, workerData } from "node:worker_threads";
import { Libc } from "${new URL("../../ffi/libc/libc.ts", import.meta.url)}";
import { NativeEngine } from "${new URL("native_engine.ts", import.meta.url)}";

if (isMainThread) {
  const told = [];
  const engine = new NativeEngine({
    libc: Libc.open(),
    tunName: "flux0",
    role: { kind: "client" },
    onEvent: ({ kind, message }) => told.push({ kind, message }),
    workerModule: new URL(import.meta.url),
  });
  const reports = [await engine.report(), await engine.report()];
  const path = { id: 1, name: "lo", device: "lo", server: "127.0.0.1", port: 1 };
  engine.addPath(1, path);
  await engine.stop();
  const descriptors = [...Deno.readDirSync("/proc/self/fd")].length;
  engine.addPath(1, path);
  const left = [...Deno.readDirSync("/proc/self/fd")].length - descriptors;
  console.log(JSON.stringify({ told, reports, left }));
} else {
  workerData.port.once("message", () => {
    workerData.port.postMessage({ kind: "fault", message: "broken" });
    workerData.port.postMessage({ kind: "stopped" });
    workerData.port.close();
  });
}
`;

Deno.test({
  name: "netns: reports asked of an engine that breaks come back empty, and none after it",
  ...needsRoot(),
  fn: async () => {
    await using namespace = await Namespace.create("engine");
    await namespace.run("ip", "link", "set", "lo", "up");
    const file = await Deno.makeTempFile({ suffix: ".mts" });
    try {
      await Deno.writeTextFile(file, PROGRAM);
      const { stdout } = await namespace.run(
        ...[Deno.execPath(), "run", "-A", "--no-check", "--quiet", "--config", CONFIG, file],
      );
      deepEqual(JSON.parse(stdout), {
        told: [{ kind: "fault", message: "broken" }],
        reports: [[], []],
        left: 0,
      });
    } finally {
      await Deno.remove(file);
    }
  },
});
