/** The commands of `fluxify-server` that ask a server that runs. */
import { type Command, Option } from "@commander-js/extra-typings";
import { askedNameOption } from "../lib/cli/instance_options.ts";
import { integerIn } from "../lib/cli/integer.ts";
import { LOG_LINES_MAX } from "../lib/cli/log_lines.ts";
import { TUN_NAME } from "./tun.ts";

export type AskCommand =
  & { readonly command: "ask"; readonly instance: string; readonly format: "text" | "json" }
  & (
    | { readonly what: "status" | "sessions" }
    | { readonly what: "kick"; readonly client: string }
    | { readonly what: "logs"; readonly lines: number }
  );

/** Takes the commands, and refuses flags before them, which mean nothing there. */
export function addAskCommands(
  program: Command,
  accept: (command: AskCommand) => void,
  refuseFlags: (command: string) => void,
): void {
  const asked = (name: string, raw: { name?: string; json?: true }) => {
    refuseFlags(name);
    const format = raw.json === true ? "json" as const : "text" as const;
    return { command: "ask" as const, instance: raw.name ?? TUN_NAME, format };
  };
  const command = (name: string, description: string) =>
    program.command(name).description(description).addOption(askedNameOption())
      .addOption(new Option("--json", "write JSON"));

  command("status", "show what a running server does")
    .action((raw) => accept({ ...asked("status", raw), what: "status" }));
  command("sessions", "list the clients that are connected to a running server")
    .action((raw) => accept({ ...asked("sessions", raw), what: "sessions" }));
  command("logs", "show the last lines of a running server's log")
    .addOption(
      new Option("--lines <count>", `how many, 1 to ${LOG_LINES_MAX}`).default(50)
        .argParser(integerIn("-lines", 1, LOG_LINES_MAX)),
    )
    .action((raw) => accept({ ...asked("logs", raw), what: "logs", lines: raw.lines }));
  program.command("kick")
    .description("end a client's session now; it may connect again, unless it is revoked")
    .argument("<name>", "the client's name").addOption(askedNameOption())
    .action((client, raw) => accept({ ...asked("kick", raw), what: "kick", client }));
}
