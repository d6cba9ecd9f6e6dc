/** The way to the server, step by step: name, TCP over each link, TLS, certificate, data. */
import { messageOf } from "../../lib/ffi/error_text.ts";
import { VERSION } from "../../lib/cli/version.ts";
import { Libc } from "../../lib/ffi/libc/libc.ts";
import { probeTcp } from "../../lib/ffi/linux/tcp_probe.ts";
import { configureTun } from "../../lib/host/links/tun_address.ts";
import { runChecked, SystemRunner } from "../../lib/host/command/runner.ts";
import { familyOf } from "../../lib/host/links/address.ts";
import { sessionFeatures } from "../../lib/net/driver/features.ts";
import type { Engine, EnginePath, PathReport } from "../../lib/net/engine.ts";
import { PortableEngine } from "../../lib/net/portable/portable_engine.ts";
import { formatDate } from "../../lib/pki/certificate.ts";
import { type ClientCredentials, loadClientCredentials } from "../../lib/pki/client_credentials.ts";
import { DEFAULT_TUNING } from "../../lib/protocol/session/session_tuning.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";
import { splitAdvice } from "../control/advice.ts";
import { ControlError } from "../control/control_error.ts";
import { exchange } from "../control/exchange.ts";
import { type NamedAddress, resolveServers } from "../control/resolve_server.ts";
import { loadChecks } from "./load_checks.ts";
import { externalChecks } from "./external_checks.ts";
import type { MachineLink } from "../screen/form/machine_link.ts";
import { type Check, checksOf, failedBy } from "./check.ts";

const TCP_TIMEOUT_MS = 3_000;
/** For the first answer on each path, and for the search of its size. */
const DATA_TIMEOUT_MS = 6_000;
const DATA_LOOK_MS = 100;
/** What the tunnel has as a rule. */
const TUNNEL_MTU = 1400;
const EXPIRES_SOON_DAYS = 30;
/** Every link carries it. */
const LOAD_MTU = 1280;
/** Gone with this process; the routes of the machine stay as they are. */
const TUN_NAME = "fluxify-diag";
/** Of the error object that answers a revoked certificate. */
const REVOKED_CODE = "revoked";
/** Above this, the wait for missing packets should be longer than it is by default. */
const FAR_MS = 150;

export interface ServerTarget {
  readonly server: string;
  readonly controlPort: number;
  readonly pkiFolder: string;
  readonly certFile: string | undefined;
  /** Those that can be used. */
  readonly links: readonly MachineLink[];
  /** A client that runs has the session of this certificate, which is not to be taken from it. */
  readonly isClientRunning: boolean;
  /** Whether each link is filled for a moment. */
  readonly measuresLoad: boolean;
}

export async function* serverChecks(target: ServerTarget): AsyncGenerator<Check> {
  const credentials = yield* certificateChecks(target);
  const addresses = yield* nameChecks(target);
  if (addresses.length === 0) return;
  const libc = Libc.open();
  yield* tcpChecks(libc, target, addresses);
  if (credentials === null) return;
  const grant = yield* tlsCheck(target, addresses, credentials);
  if (grant === null) return;
  yield* dataChecks(libc, target, addresses, grant);
}

async function* certificateChecks(
  { pkiFolder, certFile }: ServerTarget,
): AsyncGenerator<Check, ClientCredentials | null> {
  const { ok, warning } = checksOf("Certificate");
  try {
    const credentials = await loadClientCredentials(pkiFolder, certFile, new Date());
    const { commonName, notAfter, source, notices } = credentials;
    yield ok("chain, key and usage", `${commonName}, from ${source}`);
    const days = (notAfter.getTime() - Date.now()) / 86_400_000;
    yield days > EXPIRES_SOON_DAYS ? ok("dates", `valid until ${formatDate(notAfter)}`) : warning(
      "dates",
      `expires on ${formatDate(notAfter)}`,
      `on the server: fluxify-server cert renew ${commonName}`,
    );
    for (const notice of notices) {
      const { what, advice } = splitAdvice(notice);
      yield warning("file", what, advice ?? undefined);
    }
    return credentials;
  } catch (error) {
    yield failedBy("Certificate", "file", error);
    return null;
  }
}

async function* nameChecks(
  { server }: ServerTarget,
): AsyncGenerator<Check, readonly NamedAddress[]> {
  const { ok, failed } = checksOf("DNS");
  const startMs = performance.now();
  try {
    const addresses = await resolveServers(server);
    const tookMs = Math.round(performance.now() - startMs);
    yield ok(server, `${addresses.map(({ address }) => address).join(", ")} (${tookMs} ms)`);
    return addresses;
  } catch (error) {
    const message = messageOf(error);
    yield failed(server, message, "check the name given with -server, and 'getent hosts NAME'");
    return [];
  }
}

