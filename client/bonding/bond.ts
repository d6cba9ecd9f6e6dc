/**
 * Bonding mode: one tunnel over all links. Connects, sends the machine's traffic into the tunnel,
 * follows the links as they come and go, and connects again when every path is lost. Whatever ends
 * it, the machine's own routes are back afterwards.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { inspectHost, refuseObstacle } from "../../lib/cli/preflight.ts";
import { Libc } from "../../lib/ffi/libc/libc.ts";
import { type CommandRunner, SystemRunner } from "../../lib/net/command/runner.ts";
import { setDns } from "../../lib/net/dns/dns.ts";
import type { Engine, EngineEvent } from "../../lib/net/engine/engine.ts";
import { startEngine } from "../../lib/net/engine/start_engine.ts";
import { listInterfaces } from "../../lib/net/interface/network_interface.ts";
import { HostJournal, restoreStale } from "../../lib/net/journal/host_journal.ts";
import { DefaultRoute } from "../../lib/net/route/default_route.ts";
import { LinkTables } from "../../lib/net/route/link_tables.ts";
import { loosenReversePath } from "../../lib/net/sysctl/reverse_path.ts";
import { configureTun } from "../../lib/net/tun_address/tun_address.ts";
import { loadClientCredentials } from "../../lib/pki/client_credentials.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";
import { backoffMs } from "../control/backoff.ts";
import { ControlError } from "../control/control_error.ts";
import { type BondOptions, CLIENT_PROGRAM } from "../options.ts";
import type { BondObserver } from "./bond_observer.ts";
import { connect, type Connected } from "./connect.ts";
import { requestSession } from "./control_connection.ts";
import { LinkSet } from "./link_set.ts";
import { watchLinks } from "../link_watch.ts";
import { chooseLinks } from "./links.ts";
import { LiveSession } from "./live_session.ts";
import { findServer, Protection } from "./protection.ts";
import { showStatus } from "./show_status.ts";
import { TunnelMtu } from "./tunnel_mtu.ts";

const TUN_NAME = "fluxify";
const TUNNEL_PREFIX4 = 24;
const TUNNEL_PREFIX6 = 64;
/** How long the first answer on the data plane may take. */
const FIRST_PATH_TIMEOUT_MS = 10_000;
/** What the kernel tells of one change to a link comes within so long. */
const LINKS_SETTLE_MS = 30;
const OTHER_ADDRESS_CHECK_MS = 1000;

const log = getLogger([LOG_CATEGORY, "client"]);

/** Runs until `signal` is aborted. @throws Error that says what to do, everything undone. */
export async function bond(
  options: BondOptions,
  signal: AbortSignal,
  observer?: BondObserver,
): Promise<void> {
  refuseObstacle(CLIENT_PROGRAM, inspectHost());
  const libc = Libc.open();
  libc.forbidCoreDumps();
  const runner = new SystemRunner();
  const credentials = await loadClientCredentials(
    options.pkiFolder,
    options.certFile ?? undefined,
    new Date(),
  );
  for (const line of credentials.notices) log.warn("{line}", { line });
  const links = chooseLinks(options.links, await listInterfaces(runner), TUN_NAME);
  if (!options.killSwitch) {
    for (const line of await restoreStale(runner)) log.warn("{line}", { line });
  }

  await using stack = new AsyncDisposableStack();
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {}); // awaited below, unless the start fails first
  const session = new LiveSession();
  let client: BondedClient | null = null;
  const { engine, reason } = startEngine(options.engine, {
    libc,
    tunName: TUN_NAME,
    role: { kind: "client" },
    onEvent: (event) => {
      if (event.kind === "fault") ended.reject(new Error(event.message));
      else if (event.kind === "path MTU") client?.pathMtuFound(event);
      else session.note(event);
    },
    workerModule: new URL(Deno.mainModule),
  });
  stack.use(engine);
  stack.use(showStatus(engine, options.statusEveryMs));
  log.info("{reason}", { reason });
  const journal = await HostJournal.open({ program: CLIENT_PROGRAM, runner });
  const protection = new Protection(journal, options);
  stack.defer(() => protection.end(signal.aborted ? "stopped" : "failed"));
  await protection.takeOver();
  const addresses = await findServer(options.server, journal);
  const linkNames = links.map(({ name }) => name);
  await protection.enable(TUN_NAME, linkNames, addresses);
  await loosenReversePath(journal, linkNames);

  const tables = options.policyRouting ? new LinkTables(journal, [...new Set(linkNames)]) : null;
  const forbidsFragments = options.tuning.probeMtu;
  const prepare = (name: string) => loosenReversePath(journal, [name]);

  const connected = await unlessStopped(connect({
    server: options.server,
    target: { port: options.controlPort, credentials },
    addresses,
    journal,
    makeLinks: (ends) =>
      new LinkSet({ runner, engine, links, ends, tables, prepare, forbidsFragments }),
  }, signal));
  if (connected === "stopped") return log.info("stopped before the server answered");
  const bonded = new BondedClient(options, engine, journal, session, connected, protection);
  client = bonded;
  // Before the start reads the links once more, so that nothing is missed in between.
  stack.use(watchLinks(() => bonded.linksChanged(), { settleMs: LINKS_SETTLE_MS }));
  await bonded.start(signal);
  observer?.onBonding(async () => ({
    server: options.server,
    serverAddress: connected.end.address,
    addresses: bonded.addresses,
    links: linkNames,
    session: (await engine.report()).find(({ id }) => id === session.id) ?? null,
  }));
  stack.adopt(setInterval(() => bonded.tryOtherAddresses(), OTHER_ADDRESS_CHECK_MS), clearInterval);
  await Promise.race([bonded.keepAlive(signal), ended.promise]);
  log.info("stopping: the machine's own routes are back in use");
}

