/**
 * The client in bonding mode: gets a session from the server over whatever link leads there, sends the
 * machine's traffic into the tunnel, and follows the links as they come and go.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { Libc } from "../../lib/ffi/libc/libc.ts";
import { linkOfPath, type LinkTransport } from "../../lib/status/bond_status.ts";
import type { Engine, EngineEvent } from "../../lib/net/engine.ts";
import type { HostJournal } from "../../lib/host/journal/host_journal.ts";
import type { BondOptions } from "../config/options.ts";
import { answerWithin, resolveHost } from "../control/resolve_server.ts";
import type { ConnectProgress } from "./connect_progress.ts";
import { FirstAnswers } from "./first_answers.ts";
import type { LinkSet } from "./link_set.ts";
import type { LiveSession } from "./live_session.ts";
import type { Protection } from "./protection.ts";
import type { ServerPool } from "./servers/server_pool.ts";
import { ServerWatch } from "./servers/server_watch.ts";
import { SessionKeeper } from "./session_keeper.ts";
import { SessionOpening } from "./session_opening.ts";
import type { SessionRequests } from "./session_request.ts";
import { TunnelAddresses } from "./tunnel_addresses.ts";
import { TunMtuKeeper } from "./tun_mtu_keeper.ts";
import { TunnelTraffic } from "./tunnel_traffic.ts";
import { type CarriedRecords, V1SessionWatch } from "./v1_session_watch.ts";

/** Of a destination that was named: the routes wait for the answer. */
const NAME_TIMEOUT_MS = 5000;

const log = getLogger([LOG_CATEGORY, "client"]);

export interface BondedClientParts {
  readonly options: BondOptions;
  readonly engine: Engine;
  readonly journal: HostJournal;
  readonly session: LiveSession;
  readonly links: LinkSet;
  readonly endpoints: ServerPool;
  readonly requests: SessionRequests;
  readonly protection: Protection;
  readonly progress: ConnectProgress;
  /** Whether another client runs on this machine, which may have its traffic. */
  readonly hasCompany: boolean;
  /** Missing: DNS answers of programs are not looked at. */
  readonly libc?: Libc;
}

export class BondedClient {
  readonly #parts: BondedClientParts;
  readonly #addresses: TunnelAddresses;
  readonly #mtu: TunMtuKeeper;
  readonly #traffic: TunnelTraffic;
  readonly #opening: SessionOpening;
  readonly #servers: ServerWatch;
  readonly #keeper: SessionKeeper;
  readonly #firstAnswers = new FirstAnswers();
  readonly #v1Watch = new V1SessionWatch();
  #isReading = false;

