/**
 * Measures Fluxify and what to compare it with, on one machine: both programs and iperf3 in network
 * namespaces with plain veth links (scripts/bench/testbed.ts draws them).
 *
 *     sudo deno task bench                  a table, in about eight minutes
 *     sudo deno task bench -- --quick       in under 50 seconds
 *     sudo deno task bench -- --json        one JSON object (BenchReport) on standard output
 *
 * Progress goes to standard error. Exit code 0 when Fluxify, or what `--only` named instead, was measured,
 * whether it reached the targets or not; else 1. OpenVPN and wireguard-go may be missing.
 */

import { parseArgs } from "node:util";
import { type FigureName, FIGURES } from "./bench/figures.ts";
import { Measurement } from "./bench/measure.ts";
import { FULL, makePlan, QUICK } from "./bench/plan.ts";
import { formatReport, makeReport } from "./bench/report.ts";
import { startSubjects } from "./bench/start.ts";
import { type SubjectName, SUBJECTS } from "./bench/subject.ts";
import { tcpCongestionControl } from "./bench/testbed.ts";
import { type LabOptions, runLabCommand } from "./setup/lab_command.ts";

const FIGURE_NAMES = FIGURES.map(({ name }) => name);

/** Above it something else takes a noticeable share of the cores. */
const QUIET_LOAD_MAX = 0.5;

const USAGE = `Usage: sudo deno task bench [-- [--quick] [--json] [--only LIST] [--figures LIST]]

  --quick         short runs, under 50 seconds in all; leaves out what does not fit
  --json          print only one JSON object on standard output:
                  {"figures": [{"name", "unit", "fluxify", "raw", "openvpn", "wireguardGo"}]}
                  with numbers, or null for what was not measured
  --only LIST     subjects to measure: ${SUBJECTS.join(",")}
  --figures LIST  figures to measure: ${FIGURE_NAMES.slice(0, 5).join(",")},
                  ${FIGURE_NAMES.slice(5).join(",")}
  --no-install    install nothing: print the command for what is missing
  --help          this text

OpenVPN and wireguard-go are measured where they are installed. The environment
variable WIREGUARD_GO names another wireguard-go than that of the system.`;

interface Options extends LabOptions {
  quick: boolean;
  json: boolean;
  subjects: readonly SubjectName[];
  figures: readonly FigureName[];
}

/** Throws an Error for people when the arguments cannot be understood. */
export function parseOptions(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      only: { type: "string" },
      figures: { type: "string" },
      "no-install": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  return {
    install: values["no-install"] ? "print only" : "install",
    quick: values.quick,
    json: values.json,
    subjects: choose("--only", values.only, SUBJECTS),
    figures: choose("--figures", values.figures, FIGURE_NAMES),
  };
}

function choose<T extends string>(option: string, text: string | undefined, all: readonly T[]) {
  if (text === undefined) return all;
  const chosen = text.split(",").map((word) => word.trim());
  const wrong = chosen.find((word) => !all.some((name) => name === word));
  if (wrong !== undefined) {
    throw new Error(`${option} does not know '${wrong}', only ${all.join(", ")}`);
  }
  return all.filter((name) => chosen.includes(name));
}

function progress(text: string): void {
  const seconds = (performance.now() / 1000).toFixed(0).padStart(3);
  console.error(`${seconds} s · ${text}`);
}

/** A sentence on what else the machine was doing; null when it was quiet. */
function describeLoad(): string | null {
  const [load = 0] = Deno.loadavg();
  if (load < QUIET_LOAD_MAX) return null;
  return `The machine was busy at the start (load ${load.toFixed(1)}): expect lower figures`;
}

/** Returns whether what had to be measured was: Fluxify, or without it all that was asked for. */
async function runBench({ quick, json, subjects: names, figures }: Options): Promise<boolean> {
  const effort = quick ? QUICK : FULL;
  const load = describeLoad();
  progress("starting the tunnels");
  await using cleanup = new AsyncDisposableStack();
  const subjects = await startSubjects(names, cleanup, {
    wireguardGo: Deno.env.get("WIREGUARD_GO") || "wireguard-go",
    progress,
  });
  const descriptions = [
    ...subjects.map(({ name, description }) => `${name}: ${description}`),
    `TCP congestion control of this host: ${tcpCongestionControl()}`,
    ...(load === null ? [] : [load]),
  ];
  descriptions.forEach(progress);

  const measurement = new Measurement(effort, subjects, progress);
  const measured = await measurement.run(
    makePlan(effort, subjects.map(({ name }) => name), figures),
  );
  const linkUse = measurement.linkUse.describe();
  if (linkUse !== null) {
    progress(linkUse);
    descriptions.push(linkUse);
  }
  const report = makeReport(measurement.samples, figures);
  console.log(json ? JSON.stringify(report) : formatReport(report, descriptions));
  const required = names.includes("fluxify") ? ["fluxify" as const] : names;
  return required.every((name) => measured.includes(name));
}

if (import.meta.main) {
  await runLabCommand({
    task: "bench",
    usage: USAGE,
    tools: ["ip", "iperf3", "iptables", "openssl", "ping"],
    parse: parseOptions,
    run: runBench,
  });
}
