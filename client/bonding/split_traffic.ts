/**
 * What is to go beside the tunnel (-bypass), or alone into it (-only): routes that follow the names,
 * and the machine's own default routes.
 */
import type { HostJournal } from "../../lib/host/journal/host_journal.ts";
import { hostPrefix } from "../../lib/host/links/address.ts";
import type { LocalNetwork } from "../../lib/host/firewall/kill_switch/permitted_traffic.ts";
import { BesideTunnel } from "../../lib/host/routes/beside_tunnel.ts";
import { TunnelPrefixes } from "../../lib/host/routes/tunnel_prefixes.ts";
import type { Destinations } from "../config/destinations.ts";
import { DestinationAddresses, type LookUp } from "./destination_addresses.ts";

export interface SplitOptions {
  readonly tun: string;
  readonly bypass: Destinations | null;
  readonly only: Destinations | null;
  /** Asked through the tunnel, so they belong to what goes there. */
  readonly dnsServers: readonly string[];
  readonly lookUp: LookUp;
  /** Lets a kill switch know what leaves beside the tunnel. */
  readonly letOut: (networks: readonly LocalNetwork[]) => Promise<void>;
}

export class SplitTraffic {
  readonly #options: SplitOptions;
  readonly #bypass: DestinationAddresses | null;
  readonly #only: DestinationAddresses | null;
  readonly #beside: BesideTunnel;
  readonly #into: TunnelPrefixes;
  /** What was said and still holds. */
  #said = new Set<string>();

  constructor(journal: HostJournal, options: SplitOptions) {
    const { bypass, only, lookUp, tun } = options;
    this.#options = options;
    this.#bypass = bypass === null ? null : new DestinationAddresses(bypass, lookUp);
    this.#only = only === null ? null : new DestinationAddresses(only, lookUp);
    this.#beside = new BesideTunnel(journal, tun);
    this.#into = new TunnelPrefixes(journal, tun);
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
    const { bypass, only } = this.#options;
    return [
      ...only === null ? [] : [`into the tunnel goes what is for ${text(only)}, and nothing else`],
      ...bypass === null ? [] : [`beside the tunnel goes what is for ${text(bypass)}`],
    ];
  }

  /** Whether names are to be looked up. */
  isDue(nowMs: number): boolean {
    return [this.#bypass, this.#only].some((one) => one?.isDue(nowMs));
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
    if (this.#bypass !== null) {
      const { networks, notices } = await this.#beside.follow(this.#bypass.prefixes);
      await this.#options.letOut(networks);
      lines.push(...notices);
    }
    const fresh = lines.filter((line) => !this.#said.has(line));
    this.#said = new Set(lines);
    return fresh;
  }
}
