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
import type { Engine } from "../../lib/net/engine/engine.ts";
import { startEngine } from "../../lib/net/engine/start_engine.ts";
import { isLoopback } from "../../lib/net/interface/address.ts";
import { isOwnAddress, listInterfaces } from "../../lib/net/interface/network_interface.ts";
import { HostJournal, restoreStale } from "../../lib/net/journal/host_journal.ts";
import { DefaultRoute } from "../../lib/net/route/default_route.ts";
import { ServerRoutes } from "../../lib/net/route/server_routes.ts";
import { loosenReversePath } from "../../lib/net/sysctl/reverse_path.ts";
import { configureTun } from "../../lib/net/tun_address/tun_address.ts";
import { loadClientCredentials } from "../../lib/pki/client_credentials.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";
import { backoffMs } from "../control/backoff.ts";
import { ControlError } from "../control/control_error.ts";
import { resolveServer, type ServerAddress } from "../control/resolve_server.ts";
import { BONDED_LINKS_MIN, type BondOptions, CLIENT_PROGRAM } from "../options.ts";
import { type ControlTarget, requestSession } from "./control_connection.ts";
import { LinkSet } from "./link_set.ts";
import { watchLinks } from "../link_watch.ts";
import { chooseLinks } from "./links.ts";
import { LiveSession } from "./live_session.ts";
import { chooseTunMtu } from "./tun_mtu.ts";

const TUN_NAME = "fluxify";
const TUNNEL_PREFIX4 = 24;
const TUNNEL_PREFIX6 = 64;
/** How long the first answer on the data plane may take. */
const FIRST_PATH_TIMEOUT_MS = 10_000;
/** A session's keys are renewed by a new control exchange, long before they are worn out. */
const RENEWAL_MS = 60 * 60_000;

const log = getLogger([LOG_CATEGORY, "client"]);

/** Runs until `signal` is aborted. @throws Error that says what to do, everything undone. */
export async function bond(options: BondOptions, signal: AbortSignal): Promise<void> {
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
  for (const line of await restoreStale(runner)) log.warn("{line}", { line });

  await using stack = new AsyncDisposableStack();
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {}); // awaited below, unless the start fails first
  const session = new LiveSession();
  const { engine, reason } = startEngine(options.engine, {
    libc,
    tunName: TUN_NAME,
    role: { kind: "client" },
    onEvent: (event) => {
      if (event.kind === "fault") ended.reject(new Error(event.message));
      else if (event.kind !== "path MTU") session.note(event);
    },
    workerModule: new URL(Deno.mainModule),
  });
  stack.use(engine);
  log.info("{reason}", { reason });
  const journal = await HostJournal.open({ program: CLIENT_PROGRAM, runner });
  stack.defer(async () => {
    for (const error of await journal.undoAll()) log.error("{error}", { error });
  });
  await loosenReversePath(journal, links.map(({ name }) => name));

  const connected = await connect(
    options,
    credentials,
    (routes, address) => new LinkSet(runner, engine, routes, links, address),
    journal,
    signal,
  );
  const client = new BondedClient(options, engine, journal, session, connected);
  await client.start(signal);
  stack.use(watchLinks(() => client.linksChanged()));
  await Promise.race([client.keepAlive(signal), ended.promise]);
  log.info("stopping: the machine's own routes are back in use");
}

interface Connected {
  readonly target: ControlTarget;
  readonly links: LinkSet;
  /** Null: the server is on this machine, and no route leads to it over a link. */
  readonly routes: ServerRoutes | null;
  readonly grant: ControlGrant;
}

