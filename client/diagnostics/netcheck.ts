/**
 * `fluxify-client netcheck`: what each link is worth. Where a client runs it is asked, as it has the
 * session of this certificate; else a session is opened for the moment, which changes no routes.
 */
import { serversOf } from "../config/server_setting.ts";
import { EXIT_FAILURE, EXIT_OK, exitCodeFor, failureText, UsageError } from "../../lib/cli/exit.ts";
import { writeTo } from "../../lib/cli/output.ts";
import { formatMs } from "../../lib/cli/screen/figures.ts";
import { formatTable } from "../../lib/cli/table.ts";
import type { InvokingUser } from "../../lib/cli/user_home.ts";
import { VERSION } from "../../lib/cli/version.ts";
import { messageOf } from "../../lib/ffi/error_text.ts";
import { Libc } from "../../lib/ffi/libc/libc.ts";
import { SystemRunner } from "../../lib/host/command/runner.ts";
import { sameAddress } from "../../lib/host/links/address.ts";
import type { PathReport } from "../../lib/net/engine.ts";
import { loadClientCredentials } from "../../lib/pki/client_credentials.ts";
import { LocalConnection, NotRunningError } from "../../lib/status/local_socket/ask.ts";
import { writeAnswer } from "../../lib/status/local_socket/ask_program.ts";
import { TUN_NAME } from "../config/bond_options.ts";
import type { NetcheckOptions } from "../config/diag_options.ts";
import { CLIENT_PROGRAM } from "../config/options.ts";
import { FEATURE_MAPPING } from "../../lib/protocol/wire/mapping_message.ts";
import { FEATURE_ANY_HOST } from "../../lib/protocol/wire/tunnel_network.ts";
import { exchange, type ExchangeOptions } from "../control/exchange.ts";
import { resolveServers } from "../control/resolve_server.ts";
import { CLIENT_SOCKETS, type ClientStatus } from "../local_socket/client_socket.ts";
import { type MachineLink, readMachineLinks } from "../screen/form/machine_link.ts";
import { DataSession } from "./data_session.ts";
import { serverOf, textOf } from "./diagnosis.ts";
import { loadBitsPerSecond, measureLoad } from "./load_checks.ts";
import { natKinds } from "./nat_kinds.ts";
import { tlsDataObstacle } from "./tls_data_check.ts";

const BITS_PER_BYTE = 8;

/** What was found of one link. Null: not known. */
interface LinkCheck {
  readonly name: string;
  /** Whether authenticated UDP went to the server and back. */
  readonly isReachable: boolean;
  readonly rttMs: number | null;
  /** The largest packet of the tunnel that it carries. */
  readonly mtuBytes: number | null;
  /** As the server sees it: address and port. */
  readonly externalAddress: string | null;
  readonly isBehindNat: boolean | null;
  /** In the words of RFC 4787, or why it is not known; null without a NAT, and where a client runs. */
  readonly natKind: string | null;
  /** What it carries each way; of a client that runs, what the server got when the link was full. */
  readonly bitsPerSecond: number | null;
  /** Why it is not reachable, or why not all is known. */
  readonly problem: string | null;
}

/** Exit code 0 when the server is reached over each link. */
export async function runNetcheck(user: InvokingUser, options: NetcheckOptions): Promise<number> {
  try {
    const links = await fromRunning(options) ?? await tryLinks(user, options);
    writeAnswer(options.format, { links }, () => netcheckLines(links));
    const isGood = links.length > 0 && links.every(({ isReachable }) => isReachable);
    return isGood ? EXIT_OK : EXIT_FAILURE;
  } catch (error) {
    writeTo(Deno.stderr, failureText(CLIENT_PROGRAM, error, "one line"));
    return exitCodeFor(error);
  }
}

export function netcheckLines(links: readonly LinkCheck[]): string[] {
  if (links.length === 0) return ["no link can be used"];
  return formatTable(
    ["LINK", "UDP", "RTT", "MTU", "RATE", "SEEN AS", ""],
    links.map((link) => [
      link.name,
      link.isReachable ? "yes" : "no",
      formatMs(link.rttMs),
      link.mtuBytes === null ? "-" : String(link.mtuBytes),
      link.bitsPerSecond === null ? "-" : `${(link.bitsPerSecond / 1e6).toFixed(1)} Mbit/s`,
      link.externalAddress === null
        ? "-"
        : link.externalAddress + (link.isBehindNat === true ? " (NAT)" : ""),
      link.problem ?? link.natKind ?? "",
    ]),
  );
}

/** Null where no client runs. */
async function fromRunning({ instance, rate }: NetcheckOptions): Promise<LinkCheck[] | null> {
  let status: ClientStatus;
  try {
    using connection = await LocalConnection.open(CLIENT_SOCKETS, instance);
    // What is known of each path is of this moment then.
    await connection.ask("ping", { count: 3 }).catch(() => {});
    status = await connection.ask("status") as ClientStatus;
  } catch (error) {
    if (error instanceof NotRunningError) return null;
    throw error;
  }
  if (status.mode !== "bonding") return null;
  if (rate === "measured") {
    throw new Error(
      "Cannot fill the links: a client runs, and has the session of this certificate; stop it first",
    );
  }
  const links = await readMachineLinks(new SystemRunner(), TUN_NAME).catch(() => []);
  return status.bond.links.map(({ name, problem, transport, transportReason }) => {
    const path = status.bond.session?.paths.find((one) => one.name === name);
    const isUp = path?.state === "up" || path?.state === "suspect";
    if (transport === "tls" && isUp) {
      return linkCheck(name, [], null, problem ?? `data goes inside TLS: ${transportReason}`);
    }
    const own = links.find((link) => link.name === name)?.addresses ?? [];
    return linkCheck(name, own, path ?? null, problem);
  });
}

