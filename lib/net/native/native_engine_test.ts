import { deepEqual } from "node:assert/strict";
import { Namespace, needsRoot } from "../../../tests/netns/namespace.ts";

const CONFIG = new URL("../../../deno.json", import.meta.url).pathname;

/** A worker that is gone without a word, and the program that started it. */
const SILENT_END = `
import { isMainThread } from "node:worker_threads";
import { Libc } from "${new URL("../../ffi/libc/libc.ts", import.meta.url)}";
import { NativeEngine } from "${new URL("native_engine.ts", import.meta.url)}";

if (isMainThread) {
  const told = Promise.withResolvers();
  const engine = new NativeEngine({
    libc: Libc.open(),
    tunName: "flux0",
    role: { kind: "client" },
    onEvent: (event) => told.resolve(event),
    workerModule: new URL(import.meta.url),
  });
  const event = await told.promise;
  const report = await engine.report();
  await engine.stop();
  console.log(JSON.stringify({ event, report }));
}
`;

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

/** Runs a program in a namespace of its own. Returns what it printed. */
async function run(program: string): Promise<unknown> {
  await using namespace = await Namespace.create("engine");
  await namespace.run("ip", "link", "set", "lo", "up");
  const file = await Deno.makeTempFile({ suffix: ".mts" });
  try {
    await Deno.writeTextFile(file, program);
    const { stdout } = await namespace.run(
      ...[Deno.execPath(), "run", "-A", "--no-check", "--quiet", "--config", CONFIG, file],
    );
    return JSON.parse(stdout);
  } finally {
    await Deno.remove(file);
  }
}

Deno.test({
  name: "netns: an engine whose thread ends without a word is a fault, told once",
  ...needsRoot(),
  fn: async () => {
    const message = "Cannot go on: the engine's thread has ended";
    deepEqual(await run(SILENT_END), { event: { kind: "fault", message }, report: [] });
  },
});

Deno.test({
  name: "netns: reports asked of an engine that breaks come back empty, and none after it",
  ...needsRoot(),
  fn: async () => {
    deepEqual(await run(PROGRAM), {
      told: [{ kind: "fault", message: "broken" }],
      reports: [[], []],
      left: 0,
    });
  },
});
