/**
 * The commands that start the client as the saved settings say, `up` in the background and `run` here,
 * and the one that puts right what a client that was killed left behind.
 */
import { type Command, Option } from "@commander-js/extra-typings";
import { nameOption } from "../../lib/cli/instance_options.ts";
import {
  logJsonOption,
  logOptions,
  pathFor,
  type TunnelOptions,
  verboseOption,
} from "../../lib/cli/tunnel_options.ts";

/** Which saved settings are meant. */
export interface SavedChoice {
  /** What the instance is called; null: the one without a name. */
  readonly instance: string | null;
  /** The file they are in; null: where they are looked for, savedFiles(). */
  readonly file: string | null;
}

interface RestoreOptions extends Pick<TunnelOptions, "logLevel" | "logFormat"> {
  /** Of a client that was killed: left on, its next start takes it over. */
  readonly killSwitch: "undo" | "leave";
}

export interface RestoreCommand {
  readonly command: "restore";
  readonly options: RestoreOptions;
}

export type ServiceCommand = SavedChoice & {
  readonly command: "up" | "run";
  /** Flags to be added to the settings, such as `-v`. */
  readonly flags: readonly string[];
};

/** The first word of each: they read the settings themselves. */
export const SERVICE_COMMANDS = ["up", "run"];

/** Takes the commands, and refuses flags before them, which mean nothing there. */
export function addServiceCommands(
  program: Command,
  accept: (command: ServiceCommand | RestoreCommand) => void,
  refuseFlags: (command: string) => void,
): void {
  program.command("restore")
    .description("undo what a client that was killed left behind: routes, DNS, kill switch")
    .option("--keep-kill-switch", "leave it on for the next start, as a service that restarts does")
    .addOption(verboseOption())
    .addOption(logJsonOption())
    .action((raw) => {
      refuseFlags("restore");
      const killSwitch = raw.keepKillSwitch ? "leave" : "undo";
      accept({ command: "restore", options: { killSwitch, ...logOptions(raw) } });
    });
  for (
    const [name, description] of [
      ["up", "start with the saved settings, as a service or in the background, and wait for it"],
      ["run", "run with the saved settings until it is stopped, as a service does"],
    ] as const
  ) {
    program.command(name).description(description)
      .addOption(
        new Option("--name <name>", "the instance to start (default: the one without a name)")
          .argParser(nameOption("-tun").parseArg!),
      )
      .addOption(
        new Option("--settings <file>", "file of the settings (default: as 'config' shows)")
          .argParser(pathFor("-settings")),
      )
      .addOption(verboseOption())
      .addOption(logJsonOption())
      .action((raw) => {
        refuseFlags(name);
        accept({
          command: name,
          instance: raw.name === undefined ? null : String(raw.name),
          file: raw.settings === undefined ? null : String(raw.settings),
          flags: [...raw.verbose ? ["-v"] : [], ...raw.logJson ? ["-log-json"] : []],
        });
      });
  }
}
