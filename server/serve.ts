/**
 * Runs the server: certificates, data plane, addresses, NAT, control plane, in this order, and takes
 * all of it back in the reverse order, whatever ends it.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../lib/cli/log.ts";
import { calledAs, inWordsOfCaller } from "../lib/cli/called_as.ts";
import { RecentLog } from "../lib/cli/log_lines.ts";
import { inspectHost, refuseObstacle } from "../lib/cli/preflight.ts";
import { EADDRINUSE, SyscallError } from "../lib/ffi/libc/errno.ts";
import { Libc } from "../lib/ffi/libc/libc.ts";
import { SystemRunner } from "../lib/host/command/runner.ts";
import type { Engine, EngineEvent } from "../lib/net/engine.ts";
import { type StartedEngine, startEngine } from "../lib/net/start_engine.ts";
import { listInterfaces, requireInterface } from "../lib/host/links/network_interface.ts";
import { HostJournal, restoreStale } from "../lib/host/journal/host_journal.ts";
import { ServiceManager } from "../lib/host/service/service_manager.ts";
import { watchRules } from "../lib/host/journal/rule_watch.ts";
import { TunKeeper } from "../lib/host/links/tun_keeper.ts";
import { openServerPki, type ServerPki } from "../lib/pki/server_pki.ts";
import type { HangUps } from "./certificates/hang_ups.ts";
import { leadToNetworks, openClients } from "./clients/open_clients.ts";
import { nextStep } from "./certificates/next_step.ts";
import { CredentialReload } from "./certificates/reload.ts";
import { tlsNotice } from "../lib/pki/tls/open_tls.ts";
import { startControlPlane } from "./control_plane.ts";
import { Drain } from "./drain.ts";
import { handleEngineEvent, noteMachine } from "./events.ts";
import { dropCounts } from "../lib/status/bond_status.ts";
import { describeDrops, metricsLines } from "../lib/status/metrics_line.ts";
import { removeForwardsTo } from "./forwards/forward_file.ts";
import { keepForwards } from "./forwards/keep_forwards.ts";
import { keepTun } from "./keep_tun.ts";
import { changeHost } from "./host_changes.ts";
import { openMapping } from "./mapping/mapping_grant.ts";
import { type ServeOptions, SERVER_PROGRAM } from "./options.ts";
import { openObservers } from "./observers.ts";
import { certificateCheck, withStore } from "./sessions/certificate_check.ts";
import { ForeignSources } from "./sessions/foreign_sources.ts";
import { watchLastSeen } from "./sessions/last_seen_watch.ts";
import { SessionRegistry } from "./sessions/session_registry.ts";
import { SharedCertificates } from "./sessions/shared_certificates.ts";
import { threadsFor } from "./threads_option.ts";
import type { DataStreams } from "./transport/data_streams.ts";
import { nameOfPeer, openDataStreams, withPeers } from "./transport/relayed_peers.ts";
import { openStore } from "./store/open_store.ts";
import type { ServerStore } from "./store/server_store.ts";
import { TUN_MTU, TUN_NAME } from "./tun.ts";

/** Other servers are to know what is revoked here within a second. */
const CERTIFICATE_CHECK_MS = 250;
const RENEWAL_CHECK_MS = 86_400_000;
const FOREIGN_CHECK_MS = 10_000;

const log = getLogger([LOG_CATEGORY, "server"]);

/**
 * Serves until `signal` is aborted; reads its certificates again for each of `hangUps`.
 * @throws Error that says what to do, everything undone.
 */
