/**
 * Runs both programs for a long time, in the laboratory, under everything that happens in months:
 * transfers both ways, links that are cut, unplugged and come back, new keys and sessions, clients
 * that come and go. Fails when a byte of a transfer is lost, a program ends, memory, descriptors or
 * threads grow, or the machine is not as it was in the end.
 *
 *     sudo deno task soak                    ten minutes
 *     sudo deno task soak -- --minutes 2     the short form that CI runs
 */
import { parseArgs } from "node:util";
import { hostState } from "../tests/e2e/host_state.ts";
import { serveTransfers, Transfer } from "../tests/e2e/transfer.ts";
import type { Child } from "../tests/netns/namespace.ts";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, Lab, type LabLink } from "./lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "./lab/programs.ts";
import { type LabOptions, runLabCommand } from "./setup/lab_command.ts";
import { growth, type Resources, resourcesOf } from "./soak/resources.ts";

const USAGE = `Usage: sudo deno task soak [-- [--minutes N] [--no-install]]

  --minutes N    how long, 1 to 1440; 10 unless given
  --no-install   install nothing: print the command for what is missing
  --help         this text`;

const LINKS: readonly LabLink[] = [
  { name: "fiber", rateMbit: 50, rttMs: 20 },
  { name: "dsl", rateMbit: 20, rttMs: 40 },
  { name: "lte", rateMbit: 20, rttMs: 50, down: { lossRate: 0.002 } },
];
const ROUND = { mbit: 15, seconds: 12, flows: 6 };
/** Into a round: the link goes, and comes back. */
const MISHAP_AFTER_MS = 3_000;
const MISHAP_LASTS_MS = 3_000;
const STATE_TIMEOUT_MS = 30_000;
/** Between the floors of both halves: a heap that fills up for the first time is no leak. */
const MAY_GROW: Resources = { mib: 24, descriptors: 4, threads: 2 };

interface Options extends LabOptions {
  minutes: number;
}

function parseOptions(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      minutes: { type: "string", default: "10" },
      "no-install": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const minutes = Number(values.minutes);
  if (!Number.isInteger(minutes) || minutes < 1 || minutes > 1440) {
    throw new Error(`--minutes must be 1 to 1440, not '${values.minutes}'`);
  }
  return { minutes, install: values["no-install"] ? "print only" : "install" };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What may happen to a link in the middle of a transfer; each undoes itself. */
const MISHAPS: readonly ((lab: Lab, link: string) => Promise<void>)[] = [
  async (lab, link) => {
    await lab.cut(link);
    await pause(MISHAP_LASTS_MS);
    await lab.restore(link);
  },
  (lab, link) => unplug(lab, link, MISHAP_LASTS_MS),
  async (lab, link) => {
    await lab.emulator!.change(link, { lossRate: 0.1 });
    await pause(MISHAP_LASTS_MS);
    await lab.emulator!.change(link, { lossRate: 0 });
  },
];

/** A link that goes down loses its routes and its IPv6 address; a lease gives them back. */
async function unplug(lab: Lab, link: string, lastsMs: number): Promise<void> {
  await lab.client.run("ip", "link", "set", link, "down");
  await pause(lastsMs);
  await lab.client.run("ip", "link", "set", link, "up");
  const number = lab.links.indexOf(lab.link(link)) + 1;
  await lab.client.run("ip", "address", "replace", `fd71:${number}::2/64`, "dev", link, "nodad");
  for (const gateway of [`10.71.${number}.1`, `fd71:${number}::1`]) {
    await lab.client.run(
      ...["ip", "route", "replace", "default", "via", gateway, "dev", link],
      ...["metric", String(number * 100)],
    );
  }
}

async function runRound(lab: Lab, round: number): Promise<void> {
  const to = round % 2 === 0 ? INTERNET_ADDRESS : INTERNET_ADDRESS6;
  const transfer = await Transfer.start(lab.client, { to, ...ROUND });
  await pause(MISHAP_AFTER_MS);
  const link = lab.links[round % lab.links.length]!.name;
  await MISHAPS[Math.floor(round / lab.links.length) % MISHAPS.length]!(lab, link);
  await transfer.complete(() => {});
}

/** The lines that only one of both texts has. */
function difference(before: string, after: string): string {
  const [was, is] = [before.split("\n"), after.split("\n")];
  return [
    ...was.filter((line) => !is.includes(line)).map((line) => `- ${line}`),
    ...is.filter((line) => !was.includes(line)).map((line) => `+ ${line}`),
  ].join("\n");
}

/** Returns whether everything held. */
async function runSoak({ minutes }: Options): Promise<boolean> {
  await using lab = await Lab.create({ links: LINKS });
  await serveTransfers(lab.internet);
  const bundle = await newClientCertificate(lab, "soak");
  // Routes and addresses that were given back are listed in another order than the first ones.
  for (const { name } of lab.links) await unplug(lab, name, 0);
  const before = { client: await hostState(lab.client), server: await hostState(lab.server) };
  const server = await startServer(lab);
  const client = await startClient(lab, bundle, {
    args: ["-rekey-every", "5s", "-renew-every", "20s"],
  });
  const programs: Record<string, Child> = { server, client };
  const samples: Record<string, Resources[]> = { server: [], client: [] };
  const faults: string[] = [];

  const endMs = performance.now() + minutes * 60_000;
  for (let round = 0; performance.now() < endMs && faults.length === 0; round++) {
    try {
      await runRound(lab, round);
    } catch (error) {
      faults.push(`round ${round + 1}: ${(error as Error).message}`);
    }
    for (const [name, program] of Object.entries(programs)) {
      if (program.exitCode !== null) {
        faults.push(`the ${name} ended with ${program.exitCode}:\n${program.tail()}`);
        continue;
      }
      samples[name]!.push(resourcesOf(program.pid));
    }
    const now = Object.entries(samples).map(([name, list]) => {
      const { mib = 0, descriptors = 0 } = list.at(-1) ?? {};
      return `${name} ${mib.toFixed(0)} MiB, ${descriptors} descriptors`;
    });
    console.error(`· round ${round + 1}: ${now.join("; ")}`);
  }
  for (const [name, list] of Object.entries(samples)) {
    faults.push(...growth(list, MAY_GROW).map((what) => `${name}: ${what}`));
  }
  for (const program of [client, server]) {
    if (program.exitCode !== null) continue;
    const code = await program.stop("SIGTERM", STATE_TIMEOUT_MS);
    if (code !== 0 && code !== 143) faults.push(`a program stopped with ${code}`);
  }
  for (const [name, machine] of [["client", lab.client], ["server", lab.server]] as const) {
    const left = difference(before[name], await hostState(machine));
    if (left !== "") faults.push(`the ${name}'s machine is not as it was:\n${left}`);
  }
  for (const fault of faults) console.error(`soak: ${fault}`);
  const rounds = samples.client!.length;
  console.log(`soak: ${rounds} rounds, ${faults.length === 0 ? "all held" : "FAILED"}`);
  return faults.length === 0;
}

if (import.meta.main) {
  await runLabCommand({
    task: "soak",
    usage: USAGE,
    tools: ["ip", "iptables", "ping"],
    parse: parseOptions,
    run: runSoak,
  });
}
