/** The commands of `fluxify-server` that ask a server that runs. */
import { type Command, Option } from "@commander-js/extra-typings";
import { durationMsIn, formatDurationMs } from "../lib/cli/duration.ts";
import { askedNameOption } from "../lib/cli/instance_options.ts";
import { integerIn } from "../lib/cli/integer.ts";
import { LOG_LINES_MAX } from "../lib/cli/log_lines.ts";
import { TUN_NAME } from "./tun.ts";

const DRAIN_LIMIT_MS = 300_000;
const DRAIN_LIMIT_MAX_MS = 86_400_000;

export type AskCommand =
  & { readonly command: "ask"; readonly instance: string; readonly format: "text" | "json" }
  & (
    | { readonly what: "status" | "sessions" | "present" }
    | { readonly what: "kick"; readonly client: string }
    | { readonly what: "logs"; readonly lines: number }
    | { readonly what: "drain"; readonly limitMs: number }
    | { readonly what: "end drain" }
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
    .addOption(new Option("--everywhere", "to any of the servers that share a store"))
    .action((raw) =>
      accept({
        ...asked("sessions", raw),
        what: raw.everywhere === true ? "present" : "sessions",
      })
    );
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
  program.command("drain")
    .description("move the clients to other servers, and take no new ones, before an update")
    .addOption(
      new Option("--limit <time>", "how long to wait for the last one, 1s to 24h").default(
        DRAIN_LIMIT_MS,
        formatDurationMs(DRAIN_LIMIT_MS),
      ).argParser(durationMsIn("-limit", 1000, DRAIN_LIMIT_MAX_MS)),
    )
    .addOption(new Option("--stop", "take clients again"))
    .addOption(askedNameOption())
    .action((raw) =>
      accept({
        ...asked("drain", raw),
        ...(raw.stop === true
          ? { what: "end drain" as const }
          : { what: "drain" as const, limitMs: raw.limit }),
      })
    );
}
