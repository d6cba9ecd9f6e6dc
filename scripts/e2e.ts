/**
 * `deno task e2e`: runs the end-to-end scenarios of tests/e2e/ and prints a table: what was tried,
 * whether it went as it should, how long it took, and what was measured.
 *
 *     sudo deno task e2e                       a table, row by row as they end
 *     sudo deno task e2e -- --json             one JSON object (E2eReport) on standard output
 *     sudo deno task e2e -- --filter faults    the topics whose name has that in it
 *
 * Exit code 0 when all scenarios went well. Everything runs in network namespaces of its own.
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { RESULTS_VARIABLE, type ScenarioResult } from "../tests/e2e/scenario.ts";
import { formatEnd, formatScenario, makeReport } from "./e2e/report.ts";
import { ResultsFile } from "./e2e/results_file.ts";
import { TemporaryDirectory } from "./lab/temporary_directory.ts";
import { ensureTools } from "./setup/ensure_tools.ts";
import { type Tool, withSystemFolders } from "./setup/packages.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const FOLDER = "tests/e2e";
const LIMIT_MS = 5 * 60_000;
const TOOLS: readonly Tool[] = [
  ...["ip", "ip6tables", "iperf3", "iptables", "mount", "nft", "openssl", "ping"] as const,
  ...["setpriv", "sysctl", "unshare"] as const,
];
const USAGE = `Usage: sudo deno task e2e [-- [--json] [--filter TEXT]]

  --json         print only one JSON object on standard output:
                 {"passed", "failed", "seconds", "scenarios": [{"topic", "scenario", "passed",
                  "figures": [{"what", "value", "unit"}], "seconds", "failure"}]}
  --filter TEXT  only the topics whose name has TEXT in it: traffic, host state, faults,
                 refusals, hostile, certificates
  --help         this text`;

interface Options {
  json: boolean;
  filter: string;
}

function parseOptions(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      json: { type: "boolean", default: false },
      filter: { type: "string", default: "" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  return values.help ? "help" : { json: values.json, filter: values.filter };
}

/** Runs `deno test`; its own report is shown only when it tells more than the results do. */
async function runScenarios(
  { filter }: Options,
  file: ResultsFile,
  onResult: (result: ScenarioResult) => void,
): Promise<boolean> {
  const child = new Deno.Command(Deno.execPath(), {
    // Types are the business of `deno task check`.
    args: [
      ...[
        "test",
        "-A",
        "--no-check",
        "--permit-no-files",
        ...filter === "" ? [] : ["--filter", filter],
      ],
      FOLDER,
    ],
    cwd: ROOT,
    env: {
      PATH: withSystemFolders(Deno.env.get("PATH") ?? ""),
      DENO_NO_UPDATE_CHECK: "1",
      NO_COLOR: "1",
      [RESULTS_VARIABLE]: file.path,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stop = () => child.kill("SIGTERM");
  const limit = setTimeout(stop, LIMIT_MS);
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
  const output = child.output();
  await file.follow(output, onResult);
  clearTimeout(limit);
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, stop);
  const { success, stdout, stderr } = await output;
  if (!success) {
    await Deno.stderr.write(stdout);
    await Deno.stderr.write(stderr);
  }
  return success;
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
  using directory = await TemporaryDirectory.create("e2e");
  const results: ScenarioResult[] = [];
  const startMs = performance.now();
  const success = await runScenarios(
    options,
    new ResultsFile(join(directory.path, "results.jsonl")),
    (result) => {
      if (!options.json) console.log(formatScenario(result, results.at(-1) ?? null));
      results.push(result);
    },
  );
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
