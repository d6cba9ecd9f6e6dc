/**
 * `fluxify-server`: the end of the tunnel with the public address. This file reads its command
 * line into a value; it writes nothing, opens nothing and never exits.
 */
import { Command, Option } from "@commander-js/extra-typings";
import { addCompletionCommands, type CompletionCommand } from "../lib/cli/completion_commands.ts";
import { durationMsIn } from "../lib/cli/duration.ts";
import { UsageError } from "../lib/cli/exit.ts";
import { parseInterfaceName } from "../lib/cli/host_name.ts";
import {
  type InstanceOptions,
  instanceOptions,
  metricsListenOption,
  nameOption,
  socketGroupOption,
} from "../lib/cli/instance_options.ts";
import { integerIn } from "../lib/cli/integer.ts";
import {
  type PageOptions,
  webCertOption,
  webHostsOption,
  webKeyOption,
  webOption,
} from "../lib/cli/page_options.ts";
import { addWebCommand } from "../lib/cli/web_options.ts";
import { type Accept, givenFlags, parseProgram, type Print } from "../lib/cli/program.ts";
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
  rekeyEveryOption,
  reorderBufferSizeOption,
  reorderFlushTimeoutOption,
  schedulerOption,
  type TunnelOptions,
  tunnelOptions,
  verboseOption,
} from "../lib/cli/tunnel_options.ts";
import type { MssClamp } from "../lib/host/firewall/mss_clamp.ts";
import { PKI_FOLDERS } from "../lib/pki/pki_folder.ts";
import { DEFAULT_NETWORK, TunnelNetwork } from "../lib/protocol/wire/tunnel_network.ts";
import { noRestore } from "./no_restore.ts";
import { addAskCommands, type AskCommand } from "./ask_options.ts";
import { addCertCommands, type CertCommand } from "./certificates/certificate_options.ts";
import { addClientCommands, type ClientCommand } from "./clients/client_options.ts";
import { hostsOption, jsonOption, networkOf, type SharedOptions } from "./option_values.ts";
import { parsePublicHosts } from "./host_lists.ts";
import { addForwardCommands, type ForwardCommand } from "./forwards/forward_options.ts";
import { mssClampOption } from "./mss_clamp_option.ts";
import {
  type NatsOptions,
  natsOptions,
  storeCaOption,
  storeCertOption,
  storeCredentialsOption,
  storeKeyOption,
  storeOption,
} from "./store/nats/nats_options.ts";
import { type ThreadChoice, threadsOption } from "./threads_option.ts";
import { TUN_NAME } from "./tun.ts";
import { VERSION } from "../lib/cli/version.ts";

/** Timers end at 2^31 ms. */
const METRICS_MAX_MS = 480 * 3_600_000;

/** Those that the largest network has addresses for. */
const CLIENTS_MAX = 65_533;

export const SERVER_PROGRAM = "fluxify-server";

export interface ServerOptions extends TunnelOptions, InstanceOptions {
  /** UDP port of the data plane. */
  port: number;
  /** UDP port that clients are told. */
  publicPort: number;
  /** Names and addresses clients are told for the data plane; empty: those they connect to. */
  publicHosts: string[];
  /** Name of the TUN device. */
  tunName: string;
  /** How many threads carry the data plane. */
  threads: ThreadChoice;
  /** The interface clients may leave by, or null: any but the tunnel. */
  egressInterface: string | null;
  /** Inside the tunnel. */
  network: TunnelNetwork;
  /** Clients that may be connected at a time. */
  clientsMax: number;
  /** Folder of the server's own certificate authority, or null: where one is found. */
  pkiFolder: string | null;
  /** `"regenerate"` replaces the authority: every client needs a new certificate. */
  pki: "keep" | "regenerate";
  /**
   * Names and addresses the server's certificate must be valid for. Empty: what it has is enough,
   * and a new one gets the default.
   */
  hosts: string[];
  /** Whether packets from one client to another are passed on. */
  clientsReachEachOther: boolean;
  /** What becomes of the segment size of TCP connections through the tunnel. */
  mssClamp: MssClamp;
  /** How often to log counters, or null for never. */
  metricsEveryMs: number | null;
  /** Whether metrics have the names of clients. */
  metricsPerClient: boolean;
  /** What it shares with other servers is kept there; null: it shares nothing. */
  store: NatsOptions | null;
}

/** The options of a server that knows where its authority lies. */
export type ServeOptions = ServerOptions & { pkiFolder: string };

/** The screen on which certificates are managed. */
interface ManagerOptions extends Pick<TunnelOptions, "logLevel" | "logFormat"> {
  pkiFolder: string | null;
  hosts: string[];
}