export async function serve(
  options: ServeOptions,
  signal: AbortSignal,
  hangUps: HangUps,
): Promise<void> {
  using recent = new RecentLog();
  refuseObstacle(inspectHost());
  const libc = Libc.open();
  libc.forbidCoreDumps();
  const manager = ServiceManager.open(() => libc);
  const runner = new SystemRunner();
  const warn = (line: string) => log.warn("{line}", { line });
  if (options.egressInterface !== null) {
    requireInterface(await listInterfaces(runner), options.egressInterface);
  }
  // A client's kill switch is not the server's to lift.
  for (const line of await restoreStale(runner, undefined, { lasting: "leave" })) {
    log.warn("{line}", { line });
  }
  const pki = await openPki(options);

  await using stack = new AsyncDisposableStack();
  let ready = false;
  stack.defer(() => {
    if (ready) log.info("stopped");
  });
  const faults = Promise.withResolvers<never>();
  faults.promise.catch(() => {}); // awaited below, unless the start fails first
  const shared = new SharedCertificates();
  const streams = openDataStreams(options, libc, stack);
  const { engine, reason, registry, store, checkCertificates } = await startDataPlane(
    ...[options, libc, pki, stack, shared, streams, faults.reject] as const,
  );
  stack.use(manager.watch(() => engine.answer()));
  const clients = stack.use(
    await openClients({ directory: options.pkiFolder, engine, registry, store }),
  );
  stack.use(store.shareSettings(clients.settings));

  const journal = await HostJournal.open({ program: SERVER_PROGRAM, runner });
  stack.defer(async () => {
    for (const error of await journal.undoAll()) log.error("{error}", { error });
    for (const notice of journal.notices) log.warn("{notice}", { notice });
  });
  // No client's packet may come before the rules, nor after them when it all ends: the kernel would
  // remember its connection as one that needs no masquerading.
  const tun = new TunKeeper(runner, options.tunName);
  for (const line of await changeHost(journal, tun, options)) log.warn("{line}", { line });
  stack.use(keepTun(tun));
  stack.use(watchRules(journal, warn));
  stack.use(await leadToNetworks({ ...options, ...clients, journal }));
  stack.defer(() => registry.endAll());
  const sessions = () => registry.sessions;
  const drain = stack.use(
    new Drain({ engine, sessions, changed: (isDraining) => store.setDraining(isDraining) }),
  );
  const mapping = openMapping(options, libc, warn);
  if (mapping !== null) stack.use(mapping);
  const control = stack.use(
    await startControlPlane(options, pki, { registry, store, shared, mapping, streams, drain }),
  );
  const forwards = stack.use(await keepForwards(options, journal, registry, control));

  stack.use(await watchLastSeen({ directory: options.pkiFolder, engine, warn }));
  stack.adopt(setInterval(checkCertificates, CERTIFICATE_CHECK_MS), clearInterval);
  const reload = new CredentialReload({ ...options, control, revocations: pki.revocations }, pki);
  stack.adopt(setInterval(() => renewCertificate(reload), RENEWAL_CHECK_MS), clearInterval);
  stack.use(hangUps.answerWith(() => reloadCertificates(reload, checkCertificates)));
  const foreign = new ForeignSources(engine.drops);
  const lookAtForeign = () => {
    const line = foreign.look();
    if (line !== null) log.warn("{line}", { line });
  };
  stack.adopt(setInterval(lookAtForeign, FOREIGN_CHECK_MS), clearInterval);
  if (options.metricsEveryMs !== null) {
    const named = withPeers(engine, streams);
    stack.adopt(setInterval(() => logMetrics(named), options.metricsEveryMs), clearInterval);
  }
  const parts = { options, engine, registry, control, recent, forwards, clients, streams };
  stack.use(await openObservers({ ...parts, store, drain }));
  log.info("{reason}", { reason });
  const notice = tlsNotice();
  if (notice !== null) log.warn("{notice}", { notice });
  log.info(
    `fluxify-server is ready: clients connect to TCP ${control.port} and UDP ` +
      `${describePorts(options)}; ` +
      `${options.tunName} has ${describeAddresses(options, tun)}`,
  );
  const step = nextStep(await pki.listClients(new Date()), options);
  if (step !== null) {
    const word = calledAs(SERVER_PROGRAM);
    log.info("{step}", { step: inWordsOfCaller(step, SERVER_PROGRAM, word) });
  }
  ready = true;
  manager.ready(`takes clients on TCP ${control.port} and UDP ${describePorts(options)}`);
  await Promise.race([aborted(signal), faults.promise]);
  manager.stopping();
  log.info("stopping: clients are told, routes and firewall rules go back");
}

function describePorts({ port, publicPort }: Pick<ServeOptions, "port" | "publicPort">): string {
  return port === publicPort ? `${port}` : `${publicPort}, which has to be forwarded to ${port}`;
}

function describeAddresses({ network }: Pick<ServeOptions, "network">, tun: TunKeeper): string {
  const { ipv4, ipv6 } = network.server;
  return tun.hasIpv6 ? `${ipv4} and ${ipv6}` : ipv4;
}

async function openPki(options: ServeOptions): Promise<ServerPki> {
  const pki = await openServerPki(options.pkiFolder, {
    hosts: options.hosts,
    regenerate: options.pki === "regenerate",
    now: new Date(),
  });
  for (const line of pki.notices) log.info("{line}", { line });
  if (options.pki === "regenerate") {
    const line = await removeForwardsTo(options.pkiFolder, () => true);
    if (line !== null) log.info("{line}", { line });
  }
  return pki;
}