type Request = Pick<ExchangeOptions, "port" | "credentials" | "features" | "clientVersion">;

/** A session of the first server that grants one. @throws ControlError of the last. */
async function firstThatGrants(servers: readonly string[], request: Request) {
  for (const [index, server] of servers.entries()) {
    try {
      const addresses = await resolveServers(server);
      const grant = await exchange({ server: addresses[0]!.host, addresses, ...request });
      return { server, addresses, grant };
    } catch (error) {
      if (index === servers.length - 1) throw error;
    }
  }
  throw new RangeError("Cannot ask for a session: no server was given");
}

/** @throws Error that says what is in the way of all links. */
async function tryLinks(user: InvokingUser, options: NetcheckOptions): Promise<LinkCheck[]> {
  const { settings, rate } = options;
  const servers = serversOf(settings);
  if (servers.length === 0) {
    throw new UsageError("netcheck needs -server HOST or -servers LIST, or saved settings");
  }
  const { pkiFolder, certFile, controlPort: port } = serverOf(user, settings);
  const wanted = textOf(settings, "ifaces")?.split(",").filter(Boolean) ?? [];
  const all = await readMachineLinks(new SystemRunner(), textOf(settings, "tun") ?? TUN_NAME);
  const links = all.filter(({ name, problem }) =>
    wanted.length === 0 ? problem === null : wanted.includes(name)
  );
  const credentials = await loadClientCredentials(pkiFolder, certFile, new Date());
  const features = ["x1", FEATURE_MAPPING, FEATURE_ANY_HOST];
  const request = { port, credentials, features, clientVersion: VERSION };
  const { server, addresses, grant } = await firstThatGrants(servers, request);
  const libc = Libc.open();
  await using session = DataSession.open(libc, server, grant);
  const unknown = await session.connect(links.filter(({ problem }) => problem === null), addresses);
  if (unknown !== null) throw new Error(`Cannot find ${unknown}, which the server names for UDP`);
  const reports = await session.reports();
  for (const fault of session.faults) throw new Error(fault);
  const answering = reports.filter(({ rttMs }) => rttMs !== null);
  const isTlsPossible = answering.length < session.ways.size &&
    await tlsDataObstacle(addresses[0]!, port, credentials) === null;
  const kinds = await natKinds(libc, session, grant.mapping ?? null, answering);
  const rates = rate === "measured" ? await ratesOf(session, answering) : null;
  const missing = wanted.filter((name) => !all.some((link) => link.name === name));
  return [
    ...links.map((link) => {
      const report = reports.find(({ name }) => name === link.name) ?? null;
      const isSilent = isTlsPossible && !answering.some(({ name }) => name === link.name);
      const problem = link.problem ?? session.refused.get(link.name) ??
        (isSilent ? "no answer over UDP; TLS would work (-transport auto)" : null);
      const natKind = kinds.get(link.name)?.text ?? null;
      const found = { ...linkCheck(link.name, link.addresses, report, problem), natKind };
      const measured = rates?.get(link.name) ?? null;
      return typeof measured === "string"
        ? { ...found, problem: measured }
        : { ...found, bitsPerSecond: measured };
    }),
    ...missing.map((name) => linkCheck(name, [], null, "is not there")),
  ];
}

/** By the link's name what it carries, or why that is not known. */
async function ratesOf(
  session: DataSession,
  reports: readonly PathReport[],
): Promise<Map<string, number | string>> {
  const rates = new Map<string, number | string>();
  const { target, use } = await session.prepareLoad(reports);
  for (const { name } of reports) {
    try {
      const isInUse = await use(name);
      rates.set(
        name,
        isInUse
          ? loadBitsPerSecond(await measureLoad(target))
          : "it did not answer as the only link",
      );
    } catch (error) {
      rates.set(name, messageOf(error));
    }
  }
  return rates;
}

export function linkCheck(
  name: string,
  own: MachineLink["addresses"],
  path: PathReport | null,
  problem: string | null,
): LinkCheck {
  const isReachable = path !== null && path.rttMs !== null && path.state !== "down";
  const seenAs = path?.seenAs ?? null;
  const host = seenAs?.slice(0, seenAs.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
  const rate = path?.deliveryRate ?? null;
  return {
    name,
    isReachable,
    rttMs: isReachable ? path.rttMinMs ?? path.rttMs : null,
    mtuBytes: isReachable ? path.mtu : null,
    externalAddress: isReachable ? seenAs : null,
    isBehindNat: !isReachable || host === undefined || own.length === 0
      ? null
      : !own.some((address) => sameAddress(address, host)),
    natKind: null,
    bitsPerSecond: isReachable && rate !== null ? rate * BITS_PER_BYTE : null,
    problem: problem ?? (isReachable ? null : "no answer over UDP"),
  };
}
