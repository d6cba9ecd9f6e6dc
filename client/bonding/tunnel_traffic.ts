/**
 * The machine's traffic in the tunnel: the routes into it and the DNS servers behind it, put back
 * when others take them away.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { type DnsSetting, setDns } from "../../lib/host/dns/dns.ts";
import type { HostJournal } from "../../lib/host/journal/host_journal.ts";
import { type ShareMode, TunnelShare } from "../../lib/host/firewall/tunnel_share.ts";
import { DefaultRoute, type WhenTaken } from "../../lib/host/routes/default_route.ts";
import { TunnelLeaks } from "../../lib/host/routes/tunnel_leaks.ts";
import { type SplitOptions, SplitTraffic } from "./split_traffic.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

interface TunnelTrafficOptions extends SplitOptions {
  /** Another client that runs may have the traffic; anybody else must not. */
  readonly whenTaken: WhenTaken;
  /** Whether the network behind this machine uses it, too. */
  readonly share: ShareMode;
  /** Puts back what was taken from the TUN device. Returns notices for people. */
  readonly keepAddresses: () => Promise<string[]>;
  readonly serverAddresses: () => readonly string[];
  readonly killSwitch: boolean;
  /** Prefixes behind this machine that the server routes to it. */
  readonly routedPrefixes: () => readonly string[];
}

const NOTHING_BESIDE = { bypass: null, bypassMark: null, bypassCgroups: [] };

export class TunnelTraffic {
  readonly #journal: HostJournal;
  readonly #options: TunnelTrafficOptions;
  readonly #leaks: TunnelLeaks;
  readonly #split: SplitTraffic;
  readonly #share: TunnelShare;
  #defaultRoute: DefaultRoute | null = null;
  /** Whether what goes beside the tunnel, or alone into it, is ours to say. */
  #isSplit = false;
  /** Whether the routes are ours to keep. */
  #isTurnedIn = false;
  #routesMayHaveChanged = false;
  #routesLook: Promise<void> | null = null;
  #routesProblem = "";
  #namesLook: Promise<void> | null = null;
  #dns: DnsSetting | null = null;
  #dnsLook: Promise<void> | null = null;
  #dnsProblem = "";

  constructor(journal: HostJournal, options: TunnelTrafficOptions) {
    this.#journal = journal;
    this.#options = options;
    // Rules of the machine are those of the client that has its traffic.
    const isFirst = options.whenTaken === "refuse";
    const split = isFirst ? options : { ...options, ...NOTHING_BESIDE };
    this.#split = new SplitTraffic(journal, split, () => this.#followNow());
    this.#share = new TunnelShare(journal, options.tun, options.share);
    const bypassed = () => this.#split.bypassed;
    this.#leaks = new TunnelLeaks(journal.runner, { ...options, bypassed });
  }

