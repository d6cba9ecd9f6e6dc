/**
 * The client while it has a server: opens sessions, sends the machine's traffic into the tunnel,
 * follows the links as they come and go, and connects again when every path is lost.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { type DnsSetting, setDns } from "../../lib/host/dns/dns.ts";
import type { Engine, EngineEvent } from "../../lib/net/engine.ts";
import { sessionFeatures } from "../../lib/net/driver/features.ts";
import type { HostJournal } from "../../lib/host/journal/host_journal.ts";
import { DefaultRoute } from "../../lib/host/routes/default_route.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";
import { backoffMs } from "../control/backoff.ts";
import { ControlError } from "../control/control_error.ts";
import type { BondOptions } from "../config/options.ts";
import type { Connected } from "./connect.ts";
import { requestSession } from "./session_request.ts";
import type { LinkSet } from "./link_set.ts";
import type { LiveSession } from "./live_session.ts";
import { pause } from "./pause.ts";
import type { Protection } from "./protection.ts";
import { RepeatedLoss } from "./repeated_loss.ts";
import { TunnelAddresses } from "./tunnel_addresses.ts";
import { TunnelMtu } from "./tunnel_mtu.ts";

export const TUN_NAME = "fluxify";
/** How long the first answer on the data plane may take. */
const FIRST_PATH_TIMEOUT_MS = 10_000;

const log = getLogger([LOG_CATEGORY, "client"]);

export interface BondedClientParts {
  readonly options: BondOptions;
  readonly engine: Engine;
  readonly journal: HostJournal;
  readonly session: LiveSession;
  readonly connected: Connected;
  readonly protection: Protection;
}

export class BondedClient {
  readonly #parts: BondedClientParts;
  readonly #addresses: TunnelAddresses;
  readonly #mtu: TunnelMtu;
  readonly #repeatedLoss = new RepeatedLoss();
  #defaultRoute: DefaultRoute | null = null;
  #routesMayHaveChanged = false;
  #routesLook: Promise<void> | null = null;
  #routesProblem = "";
  #dns: DnsSetting | null = null;
  #isVersionTold = false;
  #dnsLook: Promise<void> | null = null;
  #dnsProblem = "";

