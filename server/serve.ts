/**
 * Runs the server: certificates, data plane, addresses, NAT, control plane, in this order, and takes
 * all of it back in the reverse order, whatever ends it.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../lib/cli/log.ts";
import { inspectHost, refuseObstacle } from "../lib/cli/preflight.ts";
import { EADDRINUSE, SyscallError } from "../lib/ffi/libc/errno.ts";
import { Libc } from "../lib/ffi/libc/libc.ts";
import { SystemRunner } from "../lib/net/command/runner.ts";
import { describeDrops, type EngineEvent } from "../lib/net/engine/engine.ts";
import { type StartedEngine, startEngine } from "../lib/net/engine/start_engine.ts";
import { listInterfaces, requireInterface } from "../lib/net/interface/network_interface.ts";
import { HostJournal, restoreStale } from "../lib/net/journal/host_journal.ts";
import { enableNat } from "../lib/net/nat/nat.ts";
import { enableForwarding } from "../lib/net/sysctl/forwarding.ts";
import { configureTun } from "../lib/net/tun_address/tun_address.ts";
import { openServerPki, type ServerPki } from "../lib/pki/server_pki.ts";
import { CONTROL_EXCHANGE_TIMEOUT_MS } from "../lib/protocol/wire/control_message.ts";
import { type ControlEvent, startControlServer } from "./control/control_server.ts";
import { metricsLine } from "./metrics.ts";
import { SERVER_PROGRAM, type ServerOptions } from "./options.ts";
import {
  SERVER_IPV4,
  SERVER_IPV6,
  TUNNEL_PREFIX4,
  TUNNEL_PREFIX6,
  TUNNEL_SUBNET4,
  TUNNEL_SUBNET6,
} from "./sessions/address_pool.ts";
import { SessionRegistry } from "./sessions/session_registry.ts";

const TUN_NAME = "fluxify-srv";
export const TUN_MTU = 1400;
const HANDSHAKES_MAX = 64;
const REVOCATION_POLL_MS = 1000;

const log = getLogger([LOG_CATEGORY, "server"]);

/** Serves until `signal` is aborted. @throws Error that says what to do, everything undone. */
export async function serve(options: ServerOptions, signal: AbortSignal): Promise<void> {
  refuseObstacle(SERVER_PROGRAM, inspectHost());
  const libc = Libc.open();
  libc.forbidCoreDumps();
  const runner = new SystemRunner();
  if (options.egressInterface !== null) {
    requireInterface(await listInterfaces(runner), options.egressInterface);
  }
  for (const line of await restoreStale(runner)) log.warn("{line}", { line });
  const pki = await openPki(options);

  await using stack = new AsyncDisposableStack();
  const faults = Promise.withResolvers<never>();
  faults.promise.catch(() => {}); // awaited below, unless the start fails first
  const onEvent = (event: EngineEvent) => handleEngineEvent(event, registry, faults.reject);
  const { engine, reason } = startServerEngine(options, libc, onEvent);
  stack.use(engine);
  const registry = new SessionRegistry({
    engine,
    udpPort: options.port,
    mtu: TUN_MTU,
    reorderBufferSize: options.reorderBufferSize,
    reorderFlushTimeoutMs: options.reorderFlushTimeoutMs,
    tuning: options.tuning,
    random: (into) => crypto.getRandomValues(into),
  });

  const control = await startControlServer({
    port: options.controlPort,
    caPem: pki.caPem,
    certPem: pki.certPem,
    keyPem: pki.keyPem,
    isRevoked: (serialHex) => pki.revocations.isRevoked(serialHex),
    grant: (peer) => registry.grant(peer),
    log: logControlEvent,
    handshakesMax: HANDSHAKES_MAX,
    exchangeTimeoutMs: CONTROL_EXCHANGE_TIMEOUT_MS,
  });
  stack.use(control);

  const journal = await HostJournal.open({ program: SERVER_PROGRAM, runner });
  stack.defer(async () => {
    for (const error of await journal.undoAll()) log.error("{error}", { error });
  });
  await changeHost(journal, options.egressInterface);

  stack.adopt(watchRevocations(pki, registry), clearInterval);
  if (options.metricsEveryMs !== null) {
    const report = async () => {
      for (const session of await engine.report()) log.info(metricsLine(session));
      log.info("dropped: {drops}", { drops: describeDrops(engine.drops) });
    };
    stack.adopt(setInterval(report, options.metricsEveryMs), clearInterval);
  }
  log.info("{reason}", { reason });
  log.info(
    `fluxify-server is ready: clients connect to TCP ${control.port} and UDP ${options.port}; ` +
      `${TUN_NAME} has ${SERVER_IPV4} and ${SERVER_IPV6}`,
  );
  await Promise.race([aborted(signal), faults.promise]);
  log.info("stopping: clients are told, routes and firewall rules go back");
}

