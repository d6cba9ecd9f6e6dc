/**
 * One flow over all links with the TCP of Linux: the cases of docs/aggregation.md over emulated links
 * in network namespaces, each beside the single links and kernel MPTCP in the same lab.
 *
 *     sudo deno task gates                            all cases, about forty minutes
 *     sudo deno task gates -- --cases A,E --runs 1    some of them
 *     sudo deno task gates -- --gates ping,carrier    delay, cut links and cost (gates/scenarios.ts)
 *
 * Shares are of the sum of the single links, measured the same way in the same lab; those of the
 * tunnel of what is left of it for payload.
 */
import { parseArgs } from "node:util";
import { type CaseName, CASES } from "./gates/cases.ts";
import { allowSubflows } from "./gates/mptcp.ts";
import { formatHead, formatRow, type GateRow, median } from "./gates/report.ts";
import { SCENARIOS } from "./gates/scenarios.ts";
import { transfer, type TransferOptions } from "./gates/transfer.ts";
import { INTERNET_ADDRESS, Lab, SERVER_ADDRESS } from "./lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "./lab/programs.ts";
import { type LabOptions, runLabCommand } from "./setup/lab_command.ts";

const SECONDS = 10;
const RAMP_SECONDS = 4;

const USAGE = `Usage: sudo deno task gates [-- [OPTION]...]

  --gates LIST       instead of the cases: ${Object.keys(SCENARIOS).join(",")}
  --cases LIST       of ${Object.keys(CASES).join(",")}; all unless given
  --schedulers LIST  aggregate,flow unless given
  --controls LIST    congestion control of TCP: cubic,bbr unless given
  --flows LIST       1 unless given
  --directions LIST  down unless given; up
  --runs N           of each; the median counts; 3 unless given
  --no-mptcp         leave kernel MPTCP out
  --no-install       install nothing: print the command for what is missing
  --help             this text`;

interface Options extends LabOptions {
  readonly gates: readonly string[];
  readonly cases: readonly CaseName[];
  readonly schedulers: readonly string[];
  readonly kinds: readonly Kind[];
  readonly runs: number;
  readonly hasMptcp: boolean;
}

type Kind = Pick<TransferOptions, "control" | "flows" | "direction">;

function parseOptions(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      gates: { type: "string", default: "" },
      cases: { type: "string", default: Object.keys(CASES).join(",") },
      schedulers: { type: "string", default: "aggregate,flow" },
      controls: { type: "string", default: "cubic,bbr" },
      flows: { type: "string", default: "1" },
      directions: { type: "string", default: "down" },
      runs: { type: "string", default: "3" },
      "no-mptcp": { type: "boolean", default: false },
      "no-install": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const cases = values.cases.split(",");
  for (const name of cases) {
    if (!Object.hasOwn(CASES, name)) throw new Error(`there is no case "${name}"`);
  }
  const gates = values.gates === "" ? [] : values.gates.split(",");
  for (const name of gates) {
    if (!Object.hasOwn(SCENARIOS, name)) throw new Error(`there is no gate "${name}"`);
  }
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error("--runs takes a number from 1 on");
  const kinds = values.controls.split(",").flatMap((control) =>
    values.flows.split(",").flatMap((flows) =>
      values.directions.split(",").map((direction) => {
        if (direction !== "up" && direction !== "down") {
          throw new Error(`there is no direction "${direction}"`);
        }
        return { control, flows: Number(flows), direction } satisfies Kind;
      })
    )
  );
  return {
    gates,
    cases: cases as CaseName[],
    schedulers: values.schedulers.split(","),
    kinds,
    runs,
    hasMptcp: !values["no-mptcp"],
    install: values["no-install"] ? "print only" : "install",
  };
}

async function medianOf<T>(runs: number, run: () => Promise<T>, by: (each: T) => number) {
  const all: T[] = [];
  for (let each = 0; each < runs; each++) all.push(await run());
  const middle = median(all.map(by));
  return all.find((each) => by(each) === middle)!;
}

/** The rows of one case. */
async function measureCase(name: CaseName, options: Options): Promise<GateRow[]> {
  const { schedulers, kinds, runs, hasMptcp } = options;
  await using lab = await Lab.create({ links: CASES[name] });
  const { client, server, internet } = lab;
  const timing = { seconds: SECONDS, rampSeconds: RAMP_SECONDS };
  const measured = async (kind: Kind, more: Partial<TransferOptions>) => {
    const isDirect = more.link !== undefined || more.isMptcp === true;
    const [from, address] = isDirect ? [server, SERVER_ADDRESS] : [internet, INTERNET_ADDRESS];
    const run = () => transfer(client, from, address, { ...timing, ...kind, ...more });
    return await medianOf(runs, run, ({ mbit }) => mbit);
  };
  const rows: GateRow[] = [];
  const alone = new Map<Kind, number[]>();
  const mptcp = new Map<Kind, number>();
  for (const kind of kinds) {
    const each: number[] = [];
    for (const { name: link } of lab.links) each.push((await measured(kind, { link })).mbit);
    alone.set(kind, each);
  }
  if (hasMptcp) {
    await allowSubflows(lab);
    for (const kind of kinds) {
      mptcp.set(kind, (await measured(kind, { isMptcp: true })).mbit);
    }
  }
  const bundle = await newClientCertificate(lab, "gates");
  const found = new Map<Kind, GateRow["tunnel"][number][]>(kinds.map((kind) => [kind, []]));
  for (const scheduler of schedulers) {
    const args = ["-compression", "off", "-scheduler", scheduler];
    const programs = [
      await startServer(lab, { args: ["-compression", "off"] }),
      await startClient(lab, bundle, { args }),
    ];
    for (const kind of kinds) found.get(kind)!.push({ scheduler, ...await measured(kind, {}) });
    for (const program of programs.reverse()) await program.stop("SIGTERM");
  }
  for (const kind of kinds) {
    const { control, flows, direction } = kind;
    const each = alone.get(kind)!;
    rows.push({
      what: `${name}, ${flows} ${control} ${direction}`,
      sumMbit: each.reduce((sum, mbit) => sum + mbit, 0),
      bestMbit: Math.max(...each),
      tunnel: found.get(kind)!,
      mptcpMbit: mptcp.get(kind) ?? null,
    });
  }
  return rows;
}

/** One line for each run: what they have in common is for the reader to say. */
async function runGates({ gates, schedulers, runs }: Options): Promise<void> {
  for (const name of gates) {
    for (const scheduler of schedulers) {
      for (let each = 0; each < runs; each++) {
        console.log(`${name}, ${scheduler}: ${await SCENARIOS[name]!(scheduler)}`);
      }
    }
  }
}

async function run(options: Options): Promise<boolean> {
  if (options.gates.length > 0) {
    await runGates(options);
    return true;
  }
  console.log(formatHead(options.schedulers));
  for (const name of options.cases) {
    for (const row of await measureCase(name, options)) console.log(formatRow(row));
  }
  return true;
}

if (import.meta.main) {
  await runLabCommand({
    task: "gates",
    usage: USAGE,
    tools: ["ip", "iperf3", "iptables", "mptcpize", "ping"],
    parse: parseOptions,
    run,
  });
}
