/** `fluxify-server client`: what is prescribed for clients. */
import { type Command, Option } from "@commander-js/extra-typings";
import { isIPv4 } from "node:net";
import { UsageError } from "../../lib/cli/exit.ts";
import { parseList } from "../../lib/cli/list.ts";
import { parseDownUp, parseVolume } from "../../lib/cli/traffic_figures.ts";
import { canonicalPrefix } from "../../lib/host/links/address.ts";
import { requireStoredClientName } from "../../lib/pki/client_name.ts";
import { PkiError } from "../../lib/pki/pki_error.ts";
import type { SharedOptions } from "../option_values.ts";
import { type ClientSettings, SETTING_WORDS, type SettingWord } from "./client_settings.ts";
import { areApart, isDay, REACH_MAX, reservedIn, ROUTES_MAX } from "./settings_text.ts";

export type ClientCommand =
  & {
    readonly command: "client";
    readonly pkiFolder: string | null;
    readonly format: "text" | "json";
  }
  & (
    | { readonly action: "list" }
    | { readonly action: "show"; readonly name: string }
    | {
      readonly action: "set";
      readonly name: string;
      /** Those that are given; the others stay as they are. */
      readonly settings: Partial<ClientSettings>;
    }
    | { readonly action: "unset"; readonly name: string; readonly which: readonly SettingWord[] }
  );

const RATE_FORM = "as in 50mbit/10mbit (down/up) or 20mbit, with kbit, mbit or gbit";

export function addClientCommands(
  program: Command,
  accept: (command: ClientCommand) => void,
  shared: SharedOptions,
): void {
  const client = program.command("client").description("limits and addresses of clients");
  const given = (action: string, raw: { pki?: string; json?: true }) => {
    shared.refuseFlags(`client ${action}`);
    const format = raw.json === true ? "json" as const : "text" as const;
    return { command: "client" as const, pkiFolder: shared.folder(raw), format };
  };
  const command = (name: ClientCommand["action"], description: string) =>
    client.command(name).description(description)
      .addOption(shared.pkiOption()).addOption(shared.jsonOption());

  command("set", "prescribe something for a client; what is not named stays as it is")
    .argument("<name>", "the client's name", parseName)
    .addOption(
      new Option("--rate <rate>", "what it gets at most, down/up, as in 50mbit/10mbit")
        .argParser((text) => parseDownUp("-rate", text, RATE_FORM)),
    )
    .addOption(
      new Option("--quota <volume>", "what it may carry in a month, as in 100GB/month")
        .argParser((text) => parseVolume("-quota", text)),
    )
    .addOption(
      new Option("--expires <day>", "the last day on which it is let in, as in 2027-01-31")
        .argParser(parseDay),
    )
    .addOption(
      new Option("--reach <list>", "prefixes that it may send to through the tunnel, alone")
        .argParser((text) => parsePrefixes("-reach", text, REACH_MAX)),
    )
    .addOption(
      new Option("--address <address>", "its IPv4 address in the tunnel, as in 10.8.0.77")
        .argParser(parseAddress),
    )
    .addOption(
      new Option("--routes <list>", "prefixes behind it, which are routed to it without NAT")
        .argParser(parseRoutes),
    )
    .action((name, raw) => {
      const { rate, quota, expires, reach, address, routes } = raw;
      const settings: Partial<ClientSettings> = {
        ...rate === undefined ? {} : { rate },
        ...quota === undefined ? {} : { quotaBytes: quota },
        ...expires === undefined ? {} : { expires },
        ...reach === undefined ? {} : { reach },
        ...address === undefined ? {} : { address },
        ...routes === undefined ? {} : { routes },
      };
      if (Object.keys(settings).length === 0) {
        const flags = SETTING_WORDS.map((word) => `-${word}`).join(", ");
        throw new UsageError(`'client set' needs one of ${flags}`);
      }
      accept({ ...given("set", raw), action: "set", name, settings });
    });
  command("unset", "prescribe nothing for a client any more")
    .argument("<name>", "the client's name", parseName)
    .argument("[setting...]", `${SETTING_WORDS.join(", ")} (default: all of them)`)
    .action((name, words, raw) => {
      const which = words.length === 0 ? SETTING_WORDS : words.map(parseWord);
      accept({ ...given("unset", raw), action: "unset", name, which });
    });
  command("show", "show a client's settings: limits, address, networks")
    .argument("<name>", "the client's name", parseName)
    .action((name, raw) => accept({ ...given("show", raw), action: "show", name }));
  command("list", "list the clients that have settings")
    .action((raw) => accept({ ...given("list", raw), action: "list" }));
}

function parseName(text: string): string {
  try {
    requireStoredClientName(text);
  } catch (error) {
    throw error instanceof PkiError ? new UsageError(error.message) : error;
  }
  return text;
}

function parseWord(text: string): SettingWord {
  const word = SETTING_WORDS.find((each) => each === text);
  if (word !== undefined) return word;
  throw new UsageError(`there is no setting '${text}'; there are: ${SETTING_WORDS.join(", ")}`);
}

function parseDay(text: string): string {
  if (isDay(text)) return text;
  throw new UsageError(`-expires must be a day as in 2027-01-31, not '${text}'`);
}

function parseAddress(text: string): string {
  if (isIPv4(text)) return text;
  throw new UsageError(
    `-address must be an IPv4 address as in 10.8.0.77, not '${text}'; the IPv6 address has the same number`,
  );
}

function parsePrefixes(flag: string, text: string, max: number): readonly string[] {
  const prefixes = parseList(flag, text, "refuse").map((item) => {
    try {
      return canonicalPrefix(item);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UsageError(
        `${flag} must be addresses or prefixes, as in 10.1.0.0/16,fd00:1::/64, not '${item}'`,
      );
    }
  });
  if (prefixes.length === 0) throw new UsageError(`${flag} needs a prefix, as in 10.1.0.0/16`);
  if (prefixes.length <= max) return [...new Set(prefixes)];
  throw new UsageError(`${flag} takes ${max} prefixes, not ${prefixes.length}`);
}

function parseRoutes(text: string): readonly string[] {
  const routes = parsePrefixes("-routes", text, ROUTES_MAX);
  const whole = routes.find((prefix) => prefix.endsWith("/0"));
  if (whole !== undefined) {
    throw new UsageError(`-routes cannot be ${whole}: name the networks behind the client`);
  }
  for (const prefix of routes) {
    const reserved = reservedIn(prefix);
    if (reserved === null) continue;
    throw new UsageError(
      `-routes cannot have ${prefix}: addresses of ${reserved} are of no network behind a client`,
    );
  }
  if (areApart(routes)) return routes;
  throw new UsageError("-routes has prefixes that overlap: give the larger one alone");
}