class BondedClient {
  readonly #options: BondOptions;
  readonly #engine: Engine;
  readonly #journal: HostJournal;
  readonly #session: LiveSession;
  readonly #connected: Connected;
  readonly #protection: Protection;
  readonly #runner: CommandRunner;
  readonly #mtu: TunnelMtu;
  #addresses = "";

  constructor(
    options: BondOptions,
    engine: Engine,
    journal: HostJournal,
    session: LiveSession,
    connected: Connected,
    protection: Protection,
  ) {
    this.#options = options;
    this.#engine = engine;
    this.#journal = journal;
    this.#session = session;
    this.#connected = connected;
    this.#protection = protection;
    this.#runner = journal.runner;
    const { runner } = journal;
    const prescribed = options.tunMtu;
    this.#mtu = new TunnelMtu({ runner, tun: TUN_NAME, links: connected.links, prescribed });
  }

  /** This machine's, inside the tunnel. */
  get addresses(): string {
    return this.#addresses;
  }

  /** Opens the first session and turns the traffic into it. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#open(this.#connected.grant, signal);
    if (signal.aborted) return;
    this.#protection.keepOnFailure();
    const { end } = this.#connected;
    if (end.routes !== null) {
      for (const line of await new DefaultRoute(this.#journal, TUN_NAME).enable()) {
        log.warn("{line}", { line });
      }
      await this.#setDns();
    }
    log.info(
      `fluxify-client is up: ${this.#addresses} over ${
        this.#connected.links.usable().join(", ")
      } ` +
        `to ${end.address}`,
    );
  }

  /** Something about links, addresses or routes has changed. */
  linksChanged(): void {
    this.#protection.follow();
    this.#connected.links.refresh(this.#session.id)
      .then((isChanged) => {
        if (!isChanged) return;
        this.#session.nudge();
        this.#mtu.follow();
      })
      .catch((error) => log.warn("cannot follow the links: {error}", { error }));
  }

