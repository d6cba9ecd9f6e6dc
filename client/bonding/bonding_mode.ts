/**
 * Bonding mode: one tunnel over all links. Connects, sends the machine's traffic into the tunnel,
 * follows the links as they come and go, and connects again when every path is lost. Whatever ends
 * it, the machine's own routes are back afterwards.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { inspectHost, refuseObstacle } from "../../lib/cli/preflight.ts";
import { Libc } from "../../lib/ffi/libc/libc.ts";
import { SystemRunner } from "../../lib/host/command/runner.ts";
import type { Engine } from "../../lib/net/engine.ts";
import { startEngine } from "../../lib/net/start_engine.ts";
import { HostJournal, restoreStale } from "../../lib/host/journal/host_journal.ts";
import { ServiceManager } from "../../lib/host/service/service_manager.ts";
import { watchRules } from "../../lib/host/journal/rule_watch.ts";
import { runningPrograms } from "../../lib/host/journal/running_programs.ts";
import { LinkTables } from "../../lib/host/routes/link_tables.ts";
import { loosenReversePath } from "../../lib/host/sysctl/reverse_path.ts";
import { loadClientCredentials } from "../../lib/pki/client_credentials.ts";
import { tlsNotice } from "../../lib/pki/tls/open_tls.ts";
import { FEATURE_ANY_HOST } from "../../lib/protocol/wire/tunnel_network.ts";
import { answerWithin, resolveServers } from "../control/resolve_server.ts";
import { watchLinks } from "../../lib/host/links/link_watch.ts";
import { type BondOptions, CLIENT_PROGRAM } from "../config/options.ts";
import { refuseStrangers } from "../config/link_rules.ts";
import { LearnedRates } from "../metering/learned_rates.ts";
import { LinkRules } from "../metering/link_rules.ts";
import { VolumeWatch } from "../metering/volume_watch.ts";
import { BondMonitor, type BondStatus } from "../../lib/status/bond_status.ts";
import { Refusal } from "../../lib/status/local_socket/message.ts";
import { addBond } from "../metrics/bond_metrics.ts";
import { openClientMetrics } from "../metrics/client_metrics.ts";
import { addTunnel } from "../../lib/status/metrics/common_metrics.ts";
import { openClientSocket, whileRunning } from "../local_socket/client_socket.ts";
import type { BondControls, BondObserver } from "./bond_observer.ts";
import { type BondCommandParts, bondCommands } from "./bond_commands.ts";
import { ConnectProgress } from "./connect_progress.ts";
import { DefaultKeeper } from "../default_keeper.ts";
import { BondedClient } from "./bonded_client.ts";
import { UnmatchedNames } from "../config/unmatched_names.ts";
import { LinkDefaults } from "./link_defaults.ts";
import { LinkSelection } from "./link_selection.ts";
import { LinkSet } from "./link_set.ts";
import { readSurroundings } from "./link_state.ts";
import {
  behindProxy,
  frontAddress,
  linkStreams,
  openProxy,
  openTransport,
} from "./client_transport.ts";
import type { LinkStreams } from "./link_streams.ts";
import { LiveSession } from "./live_session.ts";
import { pause } from "./pause.ts";
import { findServer, Protection } from "./protection.ts";
import { ServerLookUp } from "./server_lookup.ts";
import { ServerPool } from "./servers/server_pool.ts";
import { SessionRequests } from "./session_request.ts";
import { showStatus } from "./show_status.ts";

/** What the kernel tells of one change to a link comes within so long. */
const LINKS_SETTLE_MS = 30;
/** How often that is looked at which the kernel does not tell of. */
const CHECK_MS = 1000;
/** How often the counters are read, for the rates. */
const SAMPLE_MS = 2000;
/** How often what links carry is remembered. */
const LEARN_MS = 10_000;
/** The session waits for the names that the server tells of its data plane. */
const DATA_HOSTS_TIMEOUT_MS = 5000;
/** Such a look takes two commands. */
const KILL_SWITCH_CHECK_MS = 5000;