async function openPki(options: ServerOptions): Promise<ServerPki> {
  const pki = await openServerPki(options.pkiFolder, {
    hosts: options.hosts,
    regenerate: options.pki === "regenerate",
    now: new Date(),
  });
  for (const line of pki.notices) log.info("{line}", { line });
  return pki;
}

function startServerEngine(
  options: ServerOptions,
  libc: Libc,
  onEvent: (event: EngineEvent) => void,
): StartedEngine {
  try {
    return startEngine(options.engine, {
      libc,
      tunName: TUN_NAME,
      role: { kind: "server", port: options.port },
      onEvent,
      workerModule: new URL(Deno.mainModule),
    });
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== EADDRINUSE) throw error;
    throw new Error(
      `${error.message}; another program uses it: stop that one, or choose another with -port`,
    );
  }
}

async function changeHost(journal: HostJournal, egress: string | null): Promise<void> {
  const notices = await configureTun(journal.runner, TUN_NAME, {
    ipv4: SERVER_IPV4,
    prefix4: TUNNEL_PREFIX4,
    ipv6: SERVER_IPV6,
    prefix6: TUNNEL_PREFIX6,
    mtu: TUN_MTU,
  });
  notices.push(...await enableForwarding(journal, TUN_NAME));
  const nat = await enableNat(journal, {
    tun: TUN_NAME,
    subnet4: TUNNEL_SUBNET4,
    subnet6: TUNNEL_SUBNET6,
    ...(egress === null ? {} : { egress: [egress] }),
  });
  for (const line of [...notices, ...nat.notices]) log.warn("{line}", { line });
}

/** Ends the live sessions of certificates that are revoked while the server runs. */
function watchRevocations(
  pki: ServerPki,
  registry: SessionRegistry,
): ReturnType<typeof setInterval> {
  let problem: string | null = null;
  return setInterval(() => {
    pki.revocations.poll();
    if (pki.revocations.problem !== problem) {
      problem = pki.revocations.problem;
      if (problem !== null) log.error("{problem}", { problem });
    }
    for (const session of [...registry.sessions]) {
      if (!pki.revocations.isRevoked(session.serialHex)) continue;
      registry.end(session.id);
      log.info("session of {name} ended: its certificate was revoked", { name: session.name });
    }
  }, REVOCATION_POLL_MS);
}

function handleEngineEvent(
  event: EngineEvent,
  registry: SessionRegistry,
  fail: (error: Error) => void,
): void {
  switch (event.kind) {
    case "path changed": {
      const { name = "?" } = registry.byId(event.session) ?? {};
      log.debug("{name}: {path} from {peer} is {state}", { ...event, name, path: event.name });
      return;
    }
    case "path MTU":
      return;
    case "bye":
    case "idle": {
      const session = registry.byId(event.session);
      if (session === undefined || !registry.end(event.session)) return;
      const why = event.kind === "bye" ? "it left" : "it has been silent for 2 minutes";
      log.info("session of {name} ended: {why}", { name: session.name, why });
      return;
    }
    case "fault":
      return fail(new Error(event.message));
    default:
      event satisfies never;
  }
}

function logControlEvent(event: ControlEvent): void {
  switch (event.event) {
    case "granted":
      log.info("session for {commonName} from {remoteAddress}", { ...event });
      return;
    case "refused":
      log.warn("refused {remoteAddress}: {message}", { ...event });
      return;
    case "handshakes failed":
      log.warn("{count} handshakes failed, the last from {lastAddress}: {lastReason}", {
        ...event,
      });
      return;
    case "failed":
      log.error("control plane: cannot {what}: {reason}", { ...event });
      return;
    default:
      event satisfies never;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
