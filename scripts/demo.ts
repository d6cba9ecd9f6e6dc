/**
 * Fluxify in a minute, on one machine: three links between a client and a server in network
 * namespaces (scripts/lab/lab.ts draws them), downloads over each link alone, one over all of them
 * through the tunnel, eight together, and one in the middle of which the fastest link is pulled out.
 *
 *     sudo deno task demo              a table
 *     sudo deno task demo -- --json    one JSON object (DemoReport) on standard output
 *     sudo deno task demo -- --hold    afterwards keeps the lab for looking around
 *
 * "Pulled out" is the hard way: the link goes silent and nobody is told. Exit code 0 when
 * everything could be measured and the download survived, else 1. Nothing is left behind.
 */

import { parseArgs } from "node:util";
import { formatReport, makeReport } from "./demo/report.ts";
import { measureAlone, measureBonded, measureGap, startDownloadServers } from "./demo/measure.ts";
import { type LabOptions, runLabCommand } from "./setup/lab_command.ts";
import { INTERNET_ADDRESS, Lab, SERVER_ADDRESS } from "./lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "./lab/programs.ts";

const USAGE = `Usage: sudo deno task demo [-- [--json] [--hold] [--no-install]]

  --json   print only one JSON object on standard output:
           {"links": [{"name", "rateMbit", "rttMs", "aloneMbit"}], "oneFlowMbit",
            "bondedMbit", "gain", "longestGapMs", "lossFreeAfterCut"}
           rateMbit and rttMs are what each link is set to, the rest is measured
  --hold   keep the lab afterwards, until Ctrl-C
  --no-install  install nothing: print the command for what is missing
  --help   this text`;

interface Options extends LabOptions {
  json: boolean;
  hold: boolean;
}

function parseOptions(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      json: { type: "boolean", default: false },
      hold: { type: "boolean", default: false },
      "no-install": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const install = values["no-install"] ? "print only" : "install";
  return { json: values.json, hold: values.hold, install };
}

function progress(text: string): void {
  console.error(`· ${text}`);
}

/** Returns whether the download survived the cut. */
async function runDemo({ json, hold }: Options): Promise<boolean> {
  progress("building the network");
  await using lab = await Lab.create();
  await startDownloadServers(lab);

  const aloneMbit: number[] = [];
  for (const { name } of lab.links) {
    progress(`downloading over ${name} alone`);
    aloneMbit.push(await measureAlone(lab, name));
  }

  progress("starting fluxify-server and fluxify-client");
  const bundle = await newClientCertificate(lab, "demo");
  await startServer(lab);
  await startClient(lab, bundle);

  progress(`one download over all ${lab.links.length} links through the tunnel`);
  const oneFlowMbit = await measureBonded(lab, "one flow");
  progress("eight downloads together");
  const bondedMbit = await measureBonded(lab, "eight flows");

  const cutLink = lab.links[0]!.name;
  progress(`downloading, and pulling ${cutLink} out meanwhile`);
  const cut = await measureGap(lab, () => lab.cut(cutLink));

  const report = makeReport(lab.links, aloneMbit, { oneFlowMbit, bondedMbit }, cut);
  console.log(json ? JSON.stringify(report) : formatReport(report, cutLink, cut.megabytes));
  if (hold) {
    await lab.restore(cutLink);
    await holdLab(lab);
  }
  return report.lossFreeAfterCut;
}

function holdLab({ client, server, internet }: Lab): Promise<never> {
  console.error(`The lab stays until Ctrl-C (all links work again). In another terminal, as root:

  ip netns exec ${client.name} ping ${INTERNET_ADDRESS}                through the tunnel
  ip netns exec ${client.name} ip route
  ip netns exec ${client.name} ping -I fiber ${SERVER_ADDRESS}        beside it
  ip netns exec ${client.name} ip link set dsl down
  ip netns exec ${server.name} ip address
  ip netns exec ${internet.name} tcpdump -ni wan
`);
  return new Promise<never>(() => setInterval(() => {}, 60_000));
}

if (import.meta.main) {
  await runLabCommand({
    task: "demo",
    usage: USAGE,
    tools: ["ip", "iperf3", "iptables", "ping"],
    parse: parseOptions,
    run: runDemo,
  });
}