/** The engine, and the sessions with the addresses they had before; `stack` ends them. */
async function startDataPlane(
  options: ServeOptions,
  libc: Libc,
  { revocations }: ServerPki,
  stack: AsyncDisposableStack,
  shared: SharedCertificates,
  streams: DataStreams,
  fail: (error: Error) => void,
): Promise<
  Omit<StartedEngine, "name"> & {
    registry: SessionRegistry;
    store: ServerStore;
    checkCertificates: () => void;
  }
> {
  const store = stack.use(
    await openStore({
      directory: options.pkiFolder,
      network: options.network,
      revocations,
      nats: options.store,
      instance: options.instance === TUN_NAME ? null : options.instance,
      warn: (line) => log.warn("{line}", { line }),
    }),
  );
  const onEvent = (event: EngineEvent) => {
    const named = nameOfPeer(event, streams);
    noteMachine(named, registry, shared);
    handleEngineEvent(named, registry, fail);
  };
  const { engine, reason } = await startServerEngine(options, libc, onEvent);
  stack.use(engine);
  const registry = new SessionRegistry({
    engine,
    udpPort: options.publicPort,
    udpHosts: options.publicHosts,
    mtu: TUN_MTU,
    reorderBufferSize: options.reorderBufferSize,
    reorderFlushTimeoutMs: options.reorderFlushTimeoutMs,
    tuning: options.tuning,
    network: options.network,
    random: (into) => crypto.getRandomValues(into),
    addresses: store.addresses,
    clientsMax: options.clientsMax,
    onLeases: () => store.leasesChanged(),
    onHeard: (name) => store.heard(name),
  });
  const checkCertificates = checkOf({ revocations }, registry, streams, store);
  store.follow({
    sessions: () => registry.size,
    end: (name, why) => {
      if (registry.endOf(name)) log.info("session of {name} ended: {why}", { name, why });
    },
    endRevoked: checkCertificates,
  });
  return { engine, reason, registry, store, checkCertificates };
}

async function startServerEngine(
  options: ServeOptions,
  libc: Libc,
  onEvent: (event: EngineEvent) => void,
): Promise<StartedEngine> {
  try {
    return await startEngine(options.engine, {
      libc,
      tunName: options.tunName,
      role: { kind: "server", port: options.port },
      threads: threadsFor(options.threads, navigator.hardwareConcurrency),
      server: options.network.server,
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

function checkOf(
  { revocations }: Pick<ServerPki, "revocations">,
  registry: SessionRegistry,
  streams: DataStreams,
  store: ServerStore,
): () => void {
  return certificateCheck({
    revocations: withStore(revocations, store),
    registry,
    streams,
    nowMs: () => Date.now(),
    problem: (problem) => log.error("{problem}", { problem }),
    revoked: (name) => log.info("session of {name} ended: its certificate was revoked", { name }),
    expired: (name) =>
      log.info(
        'session of {name} ended: its certificate has expired; "fluxify-server cert revoke {name}" ' +
          'and "fluxify-server cert new {name}" make a new one',
        { name },
      ),
  });
}

/** Never rejects. */
async function reloadCertificates(
  reload: CredentialReload,
  checkCertificates: () => void,
): Promise<void> {
  try {
    checkCertificates();
    const { line, notices } = await reload.run(new Date());
    for (const notice of notices) log.info("{notice}", { notice });
    log.info("{line}", { line });
  } catch (error) {
    log.error("{error}", { error });
  }
}

/** A server may run for longer than its certificate is valid. Never rejects. */
async function renewCertificate(reload: CredentialReload): Promise<void> {
  try {
    const reloaded = await reload.runWhenDue(new Date());
    if (reloaded === null) return;
    for (const notice of reloaded.notices) log.warn("{notice}", { notice });
    log.info("{line}", { line: reloaded.line });
  } catch (error) {
    log.error("{error}", { error });
  }
}

async function logMetrics(engine: Pick<Engine, "report" | "drops">): Promise<void> {
  try {
    for (const session of await engine.report()) {
      for (const entry of metricsLines(session)) log.info("{line}", { ...entry });
    }
    log.info("dropped: {drops}", { drops: describeDrops(dropCounts(engine)) });
  } catch (error) {
    log.debug("Cannot report: {error}", { error });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
