/** The way to the server, step by step: name, TCP over each link, TLS, certificate, data. */
import { messageOf } from "../../lib/ffi/error_text.ts";
import { VERSION } from "../../lib/cli/version.ts";
import { Libc } from "../../lib/ffi/libc/libc.ts";
import { probeTcp } from "../../lib/ffi/linux/tcp_probe.ts";
import { familyOf } from "../../lib/host/links/address.ts";
import type { PathReport } from "../../lib/net/engine.ts";
import { formatDate } from "../../lib/pki/certificate.ts";
import { type ClientCredentials, loadClientCredentials } from "../../lib/pki/client_credentials.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";
import { FEATURE_MAPPING } from "../../lib/protocol/wire/mapping_message.ts";
import { FEATURE_ANY_HOST } from "../../lib/protocol/wire/tunnel_network.ts";
import { splitAdvice } from "../control/advice.ts";
import { behindProxy } from "../bonding/client_transport.ts";
import { ControlError } from "../control/control_error.ts";
import { exchange } from "../control/exchange.ts";
import { type NamedAddress, resolveServers } from "../control/resolve_server.ts";
import { loadChecks } from "./load_checks.ts";
import { externalChecks } from "./external_checks.ts";
import { natKinds } from "./nat_kinds.ts";
import type { ProxySetting } from "../transport/proxy_setting.ts";
import type { MachineLink } from "../screen/form/machine_link.ts";
import { type Check, checksOf, failedBy } from "./check.ts";
import { DATA_TIMEOUT_MS, DataSession } from "./data_session.ts";
import { tlsDataObstacle } from "./tls_data_check.ts";

const TCP_TIMEOUT_MS = 3_000;
const EXPIRES_SOON_DAYS = 30;
/** Of the error object that answers a revoked certificate. */
const REVOKED_CODE = "revoked";
/** Above this, the wait for missing packets should be longer than it is by default. */
const FAR_MS = 150;

export interface ServerTarget {
  /** Each is the names and addresses of one. */
  readonly servers: readonly string[];
  readonly controlPort: number;
  /** What they are reached through; null: nothing. */
  readonly proxy: ProxySetting | null;
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
  const libc = Libc.open();
  const { proxy, servers } = target;
  if (proxy !== null) return yield* throughProxy(libc, proxy, target, credentials);
  for (const server of servers) yield* wayTo(libc, server, target, credentials);
}

/** What a client with -proxy does: everything inside TLS, through it. */
async function* throughProxy(
  libc: Libc,
  proxy: ProxySetting,
  target: ServerTarget,
  credentials: ClientCredentials | null,
): AsyncGenerator<Check> {
  const found = yield* nameChecks(proxy.host, "-proxy");
  if (found.length === 0) return;
  const way = {
    ...{ section: "TCP to the proxy", port: proxy.port, links: target.links },
    advice: "check -proxy, and that this network lets the link reach the proxy",
  };
  yield* tcpChecks(libc, way, found);
  if (credentials === null) return;
  for (const server of target.servers) {
    const addresses = behindProxy(found, server);
    const grant = yield* tlsCheck(target, addresses, credentials);
    if (grant === null) continue;
    // It was asked for to see whether there is one; the server lets it fall idle.
    grant.sessionKey.fill(0);
    const { controlPort } = target;
    const obstacle = await tlsDataObstacle(addresses[0]!, controlPort, credentials, proxy);
    const { ok, failed } = checksOf("TLS and session");
    yield obstacle === null
      ? ok("data inside TLS", `${addresses[0]!.host} takes it through the proxy`)
      : failed("data inside TLS", obstacle, "without it nothing goes through a proxy");
  }
  const { leftOut } = checksOf("UDP to the data port");
  yield leftOut("UDP", "with -proxy everything goes inside TLS");
}

async function* wayTo(
  libc: Libc,
  server: string,
  target: ServerTarget,
  credentials: ClientCredentials | null,
): AsyncGenerator<Check> {
  const addresses = yield* nameChecks(server);
  if (addresses.length === 0) return;
  const { controlPort: port, links } = target;
  const way = {
    ...{ section: "TCP to the control port", port, links },
    advice: `open TCP ${port} on the server, and check that fluxify-server runs there`,
  };
  yield* tcpChecks(libc, way, addresses);
  if (credentials === null) return;
  const grant = yield* tlsCheck(target, addresses, credentials);
  if (grant === null) return;
  const obstacle = await tlsDataObstacle(addresses[0]!, target.controlPort, credentials);
  const { ok, warning } = checksOf("TLS and session");
  yield obstacle === null
    ? ok("data inside TLS", "the server takes it, where UDP is blocked")
    : warning("data inside TLS", obstacle, "without it the client needs UDP");
  yield* dataChecks(libc, server, target, addresses, grant, obstacle === null);
}

