/**
 * `fluxify-client`: the end of the tunnel with several links. This file reads its command line
 * into a value; it writes nothing, opens nothing and never exits. A further mode is a further
 * member of ClientCommand.
 */
import { Command, Option } from "@commander-js/extra-typings";
import { UsageError } from "../../lib/cli/exit.ts";
import { parseAddress, parseHost, parseInterfaceName } from "../../lib/cli/host_name.ts";
import { integerIn } from "../../lib/cli/integer.ts";
import { parseList } from "../../lib/cli/list.ts";
import { type Accept, givenFlags, parseProgram, type Print } from "../../lib/cli/program.ts";
import {
  compressionOption,
  controlPortOption,
  engineOption,
  logJsonOption,
  logOptions,
  pathFor,
  probePmtudOption,
  rekeyEveryOption,
  reorderBufferSizeOption,
  reorderFlushTimeoutOption,
  schedulerOption,
  type TunnelOptions,
  tunnelOptions,
  verboseOption,
} from "../../lib/cli/tunnel_options.ts";
import { expandHome } from "../../lib/cli/user_home.ts";
import { VERSION } from "../../lib/cli/version.ts";
import { PATHS_MAX } from "../../lib/protocol/session/path_table.ts";
import {
  BALANCE_FLAGS,
  type BalanceKind,
  balanceOption,
  checkBalancedInterfaces,
  checkWeights,
  externalIpUrlOption,
  healthIntervalOption,
  healthTargetOption,
  statusEveryOption,
  weightsOption,
} from "./balance_options.ts";
import {
  BOND_FLAGS,
  dnsOption,
  killSwitchOption,
  policyRoutingOption,
  renewEveryOption,
} from "./bond_options.ts";

export const CLIENT_PROGRAM = "fluxify-client";
/** Bonding is for two links or more: with one there is nothing to add up. */
export const BONDED_LINKS_MIN = 2;
export const BONDED_LINKS_MAX = PATHS_MAX;
/** Names or addresses of one server: one of each family is what they are for. */
const SERVERS_MAX = 8;

/** A local link to carry a path, as the user named it. */
export interface LinkChoice {
  interfaceName: string;
  /** The address to send from, or null: the one the interface has. */
  sourceAddress: string | null;
}

export interface BondOptions extends TunnelOptions {
  /** Name or address of the server; several of one server with commas between. */
  server: string;
  /** In the user's order; empty: choose from what the machine has. */
  links: LinkChoice[];
  pkiFolder: string;
  /** File of the client's certificate, or null: the one in `pkiFolder`. */
  certFile: string | null;
  /** MTU of the TUN device in bytes, or null: as the paths allow. */
  tunMtu: number | null;
  /** How often the session is renewed. */
  renewEveryMs: number;
  /** Addresses of the servers to ask through the tunnel; empty: DNS stays as it is. */
  dnsServers: string[];
  /** Whether what does not go into the tunnel is dropped. */
  killSwitch: boolean;
  /** Whether each link gets a routing table of its own. */
  policyRouting: boolean;
  /** Whether a live full-screen status is shown. */
  ui: boolean;
  /** 0: only on SIGUSR2. */
  statusEveryMs: number;
}

export interface BalanceOptions extends Pick<TunnelOptions, "logLevel" | "logFormat"> {
  /** In the user's order; empty: all with a gateway. */
  interfaces: string[];
  balance: BalanceKind;
  /** By interface, 1 for those not named; null: by the quality of the links. */
  weights: ReadonlyMap<string, number> | null;
  healthIntervalMs: number;
  /** Addresses to probe; empty: the gateway, then public resolvers. */
  healthTargets: string[];
  /** 0: only on SIGUSR2. */
  statusEveryMs: number;
  /** A web page that answers with the address it sees, or null: not asked. */
  externalIpUrl: string | null;
  /** Whether a live full-screen status is shown. */
  ui: boolean;
}

interface RestoreOptions extends Pick<TunnelOptions, "logLevel" | "logFormat"> {}

type ClientCommand =
  | { command: "bond"; options: BondOptions }
  | { command: "balance"; options: BalanceOptions }
  | { command: "restore"; options: RestoreOptions }
  | Print;

/**
 * Reads the arguments behind the program's name. `home` is the home of the user who called sudo:
 * `~` in paths stands for it.
 */
export function parseClientOptions(argv: readonly string[], home: string): ClientCommand {
  return parseProgram<ClientCommand>((accept) => buildProgram(accept, home), argv);
}