/** Serves the page beside whatever runs. */
interface WebCommand extends Pick<TunnelOptions, "logLevel" | "logFormat"> {
  command: "web";
  instance: string;
  page: PageOptions;
  pkiFolder: string | null;
  controlPort: number;
}

export type ServerCommand =
  | { command: "serve"; options: ServerOptions }
  | { command: "manage" | "setup"; options: ManagerOptions }
  | CertCommand
  | WebCommand
  | AskCommand
  | ForwardCommand
  | ClientCommand
  | CompletionCommand
  | Print;

const EXAMPLES = `
Examples:
  Serve; the first start makes the authority:
    sudo fluxify-server -hosts vpn.example.com
  A certificate for a client:
    sudo fluxify-server cert new laptop

One dash is enough: -port 8000 is --port 8000.`;

const AUTHORITY_FOLDER = `folder of the certificate authority (default: ${
  PKI_FOLDERS[0]
}, else as root ${PKI_FOLDERS[1]})`;

/** Reads the arguments behind the program's name. */
export function parseServerOptions(argv: readonly string[], helpWidth?: number): ServerCommand {
  if (argv[0] === "restore") return noRestore(SERVER_PROGRAM);
  return parseProgram<ServerCommand>(buildProgram, argv, {}, helpWidth);
}

/** For what describes the options: nothing is done with what it would parse. */
export function describeServerProgram() {
  return buildProgram(() => {});
}

