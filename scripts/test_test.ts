import { deepEqual, equal, match } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { runTests } from "./test.ts";

const NEVER = new AbortController().signal;
const WAIT_MS = 20;
const WAITS_MAX = 1500;

/** A folder with the given modules, gone when it leaves its scope. */
async function project(modules: Record<string, string>) {
  const root = await Deno.makeTempDir();
  await Deno.writeTextFile(join(root, "deno.json"), "{}");
  for (const [name, text] of Object.entries(modules)) {
    await Deno.writeTextFile(join(root, name), text);
  }
  return { root, [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
}

Deno.test("runTests() counts what passed, failed and was skipped", async () => {
  await using tests = await project({
    "a_test.ts": `Deno.test("a", () => {});
      Deno.test({ name: "netns: b", ignore: true, fn() {} });
      Deno.test("c", () => { throw new Error("on purpose"); });`,
    "b_test.ts": `throw new Error("on purpose");`,
    "c_test.ts": `Deno.test("typed wrongly", () => { const a: string = 1; console.log(a); });`,
  });
  deepEqual(await run(["."], tests.root), { passed: 2, failed: 2, skipped: 1 });
});

Deno.test("runTests() calls a good run good, and shows its output", async () => {
  await using tests = await project({ "a_test.ts": `Deno.test("a", () => {});` });
  const output: Uint8Array[] = [];
  deepEqual(await run(["a_test.ts"], tests.root, NEVER, output), {
    passed: 1,
    failed: 0,
    skipped: 0,
  });
  match(await new Blob(output as BlobPart[]).text(), /^a \.\.\. .*ok/m);
});

Deno.test("runTests() fails where no test is found", async () => {
  await using tests = await project({});
  deepEqual(await run(["."], tests.root), { passed: 0, failed: 1, skipped: 0 });
});

Deno.test("runTests() stops a run without end, and what it started", async () => {
  await using tests = await project({
    "a_test.ts": `Deno.test("a", () => {});
      Deno.test("b", async () => {
        const child = new Deno.Command("sleep", { args: ["600"] }).spawn();
        Deno.writeTextFileSync("pid.new", String(child.pid));
        Deno.renameSync("pid.new", "pid");
        await child.status;
      });`,
  });
  const stop = new AbortController();
  const running = run(["a_test.ts"], tests.root, stop.signal);
  const pidFile = join(tests.root, "pid");
  for (let waits = 0; waits < WAITS_MAX && !existsSync(pidFile); waits++) await delay(WAIT_MS);
  stop.abort("on purpose");
  deepEqual(await running, { passed: 1, failed: 1, skipped: 0 });
  const pid = Number(await Deno.readTextFile(pidFile));
  for (let waits = 0; waits < WAITS_MAX && isRunning(pid); waits++) await delay(WAIT_MS);
  equal(isRunning(pid), false);
});

/** runTests() with its output kept from the terminal: it is full of failures made on purpose. */
function run(forDeno: string[], root: string, stop = NEVER, output: Uint8Array[] = []) {
  return runTests(forDeno, root, stop, {
    write: (bytes) => output.push(bytes),
    stderr: "null",
  });
}

/** A killed process stays in the table as a zombie until its new parent reads its status. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
