/** `fluxify-client diag`: what it is asked to look at. */
import { type Command, Option } from "@commander-js/extra-typings";
import { pathFor, type TunnelOptions } from "../../lib/cli/tunnel_options.ts";
import type { StartOptions } from "./options.ts";
import { recordFlags, type Settings } from "./settings.ts";

export interface DiagOptions extends Pick<TunnelOptions, "logLevel" | "logFormat"> {
  settings: Settings;
  format: "text" | "json";
  load: "fills each link" | "none";
  /** Where the report is saved as well, or null. */
  outputFile: string | null;
}

/** `startOptions` are those of the flags before the command, with the given ones before them. */
export function addDiagCommand(
  program: Command,
  accept: (command: { command: "diag"; options: DiagOptions }) => void,
  startOptions: (more: Settings) => StartOptions,
): void {
  const diag = program.command("diag")
    .description("look for what stands in the way, from the machine to the server")
    .option("--json", "write JSON")
    .option("--load", "fill each link for 3 s through the tunnel: how long does its queue get?")
    .addOption(
      new Option("--output <file>", "save the report as well").argParser(pathFor("-output")),
    );
  for (const name of ["server", "ctrl", "ifaces", "pki", "cert"]) {
    const { flags, description, parseArg } = program.options.find(({ long }) =>
      long === `--${name}`
    )!;
    diag.addOption(new Option(flags, description).argParser(parseArg!));
  }
  const diagFlags = recordFlags(diag);
  diag.action((raw) => {
    const own = ["json", "load", "output"];
    accept({
      command: "diag",
      options: {
        ...startOptions(new Map([...diagFlags].filter(([key]) => !own.includes(key)))),
        format: raw.json ? "json" : "text",
        load: raw.load ? "fills each link" : "none",
        outputFile: raw.output ?? null,
      },
    });
  });
}