  constructor(parts: BondedClientParts) {
    const { journal, links, options } = parts;
    this.#parts = parts;
    this.#addresses = new TunnelAddresses(journal, options.tunName);
    this.#mtu = new TunMtuKeeper({
      runner: journal.runner,
      tun: options.tunName,
      links,
      prescribed: options.tunMtu,
      forbidsFragments: options.tuning.probeMtu,
    });
    this.#traffic = new TunnelTraffic(journal, {
      tun: options.tunName,
      dnsServers: options.dnsServers,
      bypass: options.bypass,
      only: options.only,
      bypassMark: options.bypassMark,
      bypassCgroups: options.bypassCgroups,
      lookUp: (name) => answerWithin(resolveHost(name, "the destination"), name, NAME_TIMEOUT_MS),
      libc: parts.libc ?? null,
      letOut: (networks) => parts.protection.letOut(networks),
      whenTaken: parts.hasCompany ? "go behind" : "refuse",
      share: options.share,
      killSwitch: options.killSwitch,
      routedPrefixes: () => this.#opening.routedPrefixes,
      serverAddresses: () => parts.endpoints.both.map(({ address }) => address),
      keepAddresses: () => this.#addresses.keep(() => this.#mtu.current),
    });
    const own = { addresses: this.#addresses, mtu: this.#mtu, tun: options.tunName };
    const servers = this.#servers = new ServerWatch({ ...parts, pool: parts.endpoints });
    const measureServers = () => servers.measure();
    const opening = this.#opening = new SessionOpening({
      ...{ ...parts, ...own, measureServers },
      onRoutedPrefixes: () => this.#traffic.followRoutedPrefixes(),
    });
    this.#keeper = new SessionKeeper({ ...parts, opening, addresses: this.#addresses });
  }

  /** This machine's, inside the tunnel. */
  get addresses(): string {
    return String(this.#addresses);
  }

  /** Those of the server that the links lead to, as in `203.0.113.10 and 2001:db8:113::10`. */
  get serverAddresses(): string {
    return this.#parts.links.serverAddresses;
  }

  /** Names of the links, in the user's order. */
  get links(): readonly string[] {
    return this.#parts.links.names;
  }

  /** By name, why links cannot be used. */
  get problems(): ReadonlyMap<string, string> {
    return this.#parts.links.problems;
  }

  /** As LinkSet.transportOf(). */
  transportOf(link: string): LinkTransport {
    return this.#parts.links.transportOf(link);
  }

  /** As TunnelTraffic.useDns(). */
  useDns(servers: readonly string[]): Promise<void> {
    return this.#traffic.useDns(servers);
  }

  /** As isExpectedDown(), of the links in use. */
  isExpectedDown(path: string): boolean {
    return isExpectedDown(path, this.#parts.links);
  }

  /**
   * Gets the first session and turns the traffic into it. @throws Error that says what keeps it from
   * that.
   */
  async start(signal: AbortSignal): Promise<void> {
    const endpoint = await this.#keeper.connect(signal);
    if (endpoint === null) return;
    if (endpoint.routes !== null) await this.#traffic.turnIn();
    this.#parts.protection.keepOnFailure();
    this.#parts.progress.finish();
    log.info(
      `fluxify-client is up: ${this.addresses} over ${this.#describeLinks()} to ` +
        this.serverAddresses,
    );
  }

  /** Renews the session in time, and replaces it when it is lost. */
  keepAlive(signal: AbortSignal): Promise<void> {
    return this.#keeper.keepAlive(signal);
  }

  /** Something about links, addresses or routes has changed. */
  linksChanged(wentDown: ReadonlySet<string>): void {
    const { protection, session } = this.#parts;
    // Paths of links that are gone end with that, at once.
    this.#refresh(() => session.nudge(), wentDown);
    this.#traffic.changed();
    protection.follow();
  }

  /**
   * The links are these from now on, by name; the session goes on over those that stay.
   * @throws InterfaceError for what cannot be.
   */
  useLinks(names: readonly string[]): void {
    const { session, links } = this.#parts;
    links.choose(names);
    this.#refresh(() => session.nudge());
  }

  /** A path was found to carry packets of a certain size at most. */
  pathMtuFound(event: EngineEvent & { kind: "path MTU" }): void {
    const { session, links } = this.#parts;
    if (event.session !== session.latestId) return;
    this.#mtu.noteFound({ ...event, path: links.linkIdOf(event.path) });
  }

  /** The server of a session is about to stop. */
  askedToLeave(event: EngineEvent & { kind: "asked to leave" }): void {
    if (event.session === this.#parts.session.id) this.#servers.askedToLeave();
  }

  /** A path works, or does not any more. */
  pathChanged(event: EngineEvent & { kind: "path changed" }): void {
    const { session, links } = this.#parts;
    const path = links.linkIdOf(event.path);
    // One of several paths of a link that is gone says nothing of the others.
    const isNews = path === event.path || event.state === "up";
    if (event.session === session.latestId && isNews) this.#mtu.notePath({ ...event, path });
    if (event.session === session.id && event.state === "down") this.#pathWentDown(event.name);
    if (event.session === session.latestId && event.state === "up") this.#lookAtPaths();
  }

  /**
   * To be called regularly: what did not work before is tried anew, or in another way, and what others
   * have taken away of our routes and DNS servers is put back.
   */
  check(): void {
    const nowMs = performance.now();
    this.#lookAtPaths();
    this.#servers.check(nowMs);
    this.#opening.check(nowMs);
    this.#tellOfFirstAnswers(nowMs);
    this.#watchV1(nowMs);
    this.#watchTransport();
    this.#traffic.check();
  }

  /** Resolves when what was begun beside it is done, or given up where that takes its time. */
  async end(): Promise<void> {
    await this.#servers.end();
    await this.#opening.end();
    await this.#traffic.settled();
    await this.#parts.links.settled();
    await this.#mtu.settled();
  }

  #lookAtPaths(): void {
    const { session, links } = this.#parts;
    const isUp = session.isHeld ? (path: number) => session.isPathUp(path) : null;
    // A server that is slow to answer goes on being asked meanwhile.
    if (links.isRefreshDue(performance.now(), isUp)) this.#refresh(() => {});
  }

  /** Looks at the links, and calls `onChange` when one came, went or leads elsewhere. */
  #refresh(onChange: () => void, wentDown?: ReadonlySet<string>): void {
    const { session, links } = this.#parts;
    const before = links.names.filter((name) => links.hasPath(name));
    links.refresh(session.latestId, wentDown)
      .then(async (isChanged) => {
        if (isChanged) onChange();
        const lost = before.find((name) => !links.hasPath(name));
        if (lost !== undefined) this.#pathWentDown(lost);
        // The MTU of an interface may be all that is new.
        this.#mtu.follow();
        await this.#opening.cover();
      })
      .catch((error) => log.warn("cannot follow the links: {error}", { error }));
  }

  /** `dsl, lte (wan has no carrier; no answer over cable yet)`: names first those that work. */
  #describeLinks(): string {
    const { links, session } = this.#parts;
    const usable = links.usable();
    const answering = links.answering((path) => session.isPathUp(path));
    const [up, silent] = [true, false].map((isUp) =>
      usable.filter(({ name }) => answering.has(name) === isUp).map(({ name }) => name)
    );
    const notes = [
      ...(silent!.length > 0 ? [`no answer over ${silent!.join(", ")} yet`] : []),
      ...(links.problems.size > 0 ? [links.describeUnusable()] : []),
    ];
    return `${up!.join(", ")}${notes.length > 0 ? ` (${notes.join("; ")})` : ""}`;
  }

  /** A v1 server would go on sending over it. */
  #pathWentDown(link: string): void {
    const { session } = this.#parts;
    if (!this.#opening.isV1 || !session.isUp) return;
    if (!this.#v1Watch.pathWentDown(performance.now())) return;
    log.info("a v1 server goes on using link {link}: asking for a new session", { link });
    session.renewNow();
  }

  #watchV1(nowMs: number): void {
    const { engine, session } = this.#parts;
    const { id } = session;
    if (!this.#opening.isV1 || !session.isUp || id === null) return;
    engine.report().then((reports) => {
      const paths = reports.find((one) => one.id === id)?.paths;
      if (paths === undefined || session.id !== id) return;
      const sum = (field: keyof CarriedRecords) =>
        paths.reduce((total, path) => total + path[field], 0);
      const carried = {
        sentPackets: sum("sentPackets"),
        sentBytes: sum("sentBytes"),
        receivedPackets: sum("receivedPackets"),
        receivedBytes: sum("receivedBytes"),
      };
      if (!this.#v1Watch.carried(id, carried, nowMs)) return;
      log.warn("the v1 server answers, but sends no packets: asking for a new session");
      session.renewNow();
    }).catch((error) => log.debug("{error}", { error }));
  }

  /** A network may slow UDP down, and let TLS pass. */
  #watchTransport(): void {
    const { engine, session, links } = this.#parts;
    const { id } = session;
    const isWatched = links.watchesTransport && !this.#opening.isV1;
    if (!isWatched || !session.isUp || id === null || this.#isReading) return;
    this.#isReading = true;
    engine.report().then((reports) => {
      const paths = reports.find((one) => one.id === id)?.paths;
      if (paths === undefined || session.id !== id) return;
      if (links.lookAtPaths(paths, performance.now())) this.#refresh(() => {});
    }).catch((error) => log.debug("{error}", { error })).finally(() => this.#isReading = false);
  }

  #tellOfFirstAnswers(nowMs: number): void {
    const { links, session, endpoints } = this.#parts;
    if (!session.isUp) return;
    for (const name of links.names) if (!links.hasPath(name)) this.#firstAnswers.hasNoPath(name);
    const answering = links.answering((path) => session.isPathUp(path));
    for (const { name, endpoint } of links.usable()) {
      if (!links.hasPath(name)) continue;
      if (!this.#firstAnswers.hasPath(name, answering.has(name), nowMs)) continue;
      const where = endpoints.all.length > 1 ? "the server" : endpoint.address;
      log.warn(
        `link ${name}: ${where} has never answered over it; it may not lead to the internet, or ` +
          "its provider may let only another source address pass (-ips)",
      );
    }
  }
}

/**
 * Whether nothing is amiss when the path of that name goes down: why was told of its link, it is none any
 * more, or the path stood in for another one and is not needed.
 */
export function isExpectedDown(
  path: string,
  links: Pick<LinkSet, "names" | "problems" | "hasStream">,
): boolean {
  const link = linkOfPath(path);
  if (links.problems.has(link) || !links.names.includes(link)) return true;
  return link !== path && !links.hasStream(link);
}
