/** The commands that look at the way to the server: `diag` at all of it, `netcheck` at each link. */
import { type Command, Option } from "@commander-js/extra-typings";
import { askedNameOption } from "../../lib/cli/instance_options.ts";
import { pathFor } from "../../lib/cli/tunnel_options.ts";
import { TUN_NAME } from "./bond_options.ts";
import type { StartOptions } from "./options.ts";
import { recordFlags, type Settings } from "./settings.ts";

interface SharedOptions extends StartOptions {
  format: "text" | "json";
}

export interface DiagOptions extends SharedOptions {
  load: "fills each link" | "none";
  /** Where the report is saved as well, or null. */
  outputFile: string | null;
}

export interface NetcheckOptions extends SharedOptions {
  /** Whether each link is filled, to learn what it carries. */
  rate: "measured" | "left out";
  /** The client that is asked first, as it has the session where it runs. */
  instance: string;
}

export type DiagCommand =
  | { command: "diag"; options: DiagOptions }
  | { command: "netcheck"; options: NetcheckOptions };

/** What both take of the program's own flags, and what diag takes besides. */
const SHARED = ["server", "servers", "ctrl", "ifaces", "pki", "cert"];
const OF_DIAG = [...SHARED, "proxy"];

/** `startOptions` are those of the flags before the command, with the given ones before them. */
export function addDiagCommands(
  program: Command,
  accept: (command: DiagCommand) => void,
  startOptions: (more: Settings) => StartOptions,
): void {
  const diag = program.command("diag")
    .description("look for what stands in the way, from the machine to the server")
    .option("--json", "write JSON")
    .option("--load", "fill each link for 3 s through the tunnel: how long does its queue get?")
    .addOption(
      new Option("--output <file>", "save the report as well").argParser(pathFor("-output")),
    );
  const diagShared = addShared(program, diag, startOptions, OF_DIAG);
  diag.action((raw) =>
    accept({
      command: "diag",
      options: {
        ...diagShared(raw),
        load: raw.load ? "fills each link" : "none",
        outputFile: raw.output ?? null,
      },
    })
  );
  const netcheck = program.command("netcheck")
    .description("try each link: UDP to the server, round trip, packet size, external address")
    .option("--json", "write JSON")
    .option("--rate", "fill each link for 3 s through the tunnel: what does it carry?")
    .addOption(askedNameOption());
  const netcheckShared = addShared(program, netcheck, startOptions);
  netcheck.action((raw) =>
    accept({
      command: "netcheck",
      options: {
        ...netcheckShared(raw),
        rate: raw.rate ? "measured" : "left out",
        instance: raw.name ?? TUN_NAME,
      },
    })
  );
}

/** Returns what makes options of what was given, once that has been read. */
function addShared(
  program: Command,
  command: Command,
  startOptions: (more: Settings) => StartOptions,
  flagNames = SHARED,
): (raw: { json?: true | undefined }) => SharedOptions {
  for (const name of flagNames) {
    const { flags, description, parseArg } = program.options.find(({ long }) =>
      long === `--${name}`
    )!;
    command.addOption(new Option(flags, description).argParser(parseArg!));
  }
  const given = recordFlags(command);
  return (raw) => ({
    ...startOptions(new Map([...given].filter(([key]) => flagNames.includes(key)))),
    format: raw.json ? "json" : "text",
  });
}
