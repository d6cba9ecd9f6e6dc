/** How one session is had: asked for over the links, opened, and in use once a path of it answers. */
import { isIP } from "node:net";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { guardTunnel } from "../../lib/host/firewall/tunnel_guard.ts";
import { canonicalPrefix } from "../../lib/host/links/address.ts";
import type { HostJournal } from "../../lib/host/journal/host_journal.ts";
import type { Engine } from "../../lib/net/engine.ts";
import { sessionFeatures } from "../../lib/net/driver/features.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";
import { hostAndPort } from "../control/connection_failure.ts";
import { ControlError } from "../control/control_error.ts";
import { plainHost } from "../control/resolve_server.ts";
import type { BondOptions } from "../config/options.ts";
import type { ConnectProgress } from "./connect_progress.ts";
import type { LinkSet } from "./link_set.ts";
import type { LiveSession } from "./live_session.ts";
import type { Protection } from "./protection.ts";
import { firstGrant } from "./servers/first_grant.ts";
import type { AskingFor } from "./servers/server_choice.ts";
import type { ServerPool } from "./servers/server_pool.ts";
import type { Granted, SessionRequests } from "./session_request.ts";
import { networkOf, type TunnelAddresses } from "./tunnel_addresses.ts";
import type { TunMtuKeeper } from "./tun_mtu_keeper.ts";

/** How long the first answer on the data plane may take. */
const FIRST_PATH_TIMEOUT_MS = 10_000;
/** While the server does not answer, its name is looked up this often at the most. */
const LOOK_UP_EVERY_MS = 5000;
/** A server that has not granted a session by then is no longer waited for alone. */
const STAGGER_MS = 1500;
/** The session of a server that was moved away from goes on for so long, for what is on the way. */
const LEAVE_AFTER_MS = 3000;

const log = getLogger([LOG_CATEGORY, "client"]);

interface SessionOpeningParts {
  readonly options: BondOptions;
  readonly engine: Engine;
  readonly journal: HostJournal;
  readonly tun: string;
  readonly session: LiveSession;
  readonly links: LinkSet;
  readonly endpoints: ServerPool;
  /** Before the first session is asked for: asks the servers how they are. */
  readonly measureServers?: () => Promise<void>;
  /** A session has come with the prefixes that the server routes to this machine. */
  readonly onRoutedPrefixes: () => Promise<void>;
  readonly requests: SessionRequests;
  readonly protection: Protection;
  readonly addresses: TunnelAddresses;
  readonly mtu: TunMtuKeeper;
  readonly progress: ConnectProgress;
}

export class SessionOpening {
  readonly #parts: SessionOpeningParts;
  readonly #ended = new AbortController();
  #lookUp: Promise<void> | null = null;
  /** When the last one began that was not the first. */
  #lookedUpMs = -Infinity;
  #isVersionTold = false;
  #isStartTold = false;
  #isV1 = false;
  /** The addresses inside the tunnel that nobody on the links reaches. */
  #guarded = "";
  /** Of the data plane in use. */
  #dataPorts: readonly number[] = [];
  /** Sessions of servers that were moved away from, by id, and when they are ended. */
  readonly #leaving = new Map<number, number>();
  #routedPrefixes: readonly string[] = [];

  constructor(parts: SessionOpeningParts) {
    this.#parts = parts;
  }

  /** Whether the server of the session in use speaks v1. */
  get isV1(): boolean {
    return this.#isV1;
  }

  /** Prefixes behind this machine that the server of the session in use routes to it. */
  get routedPrefixes(): readonly string[] {
    return this.#routedPrefixes;
  }

  /** Gives up a look-up that is under way. Resolves when none is. */
  async end(): Promise<void> {
    this.#ended.abort();
    await this.#lookUp;
  }

  /** Asks for a session, of the best server that grants one. @throws ControlError, CommandError. */
  async request(signal: AbortSignal, what: AskingFor): Promise<Granted> {
    const { links, endpoints, session, measureServers } = this.#parts;
    if (endpoints.all.length === 0) await this.#lookUpFirst(signal);
    // It may have moved, and somebody else answer where it was.
    else if (!session.isUp) this.#lookUpAgain(signal);
    await links.refresh(session.id);
    this.#tellStart();
    // Before the first packet to the server.
    await this.#parts.protection.enable(this.#parts.tun, links.devices, this.#serverAddresses());
    await this.cover();
    if (links.controlRoutes().length === 0) throw noLink(links);
    if (what === "first") await measureServers?.();
    return await this.#requestFrom(endpoints.plan(what, performance.now()), signal);
  }

  /** Once, as an answer may take its time. */
  #tellStart(): void {
    const { links, options: { servers, controlPort, proxy } } = this.#parts;
    const names = links.usable().map(({ name }) => name);
    if (this.#isStartTold || names.length === 0) return;
    this.#isStartTold = true;
    const places = servers.flatMap((hosts) => hosts.split(",")).map((host) =>
      hostAndPort(plainHost(host), controlPort)
    );
    log.info("connecting to {places}{way} over {links}", {
      places: places.join(", "),
      way: proxy === null ? "" : " through the proxy",
      links: names.join(", "),
    });
  }

