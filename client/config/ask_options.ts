/** The commands of `fluxify-client` that ask a client that runs. */
import { Option } from "@commander-js/extra-typings";
import type { Command } from "@commander-js/extra-typings";
import { UsageError } from "../../lib/cli/exit.ts";
import { parseInterfaceName } from "../../lib/cli/host_name.ts";
import { askedNameOption } from "../../lib/cli/instance_options.ts";
import { integerIn } from "../../lib/cli/integer.ts";
import { LOG_LINES_MAX } from "../../lib/cli/log_lines.ts";
import { COMPRESSION_MODES } from "../../lib/protocol/compression/compression_mode.ts";
import { SCHEDULERS } from "../../lib/protocol/wire/scheduler_name.ts";
import { PINGS_MAX } from "../../lib/status/path_ping.ts";
import { parseDnsChoice, TUN_NAME } from "./bond_options.ts";
import { parseRates, parseUses } from "./link_rules.ts";

export type AskCommand =
  & { readonly command: "ask"; readonly instance: string; readonly format: "text" | "json" }
  & (
    | { readonly what: "status"; readonly watch: boolean }
    | { readonly what: "logs"; readonly lines: number }
    | { readonly what: "ping"; readonly count: number }
    | { readonly what: "down" }
    | {
      readonly what: "set";
      readonly setting: "scheduler" | "compression" | "dns" | "rate" | "link";
      readonly value: string;
    }
    | { readonly what: "links"; readonly action: "add" | "remove"; readonly link: string }
  );

/** The first word of each: they do not need the settings file. */
export const ASK_COMMANDS = ["status", "logs", "ping", "down", "set", "links"];

/** Takes the commands, and refuses flags before them, which mean nothing there. */
export function addAskCommands(
  program: Command,
  accept: (command: AskCommand) => void,
  refuseFlags: (command: string) => void,
): void {
  const take = (name: string, raw: { name?: string; json?: true }, what: AskPart) => {
    refuseFlags(name);
    const format = raw.json === true ? "json" : "text";
    accept({ command: "ask", instance: raw.name ?? TUN_NAME, format, ...what });
  };
  const command = (name: string, description: string) =>
    program.command(name).description(description).addOption(askedNameOption());

  command("status", "show what a running client does")
    .addOption(jsonOption())
    .addOption(new Option("--watch", "again each second, until Ctrl-C"))
    .action((raw) => take("status", raw, { what: "status", watch: raw.watch === true }));
  command("logs", "show the last lines of a running client's log")
    .addOption(jsonOption())
    .addOption(
      new Option("--lines <count>", `how many, 1 to ${LOG_LINES_MAX}`).default(50)
        .argParser(integerIn("-lines", 1, LOG_LINES_MAX)),
    )
    .action((raw) => take("logs", raw, { what: "logs", lines: raw.lines }));
  command("ping", "ask the server over each link, and show round trips and loss")
    .addOption(jsonOption())
    .addOption(
      new Option("--count <count>", `how often, 1 to ${PINGS_MAX}`).default(5)
        .argParser(integerIn("-count", 1, PINGS_MAX)),
    )
    .action((raw) => take("ping", raw, { what: "ping", count: raw.count }));
  command("down", "stop a running client, and wait until everything is undone")
    .action((raw) => take("down", raw, { what: "down" }));

  const set = program.command("set").description("change a running client, until it stops");
  for (
    const [setting, words, description] of [
      ["scheduler", SCHEDULERS, "how packets are spread"],
      ["compression", COMPRESSION_MODES, "whether this side compresses packets"],
    ] as const
  ) {
    set.command(setting).description(`${description}: ${words.join(", ")}`)
      .argument("<value>", words.join(", "))
      .addOption(askedNameOption())
      .action((value, raw) => {
        if (!words.some((word) => word === value)) {
          throw new UsageError(`${setting} must be one of ${words.join(", ")}, not '${value}'`);
        }
        take("set", raw, { what: "set", setting, value });
      });
  }
  set.command("dns").description("DNS servers to ask through the tunnel, as for -dns; off: none")
    .argument("<servers>", "as in 1.1.1.1,2606:4700:4700::1111, or off")
    .addOption(askedNameOption())
    .action((value, raw) => {
      parseDnsChoice(value);
      take("set", raw, { what: "set", setting: "dns", value });
    });
  for (
    const [setting, example, description, parse] of [
      [
        "rate",
        "fiber=50/10mbit",
        "what links carry at most, down/up; fiber=none: no limit",
        parseRates,
      ],
      [
        "link",
        "lte=backup",
        "when links are used: always, backup, or metered,cap=20GB/month",
        parseUses,
      ],
    ] as const
  ) {
    set.command(setting).description(description)
      .argument("<value>", `as for -${setting}: ${example}`)
      .addOption(askedNameOption())
      .action((value, raw) => {
        parse(value);
        take("set", raw, { what: "set", setting, value });
      });
  }
  const links = program.command("links").description("links of a running client");
  for (
    const [action, description] of [
      ["add", "use an interface as a link"],
      ["remove", "use a link no more, until it is added again"],
    ] as const
  ) {
    links.command(action).description(description)
      .argument("<link>", action === "add" ? "name of the interface" : "name of the link")
      .addOption(askedNameOption())
      .action((link, raw) => {
        if (action === "add") parseInterfaceName("links add", link);
        take("links", raw, { what: "links", action, link });
      });
  }
}

type AskPart = AskCommand extends infer Each
  ? Each extends AskCommand ? Omit<Each, "command" | "instance" | "format"> : never
  : never;

function jsonOption() {
  return new Option("--json", "write JSON");
}
