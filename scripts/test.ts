/**
 * `deno task test`: installs what the tests need, runs the whole suite, and ends with one line
 * `N passed, N failed`, whatever happens. Exits 1 when a test failed or none ran. As root the tests
 * in network namespaces run too. Tests run side by side, unless files or folders are named. Most
 * scenarios of tests/e2e are left to `deno task e2e`.
 *
 *     deno task test -- --filter "reorder" lib/protocol
 */
import { resolve } from "node:path";
import { ensureTools, MissingToolsError } from "./setup/ensure_tools.ts";
import { TEST_TOOLS, withSystemFolders } from "./setup/packages.ts";
import { parseTestArguments } from "./test/arguments.ts";
import { groupTests, type TestGroups, withoutScenarios } from "./test/groups.ts";
import { formatTally, isGood, type Tally, TallyReader } from "./test/tally.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const FOLDERS = ["lib", "server", "client", "testing", "tests", "scripts"];
/** The suite takes less than seven minutes on two cores; a busy machine gets three more. */
const LIMIT_MS = 10 * 60_000;
/** Processes at a time. */
const TOGETHER_MAX = 4;
/** How long output may still come from processes a test left behind. */
const DRAIN_MS = 2_000;
const NONE: Tally = { passed: 0, failed: 0, skipped: 0 };

/** Where the output of `deno test` goes. */
interface TestOutput {
  write(bytes: Uint8Array): void;
  stderr: "inherit" | "null";
}

const TERMINAL: TestOutput = { write: writeToStdout, stderr: "inherit" };

/**
 * Runs `deno test` with `forDeno` in the folder `root` until it ends or `stop` aborts. It leads a
 * process group of its own, so that a run that is stopped leaves nothing behind.
 */
export async function runTests(
  forDeno: readonly string[],
  root: string,
  stop: AbortSignal,
  output = TERMINAL,
): Promise<Tally> {
  const child = new Deno.Command(Deno.execPath(), {
    // Types are the business of `deno task check`: one type error must not hide every result.
    // This file is named like a test and is none.
    args: ["test", "-A", "--no-check", "--ignore=scripts/test.ts", ...forDeno],
    cwd: root,
    env: {
      PATH: withSystemFolders(Deno.env.get("PATH") ?? ""),
      DENO_NO_UPDATE_CHECK: "1",
      ...(Deno.stdout.isTerminal() ? {} : { NO_COLOR: "1" }),
    },
    stdin: "null",
    stdout: "piped",
    stderr: output.stderr,
    detached: true,
  }).spawn();

  const kill = () => killGroup(child.pid);
  if (stop.aborted) kill();
  else stop.addEventListener("abort", kill, { once: true });
  const reader = new TallyReader();
  const source = child.stdout.getReader();
  try {
    const copied = copyOutput(source, reader, output);
    const status = await child.status;
    await settledWithin(copied, DRAIN_MS);
    if (stop.aborted) return reader.finish("killed");
    return reader.finish(status.success ? "success" : "failure");
  } finally {
    stop.removeEventListener("abort", kill);
    await source.cancel().catch(() => {});
  }
}

async function copyOutput(
  source: ReadableStreamDefaultReader<Uint8Array>,
  reader: TallyReader,
  output: TestOutput,
): Promise<void> {
  for (let part = await source.read(); !part.done; part = await source.read()) {
    reader.push(part.value);
    output.write(part.value);
  }
}

function writeToStdout(bytes: Uint8Array) {
  for (let rest = bytes; rest.byteLength > 0;) {
    rest = rest.subarray(Deno.stdout.writeSync(rest));
  }
}

async function settledWithin(promise: Promise<void>, limitMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((done) => timer = setTimeout(done, limitMs));
  await Promise.race([promise.catch(() => {}), limit]);
  clearTimeout(timer);
}

function killGroup(leader: number) {
  try {
    Deno.kill(-leader, "SIGKILL");
  } catch {
    // It ended at the same moment.
  }
}

/**
 * Runs all groups, the first ones side by side, with the options `forDeno`. What a group prints is
 * shown when it is done, in one piece. A group that fails beside others runs once more with the
 * machine to itself, and that counts: both are shown, and which they were is said.
 */
async function runSuite(
  { together, alone }: TestGroups,
  forDeno: readonly string[],
  root: string,
  stop: AbortSignal,
  output = TERMINAL,
): Promise<Tally> {
  const total = { ...NONE };
  const say = (text: string) => output.write(new TextEncoder().encode(`\n${text}\n`));
  const runGroup = async (files: readonly string[]): Promise<Tally> => {
    const parts: Uint8Array[] = [];
    const write = (bytes: Uint8Array) => parts.push(bytes);
    const tally = await runTests([...forDeno, ...files], root, stop, { ...output, write });
    for (const part of parts) output.write(part);
    return tally;
  };
  const add = (tally: Tally) => {
    for (const key of ["passed", "failed", "skipped"] as const) total[key] += tally[key];
  };
  const waiting = [...together];
  const again: (readonly string[])[] = [];
  const takeTurns = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const tally = await runGroup(next);
      if (tally.failed === 0) add(tally);
      else again.push(next);
    }
  };
  await Promise.all(Array.from({ length: TOGETHER_MAX }, takeTurns));
  for (const files of alone) add(await runGroup(files));
  for (const files of again) {
    say(`failed beside others, once more alone: ${files.join(" ")}`);
    const tally = await runGroup(files);
    say(`alone: ${tally.passed} passed, ${tally.failed} failed`);
    add(tally);
  }
  return total;
}

async function main(argv: readonly string[], stop: AbortSignal): Promise<Tally> {
  const { install, forDeno, namesFiles } = parseTestArguments(argv);
  try {
    await ensureTools(TEST_TOOLS, install);
  } catch (error) {
    if (!(error instanceof MissingToolsError)) throw error;
    console.error(error.message);
    if (install === "print only") return NONE;
    // The tests that need none of them are worth their result.
  }
  await fetchPackages(stop);
  const tally = namesFiles
    ? await runTests(forDeno, ROOT, stop)
    : await runSuite(withoutScenarios(groupTests(ROOT, FOLDERS)), forDeno, ROOT, stop);
  if (stop.aborted) console.error(`deno test was stopped: ${stop.reason}`);
  if (tally.skipped > 0 && Deno.uid() !== 0) {
    console.error(
      `${tally.skipped} tests skipped: network namespaces and TUN devices need root (sudo)`,
    );
  }
  return tally;
}

/**
 * Gets all packages at once: tests that run side by side would each ask for them, and some start
 * programs that cannot reach the registry. What fails here, fails there and says so.
 */
async function fetchPackages(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  // The programs by themselves, too: what they load would be said on their standard error.
  for (const args of [["install"], ["cache", "client/main.ts", "server/main.ts"]]) {
    const command = new Deno.Command(Deno.execPath(), {
      args: [...args, "--quiet", "--frozen"],
      cwd: ROOT,
      env: { DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "null",
      signal,
    });
    await command.output();
  }
}

function stopOnSignalOrAfter(limitMs: number): AbortSignal {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(name, () => stop.abort(name));
  }
  const limit = setTimeout(() => stop.abort(`over ${limitMs / 1000} s`), limitMs);
  Deno.unrefTimer(limit);
  return stop.signal;
}

if (import.meta.main) {
  let tally: Tally = { ...NONE, failed: 1 };
  try {
    tally = await main(Deno.args, stopOnSignalOrAfter(LIMIT_MS));
  } catch (error) {
    console.error(error);
  }
  console.log(formatTally(tally));
  Deno.exit(isGood(tally) ? 0 : 1);
}