  async #requestFrom(servers: readonly number[], signal: AbortSignal): Promise<Granted> {
    const { endpoints, requests, links } = this.#parts;
    if (servers.length === 0) throw noLink(links);
    const attempts = servers.map((server) => async (until: AbortSignal) => {
      const routes = links.controlRoutes()
        .filter(({ endpoint }) => endpoints.indexOf(endpoint) === server);
      if (routes.length === 0) throw noLink(links);
      return await requests.request(routes, until);
    });
    return await firstGrant(attempts, {
      ...{ staggerMs: STAGGER_MS, signal, worst: worstOf },
      failed: (index, error) => this.#noteFailure(servers[index]!, error),
    });
  }

  #noteFailure(server: number, error: unknown): void {
    const { endpoints } = this.#parts;
    if (error instanceof ControlError && error.serverCode === "draining") {
      endpoints.choice.drains(server);
    } else {
      endpoints.choice.failed(server, performance.now());
    }
    if (endpoints.size === 1) return;
    log.debug("server {name}: {error}", { name: endpoints.nameOf(server), error });
  }

  async #lookUpFirst(signal: AbortSignal): Promise<void> {
    const { endpoints, progress, options } = this.#parts;
    progress.begin("resolve", options.server);
    const names = options.server.split(",").filter((host) => isIP(plainHost(host)) === 0);
    if (names.length > 0) log.info("looking up {names}", { names: names.join(", ") });
    await endpoints.lookUp(signal);
    progress.tell("resolve", endpoints.all.map(({ address }) => address).join(", "));
  }

  /** One look-up at a time, beside everything else: where DNS is dead it takes its time. */
  #lookUpAgain(until: AbortSignal): void {
    const { endpoints, session } = this.#parts;
    const signal = AbortSignal.any([until, this.#ended.signal]);
    const nowMs = performance.now();
    if (this.#lookUp !== null || nowMs - this.#lookedUpMs < LOOK_UP_EVERY_MS) return;
    this.#lookedUpMs = nowMs;
    this.#lookUp = endpoints.lookUp(signal).then((added) => {
      if (added.length === 0 || signal.aborted) return;
      const addresses = added.map(({ address }) => address).join(", ");
      log.info("the server has another address: {addresses}", { addresses });
      session.nudge();
    }).catch((error) => log.debug("{error}", { error })).finally(() => this.#lookUp = null);
  }

  /** Has the kill switch follow links and addresses. @throws CommandError. */
  async cover(): Promise<void> {
    const { links, protection } = this.#parts;
    await protection.cover(links.devices, this.#serverAddresses());
  }

  #serverAddresses(): string[] {
    return this.#parts.endpoints.both.map(({ address }) => address);
  }

  /**
   * Makes what was granted the session in use, as soon as one of its paths answers; until then, and
   * when none does, the one before goes on. Nothing is left of one that cannot be used.
   * @throws ControlError, CommandError.
   */
  async open(granted: Granted, signal: AbortSignal): Promise<void> {
    const { session, links, endpoints } = this.#parts;
    const { grant } = granted;
    const server = endpoints.indexOf(granted.endpoint);
    const usedBefore = endpoints.used;
    // Two servers may choose one number, and the engine would take both sessions for one.
    if (session.id === grant.sessionId) {
      grant.sessionKey.fill(0);
      throw takenId();
    }
    let isInUse = false;
    let tried = "";
    let isInsideTls = false;
    try {
      endpoints.use(server);
      isInUse = await this.#use(granted, signal);
    } finally {
      tried = links.serverAddresses;
      isInsideTls = links.names.some((name) => links.transportOf(name).transport === "tls");
      if (!isInUse) {
        this.#close(grant.sessionId);
        endpoints.use(usedBefore);
      }
    }
    if (isInUse) this.#noteServer(server);
    if (isInUse || signal.aborted) return;
    endpoints.choice.failed(server, performance.now());
    if (session.id !== null && session.isUp) await links.refresh(session.id);
    throw links.usable().length === 0
      ? noLink(links)
      : isInsideTls
      ? noAnswerInsideTls(tried)
      : noAnswer(grant.udpPort, tried);
  }

  #noteServer(server: number): void {
    const { endpoints } = this.#parts;
    const before = endpoints.choice.current;
    endpoints.choice.granted(server, performance.now());
    if (endpoints.size === 1 || before === server) return;
    log.info("in use: server {name}", { name: endpoints.nameOf(server) });
  }

  /** To be called regularly: says good-bye to servers that were moved away from. */
  check(nowMs: number): void {
    const due = [...this.#leaving].filter(([, atMs]) => atMs <= nowMs);
    if (due.length === 0) return;
    const { engine, protection } = this.#parts;
    for (const [id] of due) {
      this.#leaving.delete(id);
      engine.closeSession(id);
    }
    protection.allowDataPorts(this.#dataPorts)
      .catch((error) => log.warn("the kill switch cannot follow the server: {error}", { error }));
  }

  /** Returns false when no path of it answers. */
  async #use({ grant, endpoint }: Granted, signal: AbortSignal): Promise<boolean> {
    const { options, engine, session, protection, links, endpoints, addresses, mtu } = this.#parts;
    const before = session.id;
    const isLost = !session.isUp;
    mtu.begin(grant.mtu);
    // One that is lost has nothing to hand over; one that is renewed goes on until this one answers.
    if (before !== null && isLost) this.#close(before);
    const features = sessionFeatures(grant.features);
    session.expect(grant.sessionId);
    engine.openSession({
      role: "client",
      id: grant.sessionId,
      key: grant.sessionKey,
      ...features,
      ipv4: grant.clientIp,
      ipv6: grant.clientIp6,
      server: networkOf(grant).server,
      reorderBufferSize: options.reorderBufferSize,
      reorderFlushTimeoutMs: options.reorderFlushTimeoutMs,
      tuning: options.tuning,
      mtu: mtu.wanted,
      name: endpoints.nameOf(endpoints.used ?? 0),
    });
    grant.sessionKey.fill(0);
    this.#noteVersion(grant);
    // Behind a proxy there is nothing but the proxy.
    if (options.proxy === null) await endpoints.useForData(grant.udpHosts, signal);
    await this.cover();
    links.begin({
      session: grant.sessionId,
      port: grant.udpPort,
      isV1: !features.x1,
      granter: endpoint,
      how: isLost ? "anew" : "renewed",
    });
    const ports = before === null || isLost ? [] : this.#dataPorts;
    await protection.allowDataPorts([...ports, grant.udpPort]);
    await links.refresh(grant.sessionId);
    const { progress } = this.#parts;
    progress.begin("paths", `UDP ${grant.udpPort} of ${links.serverAddresses}`);
    if (!await session.provenWithin(FIRST_PATH_TIMEOUT_MS, signal)) return false;
    this.#isV1 = !features.x1;
    this.#dataPorts = [grant.udpPort];
    if (before !== null && !isLost) {
      links.forget(before);
      // A server takes a session for replaced when the client speaks on the next one of that server.
      if (endpoints.choice.current !== endpoints.used) {
        this.#leaving.set(before, performance.now() + LEAVE_AFTER_MS);
      }
    }
    progress.begin("TUN", `${grant.clientIp} and ${grant.clientIp6}`);
    // Before the device has them, so that there is no moment in which they answer on the links.
    await this.#guard([grant.clientIp, grant.clientIp6]);
    for (const line of await addresses.use(grant, () => mtu.current)) {
      log.warn("{line}", { line });
    }
    this.#routedPrefixes = routedOf(grant);
    await this.#parts.onRoutedPrefixes();
    return true;
  }

  /** Nobody on the links reaches the addresses inside the tunnel. */
  async #guard(addresses: readonly string[]): Promise<void> {
    if (this.#guarded === addresses.join()) return;
    const { journal, tun } = this.#parts;
    const notices = await guardTunnel(journal, { tun, addresses, forwarded: "anything" });
    for (const line of notices) log.warn("{line}", { line });
    this.#guarded = addresses.join();
  }

  #close(id: number): void {
    const { engine, links, session } = this.#parts;
    engine.closeSession(id);
    links.forget(id);
    session.end(id);
  }

  /** Says it once when the server speaks v1. */
  #noteVersion({ features }: ControlGrant): void {
    if (this.#isVersionTold || sessionFeatures(features).x1) return;
    this.#isVersionTold = true;
    log.warn("the server speaks v1, which has no protection against replays: bring it up to date");
  }
}