  /** A path was found to carry packets of a certain size at most. */
  pathMtuFound(event: EngineEvent & { kind: "path MTU" }): void {
    if (event.session === this.#session.id) this.#mtu.noteFound(event);
  }

  /** To be called regularly. */
  tryOtherAddresses(): void {
    const isUp = (path: number) => this.#session.isPathUp(path);
    if (this.#connected.links.giveUpSilent(performance.now(), isUp)) this.linksChanged();
  }

  /** Renews the session in time, and replaces it when it is lost. */
  async keepAlive(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const event = await this.#session.lostOr(this.#options.renewEveryMs, signal);
      if (event === "stopped") return;
      if (event === "lost") log.warn("no path answers: asking the server for a new session");
      await this.#reconnect(event, signal);
    }
  }

  async #reconnect(reason: "lost" | "due", signal: AbortSignal): Promise<void> {
    for (let failures = 1; !signal.aborted; failures++) {
      // The session may come back by itself, and the links may change, while the server is asked.
      const interruption = reason === "lost" ? this.#session.interruption() : null;
      const either = interruption === null ? signal : AbortSignal.any([signal, interruption]);
      try {
        const { target, links, end } = this.#connected;
        if (end.routes !== null && links.usable().length === 0) {
          throw new Error("no link is usable");
        }
        const grant = await requestSession(target, links.ways(), end, either);
        await this.#open(grant, signal);
        log.info(reason === "lost" ? "connected again as {addresses}" : "session renewed", {
          addresses: this.#addresses,
        });
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!either.aborted) {
          if (error instanceof ControlError && !error.retryable) throw error;
          if (failures === 1) log.warn("cannot connect, trying on: {error}", { error });
          else log.debug("attempt {failures}: {error}", { failures, error });
          await pause(backoffMs(failures, Math.random()), either);
        }
      }
      if (reason === "lost" && this.#session.isUp) {
        log.info("the paths answer again");
        return;
      }
    }
  }

  /** Makes `grant` the session in use, and waits until one of its paths answers. */
  async #open(grant: ControlGrant, signal: AbortSignal): Promise<void> {
    await this.#configureTun(grant);
    const before = this.#session.id;
    // One that is lost has nothing to hand over; one that is renewed goes on until this one answers.
    if (before !== null && !this.#session.isUp) this.#engine.closeSession(before);
    this.#engine.openSession({
      role: "client",
      id: grant.sessionId,
      key: grant.sessionKey,
      x1: grant.features.includes("x1"),
      ipv4: grant.clientIp,
      ipv6: grant.clientIp6,
      reorderBufferSize: this.#options.reorderBufferSize,
      reorderFlushTimeoutMs: this.#options.reorderFlushTimeoutMs,
      tuning: this.#options.tuning,
      mtu: this.#mtu.wanted,
      name: this.#options.server,
    });
    grant.sessionKey.fill(0);
    this.#session.begin(grant.sessionId);
    this.#connected.links.setPort(grant.udpPort);
    await this.#protection.allowDataPort(grant.udpPort);
    await this.#connected.links.refresh(grant.sessionId);
    if (await this.#session.upWithin(FIRST_PATH_TIMEOUT_MS, signal) || signal.aborted) return;
    throw new Error(
      `Cannot reach UDP port ${grant.udpPort} of ${this.#connected.end.address} over any ` +
        "link, though the server answers on TCP: open the port in its firewall",
    );
  }

  async #setDns(): Promise<void> {
    const { dnsServers: servers } = this.#options;
    if (servers.length === 0) return;
    const place = await setDns(this.#journal, { tun: TUN_NAME, servers });
    log.info(`DNS servers: ${servers.join(", ")} (set in ${place})`);
  }

  async #configureTun(grant: ControlGrant): Promise<void> {
    const { clientIp: ipv4, clientIp6: ipv6 } = grant;
    const addresses = `${ipv4} and ${ipv6}`;
    if (addresses === this.#addresses) return;
    if (this.#addresses !== "") await this.#runner.run(["ip", "address", "flush", "dev", TUN_NAME]);
    const notices = await configureTun(this.#runner, TUN_NAME, {
      ipv4,
      prefix4: TUNNEL_PREFIX4,
      ipv6,
      prefix6: TUNNEL_PREFIX6,
      mtu: this.#mtu.begin(grant.mtu),
    });
    for (const line of notices) log.warn("{line}", { line });
    this.#addresses = addresses;
  }
}

/** To stop while the server is asked is no failure. */
async function unlessStopped<T>(asked: Promise<T>): Promise<T | "stopped"> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ControlError && error.code === "aborted") return "stopped";
    throw error;
  }
}

/** Waits, at most until `signal` is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (signal.aborted) resolve();
  return promise.finally(() => clearTimeout(timer));
}