/** Tries each address of the server over each link. @throws ControlError, Error. */
async function connect(
  options: BondOptions,
  credentials: ControlTarget["credentials"],
  makeLinks: (routes: ServerRoutes | null, address: ServerAddress) => LinkSet,
  journal: HostJournal,
  signal: AbortSignal,
): Promise<Connected> {
  let failure: unknown;
  for (const address of await resolveServer(options.server)) {
    const isLocal = isLoopback(address.address) ||
      isOwnAddress(await listInterfaces(journal.runner), address.address);
    const routes = isLocal ? null : new ServerRoutes(journal, address.address);
    const links = makeLinks(routes, address);
    try {
      await links.refresh(null);
      requireTwo(links, options.server);
      const target = { server: options.server, port: options.controlPort, address, credentials };
      const grant = await requestSession(target, routes, links.usable(), signal);
      return { target, links, routes, grant };
    } catch (error) {
      failure = error;
      await routes?.removeAll();
      if (!(error instanceof ControlError) || !error.retryable) throw error;
    }
  }
  throw failure;
}

function requireTwo(links: LinkSet, server: string): void {
  if (links.usable().length >= BONDED_LINKS_MIN) return;
  throw new Error(
    `Cannot bond: at least two links must lead to ${server}, and ${links.describeUnusable()}`,
  );
}

class BondedClient {
  readonly #options: BondOptions;
  readonly #engine: Engine;
  readonly #journal: HostJournal;
  readonly #session: LiveSession;
  readonly #connected: Connected;
  readonly #runner: CommandRunner;
  #addresses = "";

  constructor(
    options: BondOptions,
    engine: Engine,
    journal: HostJournal,
    session: LiveSession,
    connected: Connected,
  ) {
    this.#options = options;
    this.#engine = engine;
    this.#journal = journal;
    this.#session = session;
    this.#connected = connected;
    this.#runner = journal.runner;
  }

  /** Opens the first session and turns the traffic into it. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#open(this.#connected.grant, signal);
    if (signal.aborted) return;
    const { address } = this.#connected.target;
    if (this.#connected.routes !== null) {
      for (const line of await new DefaultRoute(this.#journal, TUN_NAME).enable()) {
        log.warn("{line}", { line });
      }
    }
    log.info(
      `fluxify-client is up: ${this.#addresses} over ${
        this.#connected.links.usable().join(", ")
      } ` +
        `to ${address.address}`,
    );
  }

  /** Something about links, addresses or routes has changed. */
  linksChanged(): void {
    this.#connected.links.refresh(this.#session.id)
      .then((isChanged) => isChanged && this.#session.nudge())
      .catch((error) => log.warn("cannot follow the links: {error}", { error }));
  }

  /** Renews the session in time, and replaces it when it is lost. */
  async keepAlive(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const event = await this.#session.lostOr(RENEWAL_MS, signal);
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
        const { target, routes, links } = this.#connected;
        if (routes !== null && links.usable().length === 0) throw new Error("no link is usable");
        const grant = await requestSession(target, routes, links.usable(), either);
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
      name: this.#connected.target.server,
    });
    grant.sessionKey.fill(0);
    this.#session.begin(grant.sessionId);
    this.#connected.links.setPort(grant.udpPort);
    await this.#connected.links.refresh(grant.sessionId);
    if (await this.#session.upWithin(FIRST_PATH_TIMEOUT_MS, signal) || signal.aborted) return;
    throw new Error(
      `Cannot reach UDP port ${grant.udpPort} of ${this.#connected.target.address.address} over any ` +
        "link, though the server answers on TCP: open the port in its firewall",
    );
  }

  async #configureTun(grant: ControlGrant): Promise<void> {
    const { clientIp: ipv4, clientIp6: ipv6 } = grant;
    const addresses = `${ipv4} and ${ipv6}`;
    if (addresses === this.#addresses) return;
    if (this.#addresses !== "") await this.#runner.run(["ip", "address", "flush", "dev", TUN_NAME]);
    const { mtu, notice } = chooseTunMtu({
      prescribed: this.#options.tunMtu,
      server: grant.mtu,
      links: this.#connected.links.mtus(),
      family: this.#connected.target.address.family,
    });
    const notices = await configureTun(this.#runner, TUN_NAME, {
      ipv4,
      prefix4: TUNNEL_PREFIX4,
      ipv6,
      prefix6: TUNNEL_PREFIX6,
      mtu,
    });
    if (notice !== null) notices.push(notice);
    for (const line of notices) log.warn("{line}", { line });
    this.#addresses = addresses;
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