async function* certificateChecks(
  { pkiFolder, certFile }: ServerTarget,
): AsyncGenerator<Check, ClientCredentials | null> {
  const { ok, warning } = checksOf("Certificate");
  try {
    const credentials = await loadClientCredentials(pkiFolder, certFile, new Date());
    const { commonName, caName, notAfter, source, notices } = credentials;
    const issuer = caName === "" ? "an authority without a name" : caName;
    yield ok("chain, key and usage", `${commonName}, issued by ${issuer}, from ${source}`);
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
  server: string,
  flags = "-server or -servers",
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
    yield failed(
      server,
      message,
      `check the name given with ${flags}, and 'getent hosts NAME'`,
    );
    return [];
  }
}

async function* tcpChecks(
  libc: Libc,
  { section, port, links, advice }: {
    readonly section: string;
    readonly port: number;
    readonly links: readonly MachineLink[];
    readonly advice: string;
  },
  addresses: readonly NamedAddress[],
): AsyncGenerator<Check> {
  const { ok, failed, leftOut } = checksOf(section);
  for (const { name, addresses: own } of links) {
    for (const { address } of addresses) {
      if (!own.some((one) => familyOf(one) === familyOf(address))) {
        yield leftOut(name, `no IPv${familyOf(address)} address to reach ${address} from`);
        continue;
      }
      const what = `${name} to ${address} port ${port}`;
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
  { controlPort: port, isClientRunning, proxy }: ServerTarget,
  addresses: readonly NamedAddress[],
  credentials: ClientCredentials,
): AsyncGenerator<Check, ControlGrant | null> {
  const { ok, leftOut } = checksOf("TLS and session");
  if (isClientRunning) {
    yield leftOut("handshake", "a client runs, and has the session of this certificate");
    return null;
  }
  const startMs = performance.now();
  // Both ways of TLS take this version alone; with libssl the cipher is told, too.
  let negotiated = "TLSv1.3";
  const onSecured = (text: string) => negotiated = text;
  try {
    const { host } = addresses[0]!;
    const features = ["x1", FEATURE_MAPPING, FEATURE_ANY_HOST];
    const options = { port, proxy, credentials, features, clientVersion: VERSION, onSecured };
    const grant = await exchange({ server: host, addresses, ...options });
    const tookMs = Math.round(performance.now() - startMs);
    yield ok("handshake", `${negotiated}, both certificates accepted (${tookMs} ms)`);
    yield ok("revocation", "the server says that the certificate is not revoked");
    yield ok("session", `${grant.clientIp} and ${grant.clientIp6}, data on UDP ${grant.udpPort}`);
    return grant;
  } catch (error) {
    if (error instanceof ControlError && error.serverCode !== null) {
      yield ok("handshake", `${negotiated}, both certificates accepted`);
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
  server: string,
  target: ServerTarget,
  addresses: readonly NamedAddress[],
  grant: ControlGrant,
  isTlsPossible: boolean,
): AsyncGenerator<Check> {
  const { ok, warning, failed } = checksOf("UDP to the data port");
  let opened: DataSession;
  try {
    opened = DataSession.open(libc, server, grant);
  } catch (error) {
    yield failed("engine", messageOf(error));
    return;
  }
  await using session = opened;
  const wanted = session.mtu;
  const unknown = await session.connect(target.links, addresses);
  if (unknown !== null) {
    yield failed(unknown, "the server names it for UDP, and DNS does not know it");
  }
  for (const [name, why] of session.refused) yield failed(name, why);
  const reports = await session.reports();
  for (const fault of session.faults) yield failed("engine", fault);
  for (const [id, { what }] of session.ways) {
    const report = reports.find((path) => path.id === id);
    if (report === undefined || report.rttMs === null) {
      yield failed(
        what,
        `no answer in ${DATA_TIMEOUT_MS / 1000} s${
          isTlsPossible ? ": UDP is blocked, and TLS would work (-transport auto)" : ""
        }`,
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
  const answering = reports.filter(({ id, rttMs }) => session.ways.has(id) && rttMs !== null);
  const seen = answering.map(({ id, name, seenAs }) => ({
    ...{ id, name, seenAs },
    own: session.ways.get(id)?.link.addresses ?? [],
  }));
  yield* externalChecks(seen);
  yield* (await natKinds(libc, session, grant.mapping ?? null, answering)).values();
  if (target.measuresLoad) yield* queueChecks(session, answering);
}

/** Fills one link after the other through the tunnel. */
async function* queueChecks(
  session: DataSession,
  reports: readonly PathReport[],
): AsyncGenerator<Check> {
  try {
    const { target, use } = await session.prepareLoad(reports);
    yield* loadChecks(target, reports.map(({ name }) => name), use);
  } catch (error) {
    yield failedBy("Queues under load", "fluxify-diag", error);
  }
}