const log = getLogger([LOG_CATEGORY, "client"]);

/**
 * Runs until `stopped` is aborted, or somebody says so at the socket.
 * @throws Error that says what to do, everything undone.
 */
export async function bond(
  options: BondOptions,
  stopped: AbortSignal,
  observer?: BondObserver,
): Promise<void> {
  refuseObstacle(inspectHost());
  const libc = Libc.open();
  libc.forbidCoreDumps();
  const manager = ServiceManager.open(() => libc);
  const runner = new SystemRunner();
  const credentials = await loadClientCredentials(
    options.pkiFolder,
    options.certFile ?? undefined,
    new Date(),
  );
  for (const line of credentials.notices) log.warn("{line}", { line });
  const proxy = await openProxy(options);
  const progress = new ConnectProgress((steps) => observer?.onConnecting(steps));
  if (!options.killSwitch) {
    for (const line of await restoreStale(runner)) log.warn("{line}", { line });
  }

  // What is changed while it runs is in the next session.
  const live = { ...options };
  await using stack = new AsyncDisposableStack();
  const fault = new AbortController();
  const asked = new AbortController();
  const signal = AbortSignal.any([stopped, asked.signal]);
  const until = AbortSignal.any([signal, fault.signal]);
  let client: BondedClient | null = null;
  let pool: ServerPool | null = null;
  let commandParts: BondCommandParts | null = null;
  let readBond: (() => Promise<BondStatus>) | null = null;
  let isUp = false;
  stack.use(
    await openClientSocket({
      ...options,
      stop: () => asked.abort(),
      isUp: () => isUp,
      readStatus: async () => {
        if (readBond === null) throw new Refusal("not possible", "the client is starting");
        return { mode: "bonding", bond: await readBond() };
      },
      commands: bondCommands(() => whileRunning(commandParts, until)),
    }),
  );
  // It ends after the engine, whose last words it carries.
  const transport = openTransport(options, proxy, libc, credentials);
  if (transport !== null) stack.use(transport);
  const session = new LiveSession((path) => client?.isExpectedDown(path) ?? false);
  const { engine, name: engineName, reason } = await startEngine(options.engine, {
    libc,
    tunName: options.tunName,
    role: { kind: "client" },
    onEvent: (event) => {
      if (event.kind === "fault") fault.abort(new Error(event.message));
      else if (event.kind === "path MTU") client?.pathMtuFound(event);
      else if (event.kind === "asked to leave") client?.askedToLeave(event);
      else if (event.kind !== "volume" && event.kind !== "thread ended") session.note(event);
      if (event.kind === "path changed") client?.pathChanged(event);
    },
    workerModule: new URL(Deno.mainModule),
  });
  stack.use(engine);
  stack.use(manager.watch(() => engine.answer()));
  const rules = new LinkRules(options.rates, options.uses);
  const unmatched = new UnmatchedNames(() => rules.names);
  const monitor = new BondMonitor(engine, () => ({
    server: pool?.name ?? options.server,
    servers: pool?.states(performance.now()) ?? [],
    serverAddress: client?.serverAddresses ?? "",
    addresses: client?.addresses ?? "",
    engine: engineName,
    links: client?.links ?? options.links.map(({ interfaceName }) => interfaceName),
    problems: client?.problems ?? new Map(),
    ruleOf: (link) => rules.statusOf(link),
    unmatchedOf: (names) => unmatched.of(names),
    droppedInsideTls: () => transport?.dropped() ?? Promise.resolve(0),
    transportOf: (link) => client?.transportOf(link) ?? { transport: "udp", reason: null },
    sessionId: session.id,
  }), () => performance.now());
  const readStatus = readBond = () => monitor.status();
  stack.use(showStatus(readStatus, options.statusEveryMs));
  stack.use(
    await openClientMetrics(options, async (page) => {
      addBond(page, await readStatus());
      await addTunnel(page, options.tunName);
    }),
  );
  stack.adopt(setInterval(() => sample(monitor), SAMPLE_MS), clearInterval);
  log.info("{reason}", { reason });
  for (const line of rules.describe()) log.info("{line}", { line });
  const notice = tlsNotice();
  if (notice !== null) log.warn("{notice}", { notice });
  const journal = await HostJournal.open({ program: CLIENT_PROGRAM, runner });
  const protection = new Protection(journal, { ...options, ...frontAddress(options, proxy) });
  stack.defer(() => protection.end(signal.aborted ? "stopped" : "failed"));
  const company = await runningPrograms(CLIENT_PROGRAM, journal);
  if (company.length > 0 && options.killSwitch) {
    throw new Error(
      `Cannot switch on the kill switch beside ${
        company.join(" and ")
      }, whose packets it would drop: ` +
        "stop that first, or start without -kill-switch",
    );
  }
  await protection.takeOver();

  try {
    const lookUp = new ServerLookUp({
      ...{ libc, runner, protection },
      changesDns: options.dnsServers.length > 0,
    });
    await lookUp.remember();
    const { servers, serverChoice } = options;
    const find = async (hosts: string, until: AbortSignal) => {
      const isServer = servers.includes(hosts);
      const place = isServer && proxy !== null ? proxy.host : hosts;
      const resolve = () => resolveServers(place, (name) => lookUp.find(name, until));
      if (!isServer) return answerWithin(resolve(), hosts, DATA_HOSTS_TIMEOUT_MS, until);
      const found = await findServer(place, journal, until, resolve);
      return proxy === null ? found : behindProxy(found, hosts);
    };
    const endpoints = pool = new ServerPool(journal, servers, serverChoice, find);
    const learned = stack.use(await LearnedRates.open(options.instance));
    const streams = linkStreams(options, proxy, transport, endpoints);
    const links = await makeLinks(options, journal, engine, endpoints, { rules, learned, streams });
    stack.adopt(setInterval(() => learn(monitor, learned), LEARN_MS), clearInterval);
    lookUp.follow(links);
    const volumes = stack.use(
      await VolumeWatch.start({ runner, ...options, rules, onCounted: () => links.applyRules() }),
    );
    const requests = new SessionRequests({
      port: options.controlPort,
      credentials,
      features: [...engine.features, FEATURE_ANY_HOST],
      acceptsV1: options.acceptsV1,
      proxy,
      progress,
    });
    const bonded = client = new BondedClient({
      ...{
        options: live,
        engine,
        journal,
        session,
        links,
        endpoints,
        requests,
        protection,
        progress,
      },
      hasCompany: company.length > 0,
      libc,
    });
    stack.defer(() => bonded.end());
    const controls = controlsOf(live, session, bonded, rules, () => {
      links.applyRules();
      volumes.look();
    });
    commandParts = {
      ...{ engine, controls, sessionId: () => session.id },
      pause: (ms) => pause(ms, until),
    };
    // Before the links are read, so that nothing is missed in between.
    const keeper = stack.use(await DefaultKeeper.save(runner));
    const defaults = new LinkDefaults(runner, keeper, () => links.devices);
    stack.defer(() => defaults.settled());
    const follow = (wentDown: ReadonlySet<string>) => {
      bonded.linksChanged(wentDown);
      defaults.changed(wentDown).catch((error) => log.debug("{error}", { error }));
    };
    stack.use(watchLinks(follow, { settleMs: LINKS_SETTLE_MS }));
    const check = () => {
      bonded.check();
      for (const line of unmatched.look(bonded.links)) log.warn("{line}", { line });
    };
    stack.adopt(setInterval(check, CHECK_MS), clearInterval);
    stack.use(watchRules(journal, (line) => log.warn("{line}", { line })));
    stack.adopt(setInterval(() => protection.follow(), KILL_SWITCH_CHECK_MS), clearInterval);
    protection.inForce.then(() => isUp || manager.ready(`connecting to ${options.server}`));
    await bonded.start(until);
    if (!until.aborted) {
      isUp = true;
      manager.ready(`up: ${bonded.addresses} over ${bonded.links.join(", ")}`);
      observer?.onBonding(readStatus, controls);
      await bonded.keepAlive(until);
    }
  } catch (error) {
    // What failed after the engine did, failed because of it.
    if (!fault.signal.aborted) throw error;
  }
  if (!signal.aborted) fault.signal.throwIfAborted();
  manager.stopping();
  log.info("stopping");
}