  constructor(parts: BondedClientParts) {
    const { journal, connected: { links }, options } = parts;
    this.#parts = parts;
    this.#addresses = new TunnelAddresses(journal, TUN_NAME);
    this.#mtu = new TunnelMtu({
      runner: journal.runner,
      tun: TUN_NAME,
      links,
      prescribed: options.tunMtu,
      forbidsFragments: options.tuning.probeMtu,
    });
  }

  /** This machine's, inside the tunnel. */
  get addresses(): string {
    return String(this.#addresses);
  }

  /** Those of the server that the links lead to, as in `203.0.113.10 and 2001:db8:113::10`. */
  get serverAddresses(): string {
    const { links, end } = this.#parts.connected;
    const addresses = new Set(links.ways().map((way) => way.end.address));
    return [...addresses].join(" and ") || end.address;
  }

  /** `dsl has no carrier, lte is down`; empty when all links are in use. */
  describeUnusable(): string {
    return this.#parts.connected.links.describeUnusable();
  }

  /** Whether it was told that the link of that name cannot be used. */
  isUnusable(link: string): boolean {
    return this.#parts.connected.links.problems.has(link);
  }

  /** Opens the first session and turns the traffic into it. */
  async start(signal: AbortSignal): Promise<void> {
    const { journal, protection, connected: { grant, links, end } } = this.#parts;
    await this.#open(grant, signal);
    if (signal.aborted) return;
    protection.keepOnFailure();
    if (end.routes !== null) {
      const defaultRoute = new DefaultRoute(journal, TUN_NAME);
      for (const line of await defaultRoute.enable()) log.warn("{line}", { line });
      this.#defaultRoute = defaultRoute;
      await this.#setDns();
    }
    const names = links.usable().join(", ");
    log.info(`fluxify-client is up: ${this.addresses} over ${names} to ${end.address}`);
  }

  /** Something about links, addresses or routes has changed. */
  linksChanged(): void {
    const { protection, session } = this.#parts;
    this.#routesMayHaveChanged = true;
    protection.follow();
    this.#refresh(() => session.nudge());
  }

  /** A path was found to carry packets of a certain size at most. */
  pathMtuFound(event: EngineEvent & { kind: "path MTU" }): void {
    if (event.session === this.#parts.session.id) this.#mtu.noteFound(event);
  }

  /** A path works, or does not any more. */
  pathChanged(event: EngineEvent & { kind: "path changed" }): void {
    if (event.session === this.#parts.session.id) this.#mtu.notePath(event);
  }

  /** To be called regularly: what did not work before is tried anew, or in another way. */
  tryAgain(): void {
    const { session, connected: { links } } = this.#parts;
    const isUp = (path: number) => session.isPathUp(path);
    // A server that is slow to answer goes on being asked meanwhile.
    if (links.isRefreshDue(performance.now(), isUp)) this.#refresh(() => {});
  }

  /** To be called regularly: what somebody removes of the routes into the tunnel is made again. */
  keepRoutes(): void {
    if (this.#defaultRoute === null || this.#routesLook !== null) return;
    if (!this.#routesMayHaveChanged) return;
    this.#routesMayHaveChanged = false;
    this.#routesLook = this.#lookAtRoutes(this.#defaultRoute)
      .finally(() => this.#routesLook = null);
  }

  /** To be called regularly: the machine goes on asking our DNS servers, whoever writes others. */
  keepDns(): void {
    if (this.#dns === null || this.#dnsLook !== null) return;
    this.#dnsLook = this.#lookAtDns(this.#dns).finally(() => this.#dnsLook = null);
  }

  /** Resolves when what linksChanged(), keepRoutes() and keepDns() have begun is done. */
  async settled(): Promise<void> {
    await this.#dnsLook;
    await this.#routesLook;
    await this.#parts.connected.links.settled();
    await this.#mtu.settled();
  }

  /** Renews the session in time, and replaces it when it is lost. */
  async keepAlive(signal: AbortSignal): Promise<void> {
    const { session, options } = this.#parts;
    while (!signal.aborted) {
      const event = await session.lostOr(options.renewEveryMs, signal);
      if (event === "stopped") return;
      if (event === "lost" && !session.isOver) {
        log.warn("no path answers: asking the server for a new session");
      }
      await this.#reconnect(event, signal);
    }
  }

  async #reconnect(reason: "lost" | "due", signal: AbortSignal): Promise<void> {
    const { session } = this.#parts;
    for (let failures = 1; !signal.aborted; failures++) {
      // The session may come back by itself, and the links may change, while the server is asked.
      const interruption = session.isUp ? null : session.interruption();
      const either = interruption === null ? signal : AbortSignal.any([signal, interruption]);
      try {
        await this.#open(await this.#request(either), signal);
        if (signal.aborted) return;
        log.info(reason === "lost" ? "connected again as {addresses}" : "session renewed", {
          addresses: this.addresses,
        });
        if (reason === "lost" && failures === 1) this.#noteReplaced();
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#repeatedLoss.isNetwork();
        if (!either.aborted) {
          if (error instanceof ControlError && !error.retryable) throw error;
          if (failures === 1) log.warn("cannot connect, trying on: {error}", { error });
          else log.debug("attempt {failures}: {error}", { failures, error });
          await pause(backoffMs(failures, Math.random()), either);
        }
      }
      if (reason === "lost" && session.isUp) {
        log.info("the paths answer again");
        return;
      }
    }
  }

  #noteReplaced(): void {
    if (!this.#repeatedLoss.replacedAtOnce(performance.now())) return;
    log.warn(
      "the server ends the session again and again, as it does when two machines use one " +
        'certificate: give each its own with "fluxify-server cert new NAME" on the server',
    );
  }

  async #request(signal: AbortSignal): Promise<ControlGrant> {
    const { target, links, end } = this.#parts.connected;
    if (end.routes !== null && links.usable().length === 0) throw noLink(links);
    return await requestSession(target, links.ways(), end, signal);
  }

  /** Makes `grant` the session in use, and waits until one of its paths answers. */
  async #open(grant: ControlGrant, signal: AbortSignal): Promise<void> {
    const { options, engine, session, protection, connected: { links, end } } = this.#parts;
    await this.#useAddresses(grant);
    const before = session.id;
    // One that is lost has nothing to hand over; one that is renewed goes on until this one answers.
    if (before !== null && !session.isUp) engine.closeSession(before);
    engine.openSession({
      role: "client",
      id: grant.sessionId,
      key: grant.sessionKey,
      ...sessionFeatures(grant.features),
      ipv4: grant.clientIp,
      ipv6: grant.clientIp6,
      reorderBufferSize: options.reorderBufferSize,
      reorderFlushTimeoutMs: options.reorderFlushTimeoutMs,
      tuning: options.tuning,
      mtu: this.#mtu.wanted,
      name: options.server,
    });
    grant.sessionKey.fill(0);
    this.#noteVersion(grant);
    session.begin(grant.sessionId);
    links.setPort(grant.udpPort);
    await protection.allowDataPort(grant.udpPort);
    await links.refresh(grant.sessionId);
    if (await session.upWithin(FIRST_PATH_TIMEOUT_MS, signal) || signal.aborted) return;
    if (links.usable().length === 0) throw noLink(links);
    throw new Error(
      `Cannot reach UDP port ${grant.udpPort} of ${end.address} over any link, though the server ` +
        "answers on TCP: open the port in its firewall",
    );
  }

  /** Says it once when the server speaks v1. */
  #noteVersion({ features }: ControlGrant): void {
    if (this.#isVersionTold || sessionFeatures(features).x1) return;
    this.#isVersionTold = true;
    log.warn("the server speaks v1, which has no protection against replays: bring it up to date");
  }

  /** Looks at the links, and calls `onChange` when one came, went or leads elsewhere. */
  #refresh(onChange: () => void): void {
    const { session, connected: { links } } = this.#parts;
    links.refresh(session.id)
      .then((isChanged) => {
        if (isChanged) onChange();
        // The MTU of an interface may be all that is new.
        this.#mtu.follow();
      })
      .catch((error) => log.warn("cannot follow the links: {error}", { error }));
  }

  async #setDns(): Promise<void> {
    const { journal, options: { dnsServers: servers } } = this.#parts;
    if (servers.length === 0) return;
    this.#dns = await setDns(journal, { tun: TUN_NAME, servers });
    log.info(`DNS servers: ${servers.join(", ")} (set in ${this.#dns.place})`);
  }

  async #lookAtRoutes(defaultRoute: DefaultRoute): Promise<void> {
    try {
      for (const line of await defaultRoute.follow()) log.warn("{line}", { line });
      this.#routesProblem = "";
    } catch (error) {
      this.#routesMayHaveChanged = true;
      if (this.#routesProblem === String(error)) return;
      this.#routesProblem = String(error);
      log.error("cannot keep the routes into the tunnel: {error}", { error });
    }
  }

  async #lookAtDns(dns: DnsSetting): Promise<void> {
    try {
      const line = await dns.look();
      if (line !== null) log.info("{line}", { line });
      this.#dnsProblem = "";
    } catch (error) {
      if (this.#dnsProblem === String(error)) return;
      this.#dnsProblem = String(error);
      log.warn("cannot keep the DNS servers: {error}", { error });
    }
  }

  async #useAddresses(grant: ControlGrant): Promise<void> {
    const notices = await this.#addresses.use(grant, () => this.#mtu.begin(grant.mtu));
    for (const line of notices) log.warn("{line}", { line });
  }
}

function noLink(links: Pick<LinkSet, "describeUnusable">): Error {
  return new Error(`Cannot reach the server over any link: ${links.describeUnusable()}`);
}