function buildProgram(accept: Accept<ServerCommand>) {
  const program = new Command(SERVER_PROGRAM)
    .description("Carries the traffic of its clients, who reach it over several links at once.")
    .version(VERSION, "--version", "show the version")
    .helpOption("-h, --help", "show this help")
    .enablePositionalOptions()
    .addOption(
      new Option("--port <port>", "UDP port of the data plane")
        .helpGroup(GROUPS.connection).default(8000).argParser(integerIn("-port", 1, 65535)),
    )
    .addOption(
      new Option(
        "--public-port <port>",
        "UDP port that clients are told, where a router forwards another one (default: -port)",
      ).helpGroup(GROUPS.connection).argParser(integerIn("-public-port", 1, 65535)),
    )
    .addOption(
      new Option(
        "--public-hosts <list>",
        "names and addresses that clients are told for UDP (default: those they connect to)",
      ).helpGroup(GROUPS.connection).argParser(parsePublicHosts),
    )
    .addOption(controlPortOption())
    .addOption(
      new Option("--iface <name>", "name of the TUN device").helpGroup(GROUPS.links)
        .default(TUN_NAME).argParser((text) => parseInterfaceName("-iface", text)),
    )
    .addOption(nameOption("-iface"))
    .addOption(
      new Option(
        "--uplink <name>",
        "the interface clients may leave by, with NAT (default: any but the tunnel)",
      )
        .helpGroup(GROUPS.links)
        .argParser((text) => parseInterfaceName("-uplink", text)),
    )
    .addOption(
      new Option("--network <prefix>", "IPv4 network inside the tunnel, /16 to /29")
        .helpGroup(GROUPS.links).default(DEFAULT_NETWORK.subnet4)
        .argParser((text) => networkOf(text, DEFAULT_NETWORK.subnet6).subnet4),
    )
    .addOption(
      new Option("--network6 <prefix>", "IPv6 network inside the tunnel, /48 to /120")
        .helpGroup(GROUPS.links).default(DEFAULT_NETWORK.subnet6)
        .argParser((text) => networkOf(DEFAULT_NETWORK.subnet4, text).subnet6),
    )
    .addOption(
      new Option(
        "--max-clients <count>",
        "clients that may be connected at a time (default: as many as -network has addresses)",
      ).helpGroup(GROUPS.safety).argParser(integerIn("-max-clients", 1, CLIENTS_MAX)),
    )
    .addOption(pkiOption().helpGroup(GROUPS.connection))
    .addOption(new Option(
      "--regen",
      "make a new certificate authority: old certificates end, the old tree is kept",
    ).helpGroup(GROUPS.safety))
    .addOption(hostsOption().helpGroup(GROUPS.connection))
    .addOption(storeOption())
    .addOption(storeCredentialsOption())
    .addOption(storeCaOption())
    .addOption(storeCertOption())
    .addOption(storeKeyOption())
    .addOption(
      new Option("--clients-reach-each-other", "pass on packets from one client to another")
        .helpGroup(GROUPS.safety),
    )
    .addOption(mssClampOption())
    .addOption(reorderBufferSizeOption())
    .addOption(reorderFlushTimeoutOption())
    .addOption(
      new Option(
        "--metrics-every <time>",
        "how often to log a line per session, up to 480h; 0: never",
      )
        .helpGroup(GROUPS.output).default(0, "0").argParser(
          durationMsIn("-metrics-every", 0, METRICS_MAX_MS),
        ),
    )
    .addOption(metricsListenOption())
    .addOption(
      new Option("--metrics-per-client", "serve metrics with the names of clients as well")
        .helpGroup(GROUPS.output),
    )
    .addOption(webOption())
    .addOption(webCertOption())
    .addOption(webKeyOption())
    .addOption(webHostsOption())
    .addOption(engineOption())
    .addOption(threadsOption())
    .addOption(schedulerOption("as the client does"))
    .addOption(compressionOption())
    .addOption(compressionSampleSizeOption())
    .addOption(dscpOption())
    .addOption(rekeyEveryOption())
    .addOption(acceptV1Option("clients"))
    .addOption(socketGroupOption())
    .addOption(
      new Option("--tui", "manage certificates on a full screen; serves nobody")
        .helpGroup(GROUPS.output),
    )
    .addOption(verboseOption())
    .addOption(logJsonOption())
    .addHelpText("after", EXAMPLES)
    .action((raw) => {
      if (raw.tui) {
        refuseServeFlags("-tui", "-hosts", "-v", "-log-json");
        const options = { pkiFolder: raw.pki ?? null, hosts: [...raw.hosts], ...logOptions(raw) };
        return accept({ command: "manage", options });
      }
      const isThreaded = raw.threads !== 1;
      if (isThreaded && raw.engine === "portable") {
        throw new UsageError("-threads is of the native engine: leave out -engine portable");
      }
      const { own, device } = instanceOptions(program, "iface", raw, raw.iface);
      const network = new TunnelNetwork(raw.network, raw.network6);
      accept({
        command: "serve",
        options: {
          ...own,
          port: raw.port,
          publicPort: raw.publicPort ?? raw.port,
          publicHosts: raw.publicHosts ?? [],
          tunName: device,
          threads: raw.threads,
          egressInterface: raw.uplink ?? null,
          network,
          clientsMax: raw.maxClients ?? network.clientCount,
          pkiFolder: raw.pki ?? null,
          pki: raw.regen ? "regenerate" : "keep",
          hosts: [...raw.hosts],
          clientsReachEachOther: raw.clientsReachEachOther ?? false,
          mssClamp: raw.mssClamp,
          metricsEveryMs: raw.metricsEvery === 0 ? null : raw.metricsEvery,
          metricsPerClient: raw.metricsPerClient ?? false,
          store: natsOptions(raw),
          ...tunnelOptions(raw),
        },
      });
    });

  program.command("setup")
    .description("ask for names, ports and the first client, and make what is needed")
    .action(() => {
      refuseServeFlags("-v", "-log-json");
      const raw = program.opts();
      const options = { pkiFolder: raw.pki ?? null, hosts: [], ...logOptions(raw) };
      accept({ command: "setup", options });
    });
  addCertCommands(program, accept, {
    pkiOption,
    jsonOption,
    hostsOption,
    refuseFlags: refuseServeFlags,
    folder,
    hosts: (raw) => raw.hosts.length > 0 ? [...raw.hosts] : [...program.opts().hosts],
  });
  const shared: SharedOptions = {
    pkiOption,
    jsonOption,
    folder,
    refuseFlags: (command) => refuseFlagsBefore(command, "-pki"),
  };
  addClientCommands(program, accept, shared);
  addForwardCommands(program, accept, shared);
  addWebCommand(program, "127.0.0.1:8079", ({ name, ...own }) => {
    refuseFlagsBefore("web", "-pki", "-ctrl");
    accept({
      command: "web",
      instance: name ?? TUN_NAME,
      pkiFolder: program.opts().pki ?? null,
      controlPort: program.opts().ctrl,
      ...own,
    });
  });
  addAskCommands(program, accept, (command) => refuseFlagsBefore(command));
  addCompletionCommands(program, accept);
  return program;

  /** `-pki` may stand before `cert` as well as behind it. */
  function folder(raw: { pki?: string | undefined }): string | null {
    return raw.pki ?? program.opts().pki ?? null;
  }

  function refuseFlagsBefore(command: string, ...known: string[]) {
    const useless = givenFlags(program).find((flag) => !known.includes(flag));
    if (useless) throw new UsageError(`${useless} means nothing before '${command}'`);
  }

  function refuseServeFlags(...known: string[]) {
    const useless = givenFlags(program).find((flag) => flag !== "-pki" && !known.includes(flag));
    if (useless) {
      const to = known.includes("-tui") ? "-tui" : known.includes("-v") ? "'setup'" : "'cert'";
      throw new UsageError(`${useless} means nothing to ${to}`);
    }
  }
}

function pkiOption() {
  return new Option("--pki <folder>", AUTHORITY_FOLDER)
    .argParser(pathFor("-pki"));
}