/** What is tuned is in the next session, which is asked for at once; links are in the one in use. */
function controlsOf(
  live: BondOptions,
  session: LiveSession,
  client: Pick<BondedClient, "links" | "useLinks" | "useDns">,
  rules: LinkRules,
  rulesChanged: () => void,
): BondControls {
  const tune = (what: string, tuning: Partial<BondOptions["tuning"]>) => {
    log.info("{what}: renewing the session", { what });
    live.tuning = { ...live.tuning, ...tuning };
    session.renewNow();
  };
  return {
    useScheduler: (scheduler) => tune(`scheduler ${scheduler}`, { scheduler }),
    useCompression: (compression) => tune(`compression ${compression}`, { compression }),
    useDns: (servers) => client.useDns(servers),
    useRates: (rates) => {
      refuseStrangers("rate", rates.keys(), client.links);
      rules.useRates(rates);
      rulesChanged();
    },
    useUses: (uses) => {
      refuseStrangers("link", uses.keys(), client.links);
      rules.useUses(uses);
      rulesChanged();
    },
    get links() {
      return client.links;
    },
    useLinks: (names) => {
      client.useLinks(names);
      log.info("links: {names}", { names: names.join(", ") });
    },
  };
}

/** Rates are known from one reading to the next. */
function sample(monitor: BondMonitor): void {
  monitor.status().catch((error) => log.debug("cannot read the counters: {error}", { error }));
}

