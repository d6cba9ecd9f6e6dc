/**
 * `deno task e2e`: runs the end-to-end scenarios of tests/e2e/ and tests/v1_peer/, and prints a table:
 * what was tried, whether it went as it should, how long it took, and what was measured. Files run side
 * by side, but for those that measure how fast something is.
 *
 *     sudo deno task e2e                       a table, file by file as they end
 *     sudo deno task e2e -- --json             one JSON object (E2eReport) on standard output
 *     sudo deno task e2e -- --filter faults    the topics whose name has that in it
 *     sudo deno task e2e -- --built            against the files of bin/, which are built first
 *
 * Exit code 0 when all scenarios went well. Everything runs in network namespaces of its own.
 */
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { RESULTS_VARIABLE, type ScenarioResult } from "../tests/e2e/scenario.ts";
import { formatEnd, formatScenario, makeReport } from "./e2e/report.ts";
import { ResultsFile } from "./e2e/results_file.ts";
import { BUILT_VARIABLE } from "./lab/programs.ts";
import { TemporaryDirectory } from "./lab/temporary_directory.ts";
import { ensureTools } from "./setup/ensure_tools.ts";
import { type Tool, withSystemFolders } from "./setup/packages.ts";
import { groupTests } from "./test/groups.ts";

const ROOT = resolve(import.meta.dirname!, "..");
/** With the original's quirks, which the v1 peer plays. */
const SCENARIOS = ["tests/e2e", "tests/v1_peer"];
const BUILT = join(ROOT, "bin");
const LIMIT_MS = 20 * 60_000;
/** Processes at a time. */
const TOGETHER_MAX = 3;
const TOOLS: readonly Tool[] = [
  ...["ip", "ip6tables", "iperf3", "iptables", "mount", "nft", "openssl", "ping"] as const,
  ...["setpriv", "sysctl", "unshare"] as const,
];
const USAGE = `Usage: sudo deno task e2e [-- [--json] [--built] [--filter TEXT]]

  --json         print only one JSON object on standard output:
                 {"passed", "failed", "seconds", "scenarios": [{"topic", "scenario", "passed",
                  "figures": [{"what", "value", "unit"}], "seconds", "failure"}]}
  --built        build both programs, and try the files rather than the source
  --filter TEXT  only the topics whose name has TEXT in it: traffic, families, links, late,
                 addresses, faults, link cut, untrusted, schedulers, mtu, compression, renewal,
                 policy routing, DNS, kill switch, port forward, two clients, leases,
                 advertisements, up, commands, SIGHUP, page, mss, host state, certificates, refusals, hostile,
                 spoofed, behind the tunnel, without libssl, idle, uploads, transport
  --help         this text`;

interface Options {
  json: boolean;
  /** The folder of built programs to try, or null: the source. */
  built: string | null;
  filter: string;
}

function parseOptions(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      json: { type: "boolean", default: false },
      built: { type: "boolean", default: false },
      filter: { type: "string", default: "" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  return { json: values.json, built: values.built ? BUILT : null, filter: values.filter };
}

/** What one file of scenarios came to. */
interface FileOutcome {
  results: ScenarioResult[];
  success: boolean;
}

/** Runs a file; the report of `deno test` is shown only when it tells more than the results do. */
async function runFile(
  path: string,
  { filter, built }: Options,
  results: ResultsFile,
  stop: AbortSignal,
): Promise<FileOutcome> {
  if (stop.aborted) return { results: [], success: false };
  const child = new Deno.Command(Deno.execPath(), {
    // Types are the business of `deno task check`.
    args: ["test", "-A", "--no-check", ...filter === "" ? [] : ["--filter", filter], path],
    cwd: ROOT,
    env: {
      PATH: withSystemFolders(Deno.env.get("PATH") ?? ""),
      DENO_NO_UPDATE_CHECK: "1",
      NO_COLOR: "1",
      [RESULTS_VARIABLE]: results.path,
      // Unpacked once for all, and gone with the results.
      ...built === null
        ? {}
        : { [BUILT_VARIABLE]: built, FLUXIFY_CACHE: join(dirname(results.path), "cache") },
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const end = () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It ended at the same moment.
    }
  };
  stop.addEventListener("abort", end, { once: true });
  const { success, stdout, stderr } = await child.output();
  stop.removeEventListener("abort", end);
  if (!success) {
    await Deno.stderr.write(stdout);
    await Deno.stderr.write(stderr);
  }
  return { results: await results.takeNew(), success };
}

/** Runs all files, and passes on the results of each in one piece. Says whether all went well. */
async function runScenarios(
  options: Options,
  directory: string,
  onResults: (results: readonly ScenarioResult[]) => void,
): Promise<boolean> {
  const stop = new AbortController();
  const abort = () => stop.abort();
  const limit = setTimeout(abort, LIMIT_MS);
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, abort);
  let success = true;
  const again: string[] = [];
  const run = async (path: string, attempt: "beside others" | "alone") => {
    const file = new ResultsFile(join(directory, `${basename(path)}-${attempt}.jsonl`));
    const outcome = await runFile(path, options, file, stop.signal);
    if (!outcome.success && attempt === "beside others") {
      console.error(`failed beside others, once more alone: ${path}`);
      return void again.push(path);
    }
    success &&= outcome.success;
    onResults(outcome.results);
  };
  const { together, alone } = groupTests(ROOT, SCENARIOS);
  const waiting = together.flat();
  const takeTurns = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await run(next, "beside others");
    }
  };
  await Promise.all(Array.from({ length: TOGETHER_MAX }, takeTurns));
  // What measures has the machine to itself, and yet the host may be busy.
  for (const path of alone.flat()) await run(path, "beside others");
  for (const path of again) await run(path, "alone");
  clearTimeout(limit);
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, abort);
  return success;
}

/** @throws Error */
async function build(): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "scripts/compile.ts")],
    stdout: "null",
  }).output();
  if (!success) throw new Error("the programs cannot be built");
}

async function main(): Promise<number> {
  const options = parseOptions(Deno.args);
  if (options === "help") {
    console.log(USAGE);
    return 0;
  }
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) {
    console.error("The scenarios need Linux and root; run them with sudo: sudo deno task e2e");
    return 1;
  }
  await ensureTools(TOOLS, "install");
  if (options.built !== null) await build();
  // Without a browser the scenarios of the page say that they are skipped.
  await ensureTools(["chromium", "curl"], "install").catch((error) => console.error(String(error)));
  using directory = await TemporaryDirectory.create("e2e");
  const results: ScenarioResult[] = [];
  const startMs = performance.now();
  const success = await runScenarios(options, directory.path, (more) => {
    for (const result of more) {
      if (!options.json) console.log(formatScenario(result, results.at(-1) ?? null));
      results.push(result);
    }
  });
  const report = makeReport(results, (performance.now() - startMs) / 1000);
  console.log(options.json ? JSON.stringify(report) : formatEnd(report));
  if (results.length === 0) console.error(`No scenario ran; is "${options.filter}" a topic?`);
  return success && results.length > 0 && report.failed === 0 ? 0 : 1;
}

if (import.meta.main) {
  try {
    Deno.exitCode = await main();
  } catch (error) {
    console.error(`The scenarios could not run: ${(error as Error).message}`);
    Deno.exitCode = 1;
  }
}
