/**
 * What thousands of clients cost a server: simulated ones (scripts/load/fleet.ts), with the product's own
 * sessions, against the program as it is, in network namespaces (scripts/load/site.ts draws them).
 *
 *     sudo deno task load                        everything, in about six minutes
 *     sudo deno task load -- --only idle,busy    some of it
 *     sudo deno task load -- --scheduler aggregate    with clients that ask for another scheduler
 *     sudo deno task load -- --json              one JSON object on standard output
 *     sudo deno task load -- --write             the table and the picture of docs/scaling.md, too
 *
 * Exit code 0 when every bound holds.
 */
import { parseArgs } from "node:util";
import { integerIn } from "../lib/cli/integer.ts";
import { type SchedulerName, SCHEDULERS } from "../lib/protocol/wire/scheduler_name.ts";
import { describe, type LoadReport, shortfalls } from "./load/report.ts";
import { runLoad, type TopicName, TOPICS } from "./load/topics.ts";
import { writeScaling } from "./load/scaling_document.ts";
import { type LabOptions, runLabCommand } from "./setup/lab_command.ts";

const USAGE =
  `Usage: sudo deno task load [-- [--only LIST] [--threads N] [--scheduler NAME] [--json] [--write]]

  --only LIST       some of: ${TOPICS.join(",")}
  --threads N       engine threads of the server, each with a processor of its own (default 1)
  --scheduler NAME  of the clients, ${SCHEDULERS.join(", ")} (default flow)
  --json            print only one JSON object on standard output
  --write           put the figures into docs/scaling.md and its picture
  --no-install      install nothing: print the command for what is missing
  --help            this text`;

const THREADS_MAX = 8;

interface LoadOptions extends LabOptions {
  readonly topics: readonly TopicName[];
  readonly threads: number;
  readonly scheduler: SchedulerName;
  readonly json: boolean;
  readonly write: boolean;
}

/** Throws an Error for people when the arguments cannot be understood. */
export function parseOptions(args: readonly string[]): LoadOptions | "help" {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      only: { type: "string" },
      threads: { type: "string", default: "1" },
      scheduler: { type: "string", default: "flow" },
      json: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      "no-install": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const topics = values.only?.split(",") ?? TOPICS;
  const unknown = topics.find((topic) => !TOPICS.some((known) => known === topic));
  if (unknown !== undefined) {
    throw new Error(`--only knows ${TOPICS.join(", ")}, and not '${unknown}'`);
  }
  const scheduler = SCHEDULERS.find((known) => known === values.scheduler);
  if (scheduler === undefined) {
    throw new Error(`--scheduler knows ${SCHEDULERS.join(", ")}, and not '${values.scheduler}'`);
  }
  return {
    topics: TOPICS.filter((topic) => topics.includes(topic)),
    threads: integerIn("--threads", 1, THREADS_MAX)(values.threads),
    scheduler,
    json: values.json,
    write: values.write,
    install: values["no-install"] ? "print only" : "install",
  };
}

async function run({ topics, threads, scheduler, json, write }: LoadOptions): Promise<boolean> {
  const progress = (line: string) => console.error(`· ${line}`);
  const report: LoadReport = await runLoad(topics, threads, scheduler, progress);
  if (json) console.log(JSON.stringify(report));
  else for (const line of describe(report)) console.log(line);
  if (write) await writeScaling(report);
  const missed = shortfalls(report);
  for (const line of missed) console.error(`load: ${line}`);
  return missed.length === 0;
}

if (import.meta.main) {
  await runLabCommand({
    task: "load",
    usage: USAGE,
    tools: ["ip", "iptables"],
    parse: parseOptions,
    run,
  });
}
