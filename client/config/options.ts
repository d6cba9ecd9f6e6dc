/**
 * `fluxify-client`: the end of the tunnel with several links. This file reads its command line
 * into a value; it writes nothing, opens nothing and never exits. A further mode is a further
 * member of ClientCommand.
 */
import { Command, Option } from "@commander-js/extra-typings";
import {
  addCompletionCommands,
  type CompletionCommand,
} from "../../lib/cli/completion_commands.ts";
import { UsageError } from "../../lib/cli/exit.ts";
import {
  instanceOptions,
  metricsListenOption,
  nameOption,
  socketGroupOption,
} from "../../lib/cli/instance_options.ts";
import { integerIn } from "../../lib/cli/integer.ts";
import {
  type PageOptions,
  webCertOption,
  webHostsOption,
  webKeyOption,
  webOption,
} from "../../lib/cli/page_options.ts";
import { addWebCommand } from "../../lib/cli/web_options.ts";
import { type Accept, givenFlags, parseProgram, type Print } from "../../lib/cli/program.ts";
import {
  acceptV1Option,
  compressionOption,
  compressionSampleSizeOption,
  controlPortOption,
  dscpOption,
  engineOption,
  GROUPS,
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
import { addAskCommands, type AskCommand } from "./ask_options.ts";
import {
  BALANCE_FLAGS,
  balanceOption,
  type BalanceOptions,
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
  checkShare,
  dnsOption,
  killSwitchOption,
  onceOption,
  policyRoutingOption,
  renewEveryOption,
  serverChoiceOption,
  serverOption,
  serversOption,
  shareOption,
  TUN_NAME,
  tunOption,
} from "./bond_options.ts";
import type { BondOptions } from "./bond_option_values.ts";
import { addDiagCommands, type DiagCommand } from "./diag_options.ts";
import {
  bypassCgroupOption,
  bypassMarkOption,
  bypassOption,
  checkDestinations,
  onlyOption,
} from "./destinations.ts";
import { chosenServers, pairLinks, parseAddresses, parseInterfaces } from "./link_choice.ts";
import { linkOption, linkRules, rateOption } from "./link_rules.ts";
import { EXAMPLES } from "./help_examples.ts";
import { rewriteServerPort } from "./server_port.ts";
import { addServiceCommands, type RestoreCommand, type ServiceCommand } from "./service_options.ts";
import {
  applySettings,
  besideFlags,
  recordFlags,
  type SettingRow,
  settingRows,
  type Settings,
  settingsSchema,
} from "./settings.ts";
import { proxyOption, transportOption, transportOptions } from "./transport_options.ts";
import type { SchedulerName } from "../../lib/protocol/wire/scheduler_name.ts";

export const CLIENT_PROGRAM = "fluxify-client";

export type { BondOptions };

/** What a screen or a wizard begins with: the flags, and what the settings file says besides. */
export interface StartOptions extends Pick<TunnelOptions, "logLevel" | "logFormat"> {
  settings: Settings;
}

/** Serves the page beside whatever runs. */
interface WebCommand extends Pick<TunnelOptions, "logLevel" | "logFormat"> {
  command: "web";
  instance: string;
  page: PageOptions;
}

export type ClientCommand =
  | { command: "bond"; options: BondOptions }
  | { command: "balance"; options: BalanceOptions }
  /** The form; "at once": it is started as the settings say, and the form comes when it stops. */
  | { command: "start"; options: StartOptions; begins?: "at once" }
  | { command: "setup"; options: StartOptions }
  | DiagCommand
  | { command: "config"; rows: readonly SettingRow[]; format: "text" | "json" }
  | { command: "schema"; schema: unknown }
  | WebCommand
  | AskCommand
  | ServiceCommand
  | RestoreCommand
  | CompletionCommand
  | Print;

/** What a client spreads packets by; a server without a wish of its own does as its clients. */
const DEFAULT_SCHEDULER: SchedulerName = "aggregate";

/** Flags of earlier programs, and what they are called here. */
const SUCCESSORS = {
  client: "cert",
  interfaces: "ifaces",
  control: "ctrl",
  "control-port": "ctrl",
};

/**
 * Reads the arguments behind the program's name. `home` is the home of the user who called sudo:
 * `~` in paths stands for it. `settings` are those of the settings file: flags win over them.
 */
export function parseClientOptions(
  argv: readonly string[],
  home: string,
  settings: Settings = new Map(),
  helpWidth?: number,
): ClientCommand {
  return parseProgram<ClientCommand>(
    (accept) => buildClientProgram(accept, home, settings),
    rewriteServerPort(argv),
    SUCCESSORS,
    helpWidth,
  );
}

/** For what describes the options: nothing is done with what it would parse. */
export function describeClientProgram() {
  return buildClientProgram(() => {}, "~", new Map());
}

function buildClientProgram(accept: Accept<ClientCommand>, home: string, file: Settings) {
  const program = new Command(CLIENT_PROGRAM)
    .description(
      "Carries this machine's traffic over several links at once: to a fluxify-server (-b), or " +
        "without a server, each connection over one of them (-l).",
    )
    .version(VERSION, "--version", "show the version")
    .helpOption("-h, --help", "show this help")
    .enablePositionalOptions()
    .addOption(new Option("-b, --bond", "bonding mode: one tunnel over all links")
      .helpGroup(GROUPS.connection))
    .addOption(new Option("-l, --load-balance", "load-balance mode: no server, no tunnel")
      .helpGroup(GROUPS.connection))
    .addOption(serverOption())
    .addOption(serversOption())
    .addOption(serverChoiceOption())
    .addOption(controlPortOption())
    .addOption(
      new Option(
        "--ifaces <list>",
        "links to use, as in eth0,wlan0: 2 to 16, with -l 2 to 63 (default: all that work)",
      )
        .helpGroup(GROUPS.links)
        .argParser(parseInterfaces),
    )
    .addOption(
      new Option("--ips <list>", "source addresses, in the order of -ifaces; items may be empty")
        .helpGroup(GROUPS.links)
        .argParser(parseAddresses),
    )
    .addOption(
      new Option("--pki <folder>", "folder of the certificate, in the home of who called sudo")
        .helpGroup(GROUPS.connection).default("~/.fluxify").argParser(pathFor("-pki")),
    )
    .addOption(
      new Option(
        "--cert <file>",
        "bundle, or certificate with its key and CA beside it (default: the only one in -pki)",
      )
        .helpGroup(GROUPS.connection)
        .argParser(pathFor("-cert")),
    )
    .addOption(
      new Option(
        "--mtu <bytes>",
        "MTU of the tunnel, 576 to 9000; 0 is 1400, less when a link is smaller",
      )
        .helpGroup(GROUPS.tuning).default(0).argParser(integerIn("-mtu", 576, 9000, 0)),
    )
    .addOption(reorderBufferSizeOption())
    .addOption(reorderFlushTimeoutOption())
    .addOption(engineOption())
    .addOption(schedulerOption(DEFAULT_SCHEDULER))
    .addOption(compressionOption())
    .addOption(compressionSampleSizeOption())
    .addOption(dscpOption())
    .addOption(probePmtudOption())
    .addOption(rekeyEveryOption())
    .addOption(onceOption())
    .addOption(renewEveryOption())
    .addOption(acceptV1Option("servers"))
    .addOption(transportOption())
    .addOption(proxyOption())
    .addOption(dnsOption())
    .addOption(killSwitchOption())
    .addOption(policyRoutingOption())
    .addOption(tunOption())
    .addOption(nameOption("-tun"))
    .addOption(socketGroupOption())
    .addOption(shareOption())
    .addOption(bypassOption())
    .addOption(bypassCgroupOption())
    .addOption(bypassMarkOption())
    .addOption(onlyOption())
    .addOption(rateOption())
    .addOption(linkOption())
    .addOption(balanceOption())
    .addOption(weightsOption())
    .addOption(healthIntervalOption())
    .addOption(healthTargetOption())
    .addOption(statusEveryOption())
    .addOption(externalIpUrlOption())
    .addOption(metricsListenOption())
    .addOption(webOption())
    .addOption(webCertOption())
    .addOption(webKeyOption())
    .addOption(webHostsOption())
    .addOption(new Option("--ui", "show a live full-screen status").helpGroup(GROUPS.output))
    .addOption(verboseOption())
    .addOption(logJsonOption())
    .addHelpText("after", EXAMPLES)
    .action(() => {
      const given = givenFlags(program);
      const isModeGiven = program.opts().bond || program.opts().loadBalance;
      if (isModeGiven) applySettings(program, file);
      const raw = program.opts();
      const { own, device } = instanceOptions(program, "tun", raw, raw.tun);
      if (raw.bond && raw.loadBalance) {
        throw new UsageError("-b and -l are two modes: give one of them");
      }
      if (raw.loadBalance) {
        refuseFlags(given, BOND_FLAGS, "-l");
        const weights = raw.weights ?? null;
        const interfaces = checkBalancedInterfaces(raw.ifaces ?? []);
        checkWeights(raw.balance, weights, interfaces);
        const { uses } = linkRules(raw, interfaces);
        accept({
          command: "balance",
          options: {
            interfaces,
            balance: raw.balance,
            uses,
            once: raw.once === true,
            weights,
            healthIntervalMs: raw.healthInterval,
            healthTargets: raw.healthTarget ?? [],
            statusEveryMs: raw.statusEvery,
            externalIpUrl: raw.externalIpUrl ?? null,
            ui: raw.ui === true,
            ...own,
            ...logOptions(raw),
          },
        });
        return;
      }
      if (!raw.bond) return accept({ command: "start", options: startOptions() });
      refuseFlags(given, BALANCE_FLAGS, "-b");
      const servers = chosenServers(raw);
      const split = { bypass: raw.bypass ?? null, only: raw.only ?? null };
      const { killSwitch = false, policyRouting = false } = raw;
      checkDestinations({ ...split, killSwitch, policyRouting });
      const links = pairLinks(raw.ifaces ?? [], raw.ips ?? []);
      checkShare(raw.share, links.map(({ interfaceName }) => interfaceName), device);
      accept({
        command: "bond",
        options: {
          server: servers.join(","),
          ...{ servers, serverChoice: raw.serverChoice },
          links,
          ...linkRules(raw, links.map(({ interfaceName }) => interfaceName)),
          pkiFolder: expandHome(raw.pki, home),
          certFile: raw.cert === undefined ? null : expandHome(raw.cert, home),
          tunName: device,
          tunMtu: raw.mtu === 0 ? null : raw.mtu,
          once: raw.once === true,
          renewEveryMs: raw.renewEvery,
          dnsServers: raw.dns ?? [],
          killSwitch,
          policyRouting,
          share: raw.share,
          ...{
            ...split,
            bypassCgroups: raw.bypassCgroup ?? [],
            bypassMark: raw.bypassMark ?? null,
          },
          ...transportOptions(raw),
          ui: raw.ui === true,
          statusEveryMs: raw.statusEvery,
          ...own,
          ...tunnelOptions({ ...raw, scheduler: raw.scheduler ?? DEFAULT_SCHEDULER }),
        },
      });
    });

  const refuseAll = (command: string) => {
    const useless = givenFlags(program)[0];
    if (useless) throw new UsageError(`${useless} means nothing before '${command}'`);
  };
  const flags = recordFlags(program);
  const startOptions = (more: Settings = new Map()): StartOptions => {
    const given = new Map([...flags, ...more]);
    return {
      settings: new Map([...besideFlags(file, new Set(given.keys())), ...given]),
      ...logOptions(program.opts()),
    };
  };

  program.command("setup")
    .description("ask for mode, server, certificate and links, save them, and start")
    .action(() => accept({ command: "setup", options: startOptions() }));
  addDiagCommands(program, accept, startOptions);
  program.command("config")
    .description("show the settings in force, and where each comes from")
    .option("--json", "write JSON")
    .option("--schema", "write the schema of the settings file")
    .action((raw) => {
      if (raw.schema) return accept({ command: "schema", schema: settingsSchema(program) });
      applySettings(program, file);
      const rows = settingRows(program, flags, file);
      accept({ command: "config", rows, format: raw.json ? "json" : "text" });
    });
  addServiceCommands(program, accept, refuseAll);
  addWebCommand(program, "127.0.0.1:8078", ({ name, ...own }) => {
    refuseAll("web");
    accept({ command: "web", instance: name ?? TUN_NAME, ...own });
  });
  addAskCommands(program, accept, refuseAll);
  addCompletionCommands(program, accept);
  return program;
}

function refuseFlags(given: readonly string[], foreign: readonly string[], mode: string): void {
  const useless = given.find((flag) => foreign.includes(flag));
  if (useless !== undefined) throw new UsageError(`${useless} means nothing with ${mode}`);
}
