import { FAMILIES } from "../../lib/host/links/address.ts";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import { namesToOffer } from "../../lib/host/links/network_interface.ts";
import type { NextHop } from "../../lib/host/routes/gateway/routing_table.ts";
import type { AddressFamily } from "../../lib/host/links/address.ts";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import type { HostJournal } from "../../lib/host/journal/host_journal.ts";
import { TrafficHistory } from "../../lib/status/traffic_history.ts";
import { FamilyBalance, type Strategy } from "./family_balance.ts";
import { type BalanceStatus, summarize } from "./status.ts";
import { LinkRules } from "../metering/link_rules.ts";
import { readCounters } from "../metering/interface_counters.ts";
import { UplinkSelection } from "./uplink_selection.ts";
import { type LinkSnapshot, readLinks, UPLINKS_MIN } from "./uplinks.ts";

const log = getLogger([LOG_CATEGORY, "client"]);
/** Rates are those of about this long. */
const RATE_WINDOW_MS = 10_000;
const NOTHING: ReadonlySet<never> = new Set<never>();

/** What the balancer tells of its uplinks. */
interface BalancerEvents {
  /** There are further uplinks. */
  onJoined(names: readonly string[]): void;
  /** A family is balanced from now on. */
  onBalanced(family: AddressFamily): void;
  /** They lead somewhere new, or again. */
  onRenewed(names: readonly string[]): void;
  /** The link is back, and its route through this gateway is not. */
  onBare(name: string, gateway: string | undefined): void;
}