function buildProgram(accept: Accept<ClientCommand>, home: string) {
  const program = new Command(CLIENT_PROGRAM)
    .description(
      "Carries this machine's traffic over several links at once: to a fluxify-server (-b), or\n" +
        "without a server, each connection over one of them (-l).",
    )
    .version(VERSION, "--version", "show the version")
    .helpOption("-h, --help", "show this help")
    .enablePositionalOptions()
    .addOption(new Option("-b, --bond", "bonding mode: one tunnel over all links"))
    .addOption(new Option("-l, --load-balance", "load-balance mode: no server, no tunnel"))
    .addOption(
      new Option("--server <host>", "name or address of the server, or several, as in v4,v6")
        .argParser(parseServers),
    )
    .addOption(controlPortOption())
    .addOption(
      new Option("--ifaces <list>", "links to use, as in eth0,wlan0 (default: all that work)")
        .argParser(parseInterfaces),
    )
    .addOption(
      new Option("--ips <list>", "source addresses, in the order of -ifaces; items may be empty")
        .argParser(parseAddresses),
    )
    .addOption(
      new Option("--pki <folder>", "folder of this client's certificates")
        .default("~/.fluxify").argParser(pathFor("-pki")),
    )
    .addOption(
      new Option("--cert <file>", "this client's certificate (default: the one in -pki)")
        .argParser(pathFor("-cert")),
    )
    .addOption(
      new Option("--mtu <bytes>", "MTU of the tunnel, 576 to 9000 (0: as the links allow)")
        .default(0).argParser(integerIn("-mtu", 576, 9000, 0)),
    )
    .addOption(reorderBufferSizeOption())
    .addOption(reorderFlushTimeoutOption())
    .addOption(engineOption())
    .addOption(schedulerOption("flow"))
    .addOption(compressionOption())
    .addOption(probePmtudOption())
    .addOption(rekeyEveryOption())
    .addOption(renewEveryOption())
    .addOption(dnsOption())
    .addOption(killSwitchOption())
    .addOption(policyRoutingOption())
    .addOption(balanceOption())
    .addOption(weightsOption())
    .addOption(healthIntervalOption())
    .addOption(healthTargetOption())
    .addOption(statusEveryOption())
    .addOption(externalIpUrlOption())
    .addOption(new Option("--ui", "show a live full-screen status"))
    .addOption(verboseOption())
    .addOption(logJsonOption())
    .addHelpText("after", "\nOne dash is enough: -server host is --server host.")
    .action((raw) => {
      const given = givenFlags(program);
      if (raw.bond && raw.loadBalance) {
        throw new UsageError("-b and -l are two modes: give one of them");
      }
      if (raw.loadBalance) {
        refuseFlags(given, BOND_FLAGS, "-l");
        const weights = raw.weights ?? null;
        const interfaces = checkBalancedInterfaces(raw.ifaces ?? []);
        checkWeights(raw.balance, weights, interfaces);
        accept({
          command: "balance",
          options: {
            interfaces,
            balance: raw.balance,
            weights,
            healthIntervalMs: raw.healthInterval,
            healthTargets: raw.healthTarget ?? [],
            statusEveryMs: raw.statusEvery,
            externalIpUrl: raw.externalIpUrl ?? null,
            ui: raw.ui === true,
            ...logOptions(raw),
          },
        });
        return;
      }
      if (!raw.bond) throw new UsageError("give a mode: -b -server HOST, or -l");
      refuseFlags(given, BALANCE_FLAGS, "-b");
      if (raw.server === undefined) throw new UsageError("-b needs -server HOST");
      accept({
        command: "bond",
        options: {
          server: raw.server,
          links: pairLinks(raw.ifaces ?? [], raw.ips ?? []),
          pkiFolder: expandHome(raw.pki, home),
          certFile: raw.cert === undefined ? null : expandHome(raw.cert, home),
          tunMtu: raw.mtu === 0 ? null : raw.mtu,
          renewEveryMs: raw.renewEvery,
          dnsServers: raw.dns ?? [],
          killSwitch: raw.killSwitch === true,
          policyRouting: raw.policyRouting === true,
          ui: raw.ui === true,
          statusEveryMs: raw.statusEvery,
          ...tunnelOptions(raw),
        },
      });
    });

  program.command("restore")
    .description("undo what a client that was killed left behind: routes, DNS, kill switch")
    .addOption(verboseOption())
    .addOption(logJsonOption())
    .action((raw) => {
      const useless = givenFlags(program)[0];
      if (useless) throw new UsageError(`${useless} means nothing before 'restore'`);
      accept({ command: "restore", options: logOptions(raw) });
    });
  return program;
}

function refuseFlags(given: readonly string[], foreign: readonly string[], mode: string): void {
  const useless = given.find((flag) => foreign.includes(flag));
  if (useless !== undefined) throw new UsageError(`${useless} means nothing with ${mode}`);
}

function parseServers(text: string): string {
  const hosts = parseList("-server", text, "refuse");
  if (hosts.length === 0) throw new UsageError("-server must be an IP address or a host name");
  if (hosts.length > SERVERS_MAX) {
    throw new UsageError(`-server takes at most ${SERVERS_MAX} items, not ${hosts.length}`);
  }
  return hosts.map((host) => parseHost("-server", host)).join(",");
}

function parseInterfaces(text: string): string[] {
  return parseList("-ifaces", text, "refuse").map((name) => parseInterfaceName("-ifaces", name));
}

function parseAddresses(text: string): string[] {
  return parseList("-ips", text, "keep")
    .map((address) => address === "" ? "" : parseAddress("-ips", address));
}

function pairLinks(interfaces: string[], addresses: string[]): LinkChoice[] {
  if (addresses.length > 0 && addresses.length !== interfaces.length) {
    throw new UsageError(
      `-ips has ${addresses.length} items and -ifaces ${interfaces.length}: ` +
        "they go together, an empty item stands for any address",
    );
  }
  if (interfaces.length > 0 && interfaces.length < BONDED_LINKS_MIN) {
    throw new UsageError(
      `-b needs at least two interfaces, and -ifaces names only '${interfaces[0]}'`,
    );
  }
  if (interfaces.length > BONDED_LINKS_MAX) {
    throw new UsageError(
      `-b takes at most ${BONDED_LINKS_MAX} interfaces, and -ifaces has ${interfaces.length} items`,
    );
  }
  const links = interfaces.map((interfaceName, index) => ({
    interfaceName,
    sourceAddress: addresses[index] || null,
  }));
  refuseTwins(links);
  return links;
}

/** One interface twice is two paths over one wire, unless two addresses tell them apart. */
function refuseTwins(links: LinkChoice[]) {
  const seen = new Set<string>();
  for (const { interfaceName, sourceAddress } of links) {
    const key = `${interfaceName} ${sourceAddress ?? ""}`;
    if (seen.has(key)) throw new UsageError(`-ifaces names '${interfaceName}' twice`);
    seen.add(key);
  }
}