async function* tcpChecks(
  libc: Libc,
  { controlPort: port, links }: ServerTarget,
  addresses: readonly NamedAddress[],
): AsyncGenerator<Check> {
  const { ok, failed, leftOut } = checksOf("TCP to the control port");
  for (const { name, addresses: own } of links) {
    for (const { address } of addresses) {
      if (!own.some((one) => familyOf(one) === familyOf(address))) {
        yield leftOut(name, `no IPv${familyOf(address)} address to reach ${address} from`);
        continue;
      }
      const what = `${name} to ${address} port ${port}`;
      const advice = `open TCP ${port} on the server, and check that fluxify-server runs there`;
      try {
        const tookMs = await probeTcp(libc, {
          device: name,
          address,
          port,
          timeoutMs: TCP_TIMEOUT_MS,
        });
        yield tookMs === null
          ? failed(what, `no answer in ${TCP_TIMEOUT_MS / 1000} s`, advice)
          : ok(what, `${tookMs.toFixed(1)} ms`);
      } catch (error) {
        yield failed(what, messageOf(error), advice);
      }
    }
  }
}

/** The whole of the control plane: TLS in both directions, revocation, and a session. */
async function* tlsCheck(
  { controlPort: port, isClientRunning }: ServerTarget,
  addresses: readonly NamedAddress[],
  credentials: ClientCredentials,
): AsyncGenerator<Check, ControlGrant | null> {
  const { ok, leftOut } = checksOf("TLS and session");
  if (isClientRunning) {
    yield leftOut("handshake", "a client runs, and has the session of this certificate");
    return null;
  }
  const startMs = performance.now();
  try {
    const { host } = addresses[0]!;
    const features = ["x1"];
    const options = { port, credentials, features, clientVersion: VERSION };
    const grant = await exchange({ server: host, addresses, ...options });
    const tookMs = Math.round(performance.now() - startMs);
    yield ok("handshake", `TLS 1.3, both certificates accepted (${tookMs} ms)`);
    yield ok("revocation", "the server says that the certificate is not revoked");
    yield ok("session", `${grant.clientIp} and ${grant.clientIp6}, data on UDP ${grant.udpPort}`);
    return grant;
  } catch (error) {
    if (error instanceof ControlError && error.serverCode !== null) {
      yield ok("handshake", "TLS 1.3, both certificates accepted");
      yield failedBy(
        "TLS and session",
        error.serverCode === REVOKED_CODE ? "revocation" : "session",
        error,
      );
    } else yield failedBy("TLS and session", "handshake", error);
    return null;
  }
}