/** Follows links and probes, and keeps the routes of both families as they should be. */
export class Balancer {
  readonly #runner: CommandRunner;
  readonly #kind: BalanceStatus["kind"];
  readonly #families: Record<AddressFamily, FamilyBalance>;
  readonly #selection: UplinkSelection;
  readonly #traffic = new TrafficHistory({
    windowMs: RATE_WINDOW_MS,
    firstCounters: "are the zero",
  });
  readonly #events: BalancerEvents;
  readonly #rules: LinkRules;
  readonly #wentDown = new Set<string>();
  readonly #changes = new SerialQueue();
  readonly #samples = new SerialQueue();
  readonly #refreshNext = this.#changes.shared(() => this.#refresh());
  /**
   * Brings the routes to what is known, without a new look at the links, unless the last one failed:
   * probes are urgent.
   */
  readonly apply = this.#changes.shared(() => this.#isLookDue ? this.#refresh() : this.#apply());
  /** What the kernel refused is tried again with the next probe. */
  #isIncomplete = false;
  /** The links could not be read. */
  #isLookDue = false;

  constructor(
    journal: HostJournal,
    named: readonly string[],
    strategy: Strategy,
    events: BalancerEvents,
    rules = new LinkRules(new Map(), new Map()),
  ) {
    this.#rules = rules;
    const useOf = (name: string) => rules.pathUseOf(name);
    this.#runner = journal.runner;
    this.#events = events;
    this.#selection = new UplinkSelection(named);
    this.#kind = strategy.kind === "best" ? "best" : "spread";
    this.#families = {
      4: new FamilyBalance(journal, 4, strategy, useOf),
      6: new FamilyBalance(journal, 6, strategy, useOf),
    };
    this.#add(named);
  }

  /** Those named, in the user's order, or those found so far. */
  get names(): readonly string[] {
    return this.#selection.names;
  }

  /** The families that are balanced. */
  balanced(): AddressFamily[] {
    return FAMILIES.filter((family) => this.#families[family].isBalanced);
  }

  /**
   * Reads the links for the first time, and says what is missing of them.
   */
  async inspect(): Promise<LinkSnapshot> {
    const snapshot = await this.#read(NOTHING);
    for (const family of FAMILIES) this.#families[family].follow(snapshot, NOTHING);
    for (const name of this.names) {
      const why = this.#whyUseless(name);
      if (why === null) continue;
      const hint = why === "is not there"
        ? `; this machine has: ${namesToOffer(snapshot.interfaces)}`
        : "";
      log.warn(`${name} ${why}: it is used when it has a gateway${hint}`);
    }
    const ready = FAMILIES.filter((family) => this.#isReady(family));
    for (const family of FAMILIES) {
      if (ready.includes(family)) {
        this.#families[family].sayStates();
        continue;
      }
      const line = `IPv${family} is left alone: ${this.#describe(family)}`;
      if (ready.length > 0 && this.#families[family].usable().length > 0) log.warn(line);
      else log.info(line);
    }
    return snapshot;
  }

  /** Why nothing can be balanced at present, or null. */
  whyIdle(): string | null {
    if (FAMILIES.some((family) => this.#isReady(family))) return null;
    return "at least two interfaces must have a gateway of one family, and " +
      FAMILIES.map((family) => this.#describe(family)).join(", ");
  }

  /** Null for an uplink that leads on in some family. */
  #whyUseless(name: string): string | null {
    const states = FAMILIES.map((family) => this.#families[family].stateOf(name));
    if (states.some((state) => state?.isUsable)) return null;
    const why = states.map((state) => state?.isUsable === false ? state.why : "");
    return [...new Set(why)].join(" and ");
  }

  /** Reads the links, and takes in those that have become uplinks. */
  async #read(balanced: ReadonlySet<AddressFamily>): Promise<LinkSnapshot> {
    const { isAutomatic } = this.#selection;
    const snapshot = await readLinks(this.#runner, isAutomatic ? "all" : this.names, balanced);
    const { joined, warnings } = this.#selection.follow(snapshot);
    for (const line of warnings) log.warn("{line}", { line });
    this.#add(joined);
    if (joined.length > 0) this.#events.onJoined(joined);
    return snapshot;
  }

  #add(names: readonly string[]): void {
    for (const name of names) {
      for (const family of FAMILIES) {
        this.#families[family].add(name, this.#selection.slotOf(name));
      }
    }
  }

  /** Something has changed: reads the links again and follows. One refresh at a time. */
  refresh(wentDown: ReadonlySet<string> = NOTHING): Promise<void> {
    for (const name of wentDown) this.#wentDown.add(name);
    return this.#refreshNext();
  }

  /**
   * From now on it is these uplinks, by name. Those that join are used once they have answered; over
   * the others nothing new goes. @throws InterfaceError for what cannot be, at once
   */
  useUplinks(names: readonly string[]): Promise<void> {
    const joined = this.#selection.choose(names);
    return this.#changes.run(() => {
      this.#add(joined);
      if (joined.length > 0) this.#events.onJoined(joined);
      return Promise.resolve();
    }).then(() => this.refresh());
  }

  /** Which uplinks are to be used first may have changed. */
  usesChanged(): Promise<void> {
    for (const family of this.balanced()) this.#families[family].usesChanged();
    return this.apply();
  }

  /** Takes the answer to a probe, null for none. Returns whether apply() is due. */
  probed(family: AddressFamily, name: string, roundTripMs: number | null): boolean {
    return this.#families[family].probed(name, roundTripMs) || this.#isIncomplete ||
      this.#isLookDue;
  }

  /** Where an uplink leads, or null when it leads nowhere. */
  nextHopOf(family: AddressFamily, name: string): NextHop | null {
    const state = this.#families[family].stateOf(name);
    return state?.isUsable ? state.nextHop : null;
  }

  /** Reads the counters of the uplinks, for rates. One sample at a time: they must not go back. */
  sample(nowMs: () => number): Promise<void> {
    return this.#samples.run(async () => {
      const counters = await readCounters(this.#runner);
      const atMs = nowMs();
      for (const name of this.names) this.#traffic.add(name, atMs, counters.get(name) ?? null);
    });
  }

  /** As of the last sample. */
  status(): Omit<BalanceStatus, "unmatched"> {
    return summarize(
      this.#kind,
      this.names.map((name) => {
        return {
          name,
          volume: this.#rules.volumeOf(name),
          ...this.#traffic.of(name),
          families: {
            4: this.#families[4].status(name),
            6: this.#families[6].status(name),
          },
        };
      }),
    );
  }

  /** Puts rules and routes of the families in place that have enough uplinks. */
  async enable(snapshot: LinkSnapshot): Promise<void> {
    for (const family of FAMILIES) {
      if (this.#families[family].isBalanced || !this.#isReady(family)) continue;
      await this.#families[family].enable(snapshot);
      this.#events.onBalanced(family);
    }
  }

  /** Resolves when no refresh is under way. */
  async settled(): Promise<void> {
    await this.#changes.idle();
  }

  async #refresh(): Promise<void> {
    const wentDown = new Set(this.#wentDown);
    this.#wentDown.clear();
    const snapshot = await this.#read(new Set(this.balanced())).catch((error) => {
      for (const name of wentDown) this.#wentDown.add(name);
      this.#isLookDue = true;
      throw error;
    });
    this.#isLookDue = false;
    const renewed = new Set<string>();
    const errors: unknown[] = [];
    const attempt = (action: Promise<void>) => action.catch((error) => void errors.push(error));
    for (const family of FAMILIES) {
      const { resting } = this.#selection;
      const names = this.#families[family].follow(snapshot, wentDown, resting);
      await attempt(this.#families[family].prepare(names, snapshot));
      for (const name of names) {
        renewed.add(name);
        if (snapshot.gateways[family].has(name)) continue;
        this.#events.onBare(name, this.nextHopOf(family, name)?.gateway?.address);
      }
    }
    // What cannot be done for one family must not keep the other from following its links.
    await attempt(this.#apply());
    await attempt(this.enable(snapshot));
    // Probes go through the routes that have just been made.
    if (renewed.size > 0) this.#events.onRenewed([...renewed]);
    if (errors.length === 0) return;
    this.#isIncomplete = true;
    throw errors[0];
  }

  async #apply(): Promise<void> {
    this.#isIncomplete = false;
    const errors: unknown[] = [];
    for (const family of this.balanced()) {
      const outcome = await this.#families[family].apply().catch((error) => {
        errors.push(error);
        return "in part";
      });
      if (outcome === "in part") this.#isIncomplete = true;
      if (outcome === "anew") this.#again();
    }
    if (errors.length > 0) throw errors[0];
  }

  /** Looks at the links once more when this turn is over. */
  #again(): void {
    this.refresh().catch((error) => log.warn("cannot follow the links: {error}", { error }));
  }

  #isReady(family: AddressFamily): boolean {
    return this.#families[family].usable().length >= UPLINKS_MIN;
  }

  #describe(family: AddressFamily): string {
    const names = this.#families[family].usable();
    if (names.length === 0) return `no interface has an IPv${family} gateway`;
    return `${names.length === 1 ? "only " : ""}${names.join(", ")} ${
      names.length === 1 ? "has" : "have"
    } an IPv${family} gateway`;
  }
}