/** Remembers what the paths carry. */
function learn(monitor: BondMonitor, learned: LearnedRates): void {
  const nowMs = Date.now();
  monitor.status().then(({ session, links }) => {
    // What TCP carries says little of the link.
    const isByUdp = (link: string) =>
      links.some(({ name, transport }) => name === link && transport === "udp");
    for (const { name, capacity, peerCapacity, rateLimit } of session?.paths ?? []) {
      if (rateLimit === null && isByUdp(name)) learned.note(name, capacity, peerCapacity, nowMs);
    }
    learned.keep(nowMs);
  }).catch((error) => log.debug("cannot learn what links carry: {error}", { error }));
}

/** The links of the bond. @throws InterfaceError where there is nothing to bond. */
async function makeLinks(
  options: BondOptions,
  journal: HostJournal,
  engine: Engine,
  endpoints: ServerPool,
  { rules, learned, streams }: {
    rules: LinkRules;
    learned: LearnedRates;
    streams: LinkStreams | null;
  },
): Promise<LinkSet> {
  const { runner } = journal;
  const selection = new LinkSelection(options.links, options.tunName);
  for (const line of selection.check(await readSurroundings(runner, [4, 6]))) {
    log.warn("{line}", { line });
  }
  const names = selection.links.map(({ device }) => device);
  for (const [flag, named] of [["-rate", options.rates], ["-link", options.uses]] as const) {
    const stranger = named.keys().find((name) => names.length > 0 && !names.includes(name));
    if (stranger !== undefined) log.warn(`${flag} names ${stranger}, which is no link at present`);
  }
  return new LinkSet({
    ruleOf: (link, place) => {
      const rule = rules.ruleOf(link);
      return place === null ? rule : learned.startOf(link, place, rule, Date.now());
    },
    ...{ runner, engine, selection, endpoints, streams },
    tables: options.policyRouting ? new LinkTables(journal) : null,
    prepare: (device) => loosenReversePath(journal, [device]),
    forbidsFragments: options.tuning.probeMtu,
  });
}