  /** From now on all of it goes into the tunnel, or what was chosen. @throws Error that says what is in the way. */
  async turnIn(): Promise<void> {
    const { tun, dnsServers: servers } = this.#options;
    if (this.#split.isAllTunnelled) {
      const defaultRoute = new DefaultRoute(this.#journal, tun, this.#options.whenTaken);
      for (const line of await defaultRoute.enable()) log.warn("{line}", { line });
      this.#defaultRoute = defaultRoute;
    }
    const ahead = this.#defaultRoute?.ahead ?? null;
    if (ahead !== null) {
      log.warn(
        `the client of ${ahead} has this machine's traffic: into ${tun} goes what is bound to it, and ` +
          `all when ${ahead} is gone`,
      );
    }
    this.#isSplit = ahead === null;
    if (this.#isSplit) {
      for (const line of await this.#split.follow()) log.warn("{line}", { line });
      for (const line of this.#split.describe()) log.info("{line}", { line });
      for (const line of await this.#split.watchNames()) log.warn("{line}", { line });
    }
    const { bypass, bypassMark, bypassCgroups } = this.#options;
    const goesBeside = bypass !== null || bypassMark !== null || bypassCgroups.length > 0;
    if (goesBeside && this.#options.whenTaken !== "refuse") {
      log.warn("what goes beside the tunnel (-bypass) is left to the client that runs already");
    }
    await this.#shareTunnel();
    this.#isTurnedIn = true;
    this.#routesMayHaveChanged = true;
    if (servers.length === 0) return;
    if (ahead !== null) return log.warn(`-dns is left to the client of ${ahead}`);
    this.#dns = await setDns(this.#journal, { tun, servers });
    log.info(`DNS servers: ${servers.join(", ")} (set in ${this.#dns.place})`);
  }

  async #shareTunnel(): Promise<void> {
    const { share, routedPrefixes } = this.#options;
    const routed = routedPrefixes();
    const { isShared, notices } = await this.#share.start(routed);
    for (const line of notices) log.warn("{line}", { line });
    if (!isShared) {
      if (routed.length === 0) return;
      return log.warn(
        `the server routes ${routed.join(", ")} to this machine, which does not forward: ` +
          "-share on, or -share INTERFACE, lets it",
      );
    }
    const who = typeof share === "string"
      ? "the network behind it"
      : `what is behind ${share.join(", ")}`;
    log.info(
      `this machine forwards: ${who} uses the tunnel, with this machine's address ` +
        "(-share off ends that)",
    );
    if (routed.length > 0) {
      log.info(`${routed.join(", ")} leave as they are: the server routes them here`);
    }
  }

  /** Another session may come with other prefixes. Never rejects. */
  async followRoutedPrefixes(): Promise<void> {
    if (!this.#isTurnedIn) return;
    try {
      const lines = await this.#share.follow(this.#options.routedPrefixes());
      for (const line of lines) log.warn("{line}", { line });
    } catch (error) {
      log.error("cannot follow the prefixes that the server routes here: {error}", { error });
    }
  }

  /**
   * The machine asks `servers` from now on, until the client ends; none: those it had before.
   * @throws Error that says why not.
   */
  async useDns(servers: readonly string[]): Promise<void> {
    if (!this.#isTurnedIn) throw new Error("the machine's traffic is not in the tunnel");
    const ahead = this.#defaultRoute?.ahead ?? null;
    if (ahead !== null) throw new Error(`DNS is left to the client of ${ahead}`);
    const { tun } = this.#options;
    await this.#dnsLook;
    const change = (async () => {
      const dns = this.#dns;
      if (dns === null) {
        if (servers.length > 0) this.#dns = await setDns(this.#journal, { tun, servers });
      } else if (servers.length > 0) await dns.change(servers);
      else {
        this.#dns = null;
        await dns.end();
      }
    })();
    // No look comes between.
    this.#dnsLook = change.catch(() => {}).finally(() => this.#dnsLook = null);
    await change;
    const place = this.#dns === null ? "as before" : `set in ${this.#dns.place}`;
    log.info(`DNS servers: ${servers.join(", ") || "the machine's own"} (${place})`);
  }

  /** Something of the machine's links, addresses or routes has changed. */
  changed(): void {
    this.#routesMayHaveChanged = true;
    this.check();
  }

  /** To be called regularly: what somebody removes, or writes over, is made again. */
  check(): void {
    const dns = this.#dns;
    if (this.#isSplit && this.#namesLook === null && this.#split.isDue(performance.now())) {
      this.#namesLook = this.#lookUpNames().finally(() => this.#namesLook = null);
    }
    if (this.#isSplit && this.#split.hasOtherCgroups()) this.#routesMayHaveChanged = true;
    if (this.#isTurnedIn && this.#routesLook === null && this.#routesMayHaveChanged) {
      this.#routesMayHaveChanged = false;
      this.#routesLook = this.#lookAtRoutes().finally(() => this.#routesLook = null);
    }
    if (dns !== null && this.#dnsLook === null) {
      this.#dnsLook = this.#lookAtDns(dns).finally(() => this.#dnsLook = null);
    }
  }

  /** Resolves when what check() has begun is done. */
  async settled(): Promise<void> {
    await this.#split[Symbol.asyncDispose]();
    await this.#dnsLook;
    await this.#routesLook;
  }

  /** Of one look that is under way it is not known what it has seen. */
  async #followNow(): Promise<void> {
    this.#routesMayHaveChanged = true;
    await this.#routesLook;
    this.check();
    await this.#routesLook;
  }

  /** Never rejects. The routes do not wait for DNS, and nor does the end. */
  async #lookUpNames(): Promise<void> {
    for (const line of await this.#split.refresh(performance.now())) log.warn("{line}", { line });
    this.#routesMayHaveChanged = true;
  }

  async #lookAtRoutes(): Promise<void> {
    const [defaultRoute, split] = [this.#defaultRoute, this.#split];
    try {
      // Routes need the device up, with its addresses.
      for (const line of await this.#options.keepAddresses()) log.warn("{line}", { line });
      for (const line of await defaultRoute?.follow() ?? []) log.warn("{line}", { line });
      if (this.#isSplit) {
        for (const line of await split.follow()) log.warn("{line}", { line });
      }
      if (defaultRoute?.ahead === null) {
        for (const line of await this.#leaks.look()) log.warn("{line}", { line });
      }
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
}