/** An authenticated round trip, and the size that fits, over each link. */
async function* dataChecks(
  libc: Libc,
  target: ServerTarget,
  addresses: readonly NamedAddress[],
  grant: ControlGrant,
): AsyncGenerator<Check> {
  const { ok, warning, failed } = checksOf("UDP to the data port");
  const wanted = Math.min(grant.mtu ?? TUNNEL_MTU, TUNNEL_MTU);
  const faults: string[] = [];
  let opened: PortableEngine;
  try {
    opened = new PortableEngine({
      libc,
      tunName: TUN_NAME,
      role: { kind: "client" },
      onEvent: (event) => {
        if (event.kind === "fault") faults.push(event.message);
      },
    });
  } catch (error) {
    // Without root there is no TUN device.
    grant.sessionKey.fill(0);
    yield failed("engine", messageOf(error));
    return;
  }
  await using engine = opened;
  engine.openSession({
    role: "client",
    id: grant.sessionId,
    key: grant.sessionKey,
    ...sessionFeatures(grant.features),
    ipv4: grant.clientIp,
    ipv6: grant.clientIp6,
    reorderBufferSize: 1,
    reorderFlushTimeoutMs: 0,
    tuning: { ...DEFAULT_TUNING, probeMtu: true },
    mtu: wanted,
    name: target.server,
  });
  grant.sessionKey.fill(0);
  const paths = new Map<number, string>();
  const ways = new Map<number, EnginePath>();
  const told = grant.udpHosts.join(",");
  const dataAddresses = told === "" ? addresses : await resolveServers(told).catch(() => []);
  if (dataAddresses.length === 0) {
    yield failed(told, "the server names it for UDP, and DNS does not know it");
  }
  for (const [id, { name, addresses: own }] of target.links.entries()) {
    const to = dataAddresses.find(({ family }) => own.some((one) => familyOf(one) === family));
    if (to === undefined) continue;
    try {
      const way = { device: name, server: to.address, port: grant.udpPort };
      ways.set(id, { id, name, ...way, forbidsFragments: true });
      engine.addPath(grant.sessionId, ways.get(id)!);
      paths.set(id, `${name} to ${to.address} port ${grant.udpPort}`);
    } catch (error) {
      yield failed(name, messageOf(error));
    }
  }
  const reports = await pathReports(engine, [...paths.keys()]);
  for (const fault of faults) yield failed("engine", fault);
  for (const [id, what] of paths) {
    const report = reports.find((path) => path.id === id);
    if (report === undefined || report.rttMs === null) {
      yield failed(
        what,
        `no answer in ${DATA_TIMEOUT_MS / 1000} s`,
        `open UDP ${grant.udpPort} on the server, and check what the provider of ${
          report?.name ?? what
        } lets through`,
      );
      continue;
    }
    // The first ones wait for the engine to get under way.
    const rttMs = report.rttMinMs ?? report.rttMs;
    const rtt = `${rttMs.toFixed(1)} ms`;
    yield rttMs > FAR_MS
      ? warning(
        what,
        rtt,
        `-reorder-flush-timeout ${Math.ceil(rttMs / 50) * 50}ms lets links this far apart add up`,
      )
      : ok(what, rtt);
    yield report.mtu === null
      ? warning(`MTU over ${report.name}`, "not found in time", "a running client goes on looking")
      : report.mtu < wanted
      ? warning(
        `MTU over ${report.name}`,
        `${report.mtu} bytes`,
        `a client lowers its packets by itself; -mtu ${report.mtu} begins with that`,
      )
      : ok(`MTU over ${report.name}`, `${report.mtu} bytes`);
  }
  const answering = reports.filter(({ id, rttMs }) => paths.has(id) && rttMs !== null);
  yield* externalChecks(
    answering.map((
      { id, name, seenAs },
    ) => ({
      ...{ name, seenAs },
      own: target.links[id]?.addresses ?? [],
    })),
  );
  if (target.measuresLoad) yield* queueChecks(engine, grant, answering, ways);
  engine.closeSession(grant.sessionId);
}

/** Fills one link after the other through the tunnel, whose device goes with this process. */
async function* queueChecks(
  engine: Engine,
  grant: ControlGrant,
  reports: readonly PathReport[],
  ways: ReadonlyMap<number, EnginePath>,
): AsyncGenerator<Check> {
  const runner = new SystemRunner();
  const { clientIp, prefix4, sessionId } = grant;
  const server = firstHost(clientIp, prefix4);
  try {
    // The server alone is reached through it, whatever networks this machine has.
    await configureTun(runner, TUN_NAME, { ipv4: clientIp, prefix4: 32, mtu: LOAD_MTU });
    await runChecked(runner, ["ip", "-4", "route", "add", `${server}/32`, "dev", TUN_NAME]);
  } catch (error) {
    yield failedBy("Queues under load", TUN_NAME, error);
    return;
  }
  const inUse = new Set(reports.map(({ id }) => id));
  const use = async (name: string) => {
    for (const id of inUse) engine.removePath(sessionId, id);
    inUse.clear();
    const way = ways.get(reports.find((one) => one.name === name)!.id)!;
    engine.addPath(sessionId, way);
    inUse.add(way.id);
    return await isUpWithin(engine, way.id, DATA_TIMEOUT_MS);
  };
  const target = { runner, tun: TUN_NAME, server };
  yield* loadChecks(target, reports.map(({ name }) => name), use);
}

/** Of the network in which `ipv4` is: the server's address in the tunnel. */
function firstHost(ipv4: string, prefixLength: number): string {
  const value = ipv4.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const first = value - value % 2 ** (32 - prefixLength) + 1;
  return [24, 16, 8, 0].map((shift) => (first >>> shift) & 0xff).join(".");
}

async function isUpWithin(engine: Engine, id: number, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const path = (await engine.report())[0]?.paths.find((one) => one.id === id);
    if (path?.state === "up") return true;
    if (performance.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, DATA_LOOK_MS));
  }
}

/** Waits until each path has answered and its size is known, or the time is up. */
async function pathReports(engine: Engine, ids: readonly number[]): Promise<readonly PathReport[]> {
  const deadline = performance.now() + DATA_TIMEOUT_MS;
  for (;;) {
    const paths = (await engine.report())[0]?.paths ?? [];
    const isDone = ids.every((id) =>
      paths.some((path) => path.id === id && path.rttMs !== null && path.mtu !== null)
    );
    if (isDone || performance.now() >= deadline) return paths;
    await new Promise((resolve) => setTimeout(resolve, DATA_LOOK_MS));
  }
}
