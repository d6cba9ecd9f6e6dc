/**
 * What is to go beside the tunnel (-bypass), or alone into it (-only): routes that follow the names,
 * and the machine's own default routes.
 */
import type { HostJournal } from "../../lib/host/journal/host_journal.ts";
import { hostPrefix } from "../../lib/host/links/address.ts";
import type { LocalNetwork } from "../../lib/host/firewall/kill_switch/permitted_traffic.ts";
import { BesideTunnel } from "../../lib/host/routes/beside_tunnel.ts";
import { TunnelPrefixes } from "../../lib/host/routes/tunnel_prefixes.ts";
import { markText, type TrafficMark } from "../../lib/host/firewall/traffic_mark.ts";
import { MarkedBypass } from "../../lib/host/routes/marked_bypass.ts";
import type { Destinations } from "../config/destinations.ts";
import type { Libc } from "../../lib/ffi/libc/libc.ts";
import { DestinationAddresses, type LookUp } from "./destination_addresses.ts";
import { FollowedNames } from "./followed_names.ts";

export interface SplitOptions {
  readonly tun: string;
  readonly bypass: Destinations | null;
  readonly only: Destinations | null;
  /** What goes beside the tunnel besides, by its mark, and by its cgroup. */
  readonly bypassMark: TrafficMark | null;
  readonly bypassCgroups: readonly string[];
  /** Asked through the tunnel, so they belong to what goes there. */
  readonly dnsServers: readonly string[];
  readonly lookUp: LookUp;
  /** Null: DNS answers of programs are not looked at. */
  readonly libc: Libc | null;
  /** Lets a kill switch know what leaves beside the tunnel. */
  readonly letOut: (networks: readonly LocalNetwork[]) => Promise<void>;
}

export class SplitTraffic {
  readonly #options: SplitOptions;
  readonly #bypass: DestinationAddresses | null;
  readonly #only: DestinationAddresses | null;
  readonly #beside: BesideTunnel;
  readonly #into: TunnelPrefixes;
  readonly #marked: MarkedBypass | null;
  readonly #names: FollowedNames | null;
  /** What was said and still holds. */
  #said = new Set<string>();

  /** @param followRoutes has follow() called, and waits for it. */
  constructor(journal: HostJournal, options: SplitOptions, followRoutes: () => Promise<void>) {
    const { bypass, only, lookUp, tun, libc, dnsServers } = options;
    this.#options = options;
    // Else whoever answers for a name could have all DNS questions asked in clear.
    this.#bypass = bypass === null ? null : new DestinationAddresses(bypass, lookUp, dnsServers);
    this.#only = only === null ? null : new DestinationAddresses(only, lookUp);
    this.#beside = new BesideTunnel(journal, tun);
    this.#into = new TunnelPrefixes(journal, tun);
    const { bypassMark: mark, bypassCgroups: cgroups } = options;
    const names = { tun, bypass: this.#bypass, only: this.#only, followRoutes };
    this.#names = libc === null ? null : new FollowedNames(journal, { libc, ...names });
    const marksNames = libc !== null && (bypass?.names.length ?? 0) > 0;
    this.#marked = mark === null && cgroups.length === 0 && !marksNames
      ? null
      : new MarkedBypass(journal, { tun, mark, cgroups, marksNames });
  }

  /** Whether everything goes into the tunnel that does not go beside it. */
  get isAllTunnelled(): boolean {
    return this.#only === null;
  }

  /** What goes beside the tunnel, as far as it is known. */
  get bypassed(): readonly string[] {
    return this.#bypass?.prefixes ?? [];
  }

  /** For the log; empty where nothing is split. */
  describe(): string[] {
    const text = ({ prefixes, names }: Destinations) => [...prefixes, ...names].join(", ");
    const { bypass, only, bypassMark, bypassCgroups } = this.#options;
    const marked = [
      ...bypassMark === null ? [] : [`packets with the mark ${markText(bypassMark)}`],
      ...bypassCgroups.map((path) => `packets of the cgroup ${path}`),
    ];
    return [
      ...only === null ? [] : [`only packets to ${text(only)} go through the tunnel`],
      ...bypass === null ? [] : [`packets to ${text(bypass)} go outside the tunnel`],
      ...marked.map((what) => `${what} go outside the tunnel`),
    ];
  }

  /** Follows names by what programs are told of them. Returns lines for people. @throws JournalError. */
  async watchNames(): Promise<string[]> {
    return await this.#names?.begin() ?? [];
  }

  /** Ends that. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#names?.[Symbol.asyncDispose]();
  }

  /** Whether names are to be looked up. */
  isDue(nowMs: number): boolean {
    return [this.#bypass, this.#only].some((one) => one?.isDue(nowMs));
  }

  /** Whether a cgroup that is named came, went, or was made anew: follow() comes next. */
  hasOtherCgroups(): boolean {
    return this.#marked?.hasOtherCgroups() ?? false;
  }

  /** Looks up the names that are due; follow() comes next. Returns lines for people. */
  async refresh(nowMs: number): Promise<string[]> {
    const lines = [this.#bypass, this.#only].map((one) => one?.refresh(nowMs) ?? []);
    return (await Promise.all(lines)).flat();
  }

  /**
   * Brings the routes to what is known now. Returns what could not be done, for people, once for as
   * long as it is so. @throws Error, as its parts do.
   */
  async follow(): Promise<string[]> {
    const lines: string[] = [];
    if (this.#only !== null) {
      // First: whatever is too much, names must not be asked for in clear.
      const dns = this.#options.dnsServers.map(hostPrefix);
      lines.push(...await this.#into.follow([...new Set([...dns, ...this.#only.prefixes])]));
    }
    const followed = [
      ...this.#bypass === null ? [] : [await this.#beside.follow(this.#bypass.prefixes)],
      ...this.#marked === null ? [] : [await this.#marked.follow()],
    ];
    if (followed.length > 0) {
      await this.#options.letOut(followed.flatMap(({ networks }) => networks));
    }
    lines.push(...followed.flatMap(({ notices }) => notices));
    const fresh = lines.filter((line) => !this.#said.has(line));
    this.#said = new Set(lines);
    return fresh;
  }
}