/** Those that are none are said, and left out. */
function routedOf({ routes = [] }: ControlGrant): string[] {
  return routes.flatMap((text) => {
    try {
      return [canonicalPrefix(text)];
    } catch {
      log.warn("the server routes {text} to this machine, which is no prefix", { text });
      return [];
    }
  });
}

/** What trying again may mend is what is told, if there is any. */
function worstOf(errors: readonly unknown[]): unknown {
  const isHopeful = (error: unknown) => error instanceof ControlError && error.retryable;
  return errors.find(isHopeful) ?? errors[0];
}

function takenId(): ControlError {
  return new ControlError(
    "malformed response",
    "The server has chosen a session's number that is in use",
    {
      retryable: true,
    },
  );
}

function noLink(links: Pick<LinkSet, "describeUnusable">): ControlError {
  return new ControlError(
    "no link",
    `Cannot reach the server over any link: ${links.describeUnusable() || "there is none"}`,
    { retryable: true },
  );
}

function noAnswerInsideTls(addresses: string): ControlError {
  return new ControlError(
    "no answer on the data port",
    `No answer from ${addresses} inside TLS over any link, though it grants sessions; the lines ` +
      "before say what is in the way, and the log of the server may",
    { retryable: true },
  );
}

function noAnswer(port: number, addresses: string): ControlError {
  return new ControlError(
    "no answer on the data port",
    `Cannot reach UDP port ${port} of ${addresses} over any link, though the server ` +
      "answers on TCP; open the port in its firewall",
    { retryable: true },
  );
}
