import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { isNeighbour } from "../../lib/host/routes/gateway/gateway.ts";
import { NextHopMemory } from "../../lib/host/routes/gateway/next_hop_memory.ts";
import { type NextHop, sameNextHop } from "../../lib/host/routes/gateway/routing_table.ts";
import type { AddressFamily } from "../../lib/host/links/address.ts";
import { findInterface, type NetworkInterface } from "../../lib/host/links/network_interface.ts";
import type { PathUse } from "../../lib/protocol/wire/path_rule.ts";
import type { HostJournal } from "../../lib/host/journal/host_journal.ts";
import { UplinkNat } from "../../lib/host/firewall/uplink_nat.ts";
import { markWithMask, type NatUplink, uplinkMark } from "../../lib/host/firewall/uplink_rules.ts";
import type { SlottedDevice } from "../../lib/host/routes/uplink_policy.ts";
import { type Applied, UplinkRoutes } from "../../lib/host/routes/uplink_routes.ts";
import { hashByFlow } from "../../lib/host/sysctl/multipath_hash.ts";
import { loosenReversePath } from "../../lib/host/sysctl/reverse_path.ts";
import { type BestChoice, chooseBest, NO_CHOICE } from "./best.ts";
import { FAILURES_MAX, Health } from "./health.ts";
import { weightsByQuality } from "./nexthops.ts";
import { firstInUse, planFamily } from "./plan.ts";
import type { UplinkFigures } from "./status.ts";
import { globalAddresses, type LinkSnapshot, type UplinkState, uplinkState } from "./uplinks.ts";

/** Addresses of one interface whose connections from before are kept. */
const ADDRESSES_MAX = 8;

const log = getLogger([LOG_CATEGORY, "client"]);

export type Strategy =
  /** By these weights; 1 for those that are not named. */
  | { kind: "prescribed"; weights: ReadonlyMap<string, number> }
  | { kind: "by quality" }
  | { kind: "best" };

interface Uplink {
  readonly name: string;
  readonly slot: number;
  readonly health: Health;
  readonly memory: NextHopMemory;
  state: UplinkState;
}

/** The uplinks of one address family: what is known of them, and what the kernel is told. */
export class FamilyBalance {
  readonly #strategy: Strategy;
  readonly #useOf: (name: string) => PathUse;
  readonly #journal: HostJournal;
  readonly #uplinks: Uplink[] = [];
  readonly #devices: SlottedDevice[] = [];
  readonly #routes: UplinkRoutes;
  readonly #nat: UplinkNat;
  /** With the addresses that each had when it came: connections from before are kept on it. */
  readonly #masqueraded = new Map<string, NatUplink>();
  #weights: ReadonlyMap<string, number> = new Map();
  #choice: BestChoice = NO_CHOICE;
  #state: "left alone" | "balanced" | "all down" = "left alone";
  /** The uplinks the shared route has led over last. */
  #carrying: ReadonlySet<string> = new Set();
  #shown = "";
  #ahead = "";

  constructor(
    journal: HostJournal,
    readonly family: AddressFamily,
    strategy: Strategy,
    useOf: (name: string) => PathUse = () => "always",
  ) {
    this.#useOf = useOf;
    this.#journal = journal;
    this.#strategy = strategy;
    this.#routes = new UplinkRoutes(journal, family, this.#devices);
    this.#nat = new UplinkNat(journal, family);
    if (strategy.kind === "prescribed") this.#weights = strategy.weights;
  }

  /** There is one more uplink, with the mark, rules and table of its slot. */
  add(name: string, slot: number): void {
    const health = new Health();
    // Beside others that work, it is used once it has answered.
    if (this.isBalanced) health.linkDown();
    this.#devices.push({ device: name, slot });
    this.#uplinks.push({
      ...{ name, slot, health },
      memory: new NextHopMemory(),
      state: { isUsable: false, why: "is not there" },
    });
  }

  get isBalanced(): boolean {
    return this.#state !== "left alone";
  }

  /** The uplinks that lead to everywhere, whether they answer or not. */
  usable(): string[] {
    return this.#uplinks.filter(({ state }) => state.isUsable).map(({ name }) => name);
  }

  stateOf(name: string): UplinkState | undefined {
    return this.#uplinks.find((uplink) => uplink.name === name)?.state;
  }

  /** Says where the uplinks lead, and which of them this family has to do without for now. */
  sayStates(): void {
    for (const { name, state } of this.#uplinks) {
      if (state.isUsable) log.debug(this.#gatewayLine(state.nextHop));
      else log.info(`IPv${this.family} goes without ${name}: it ${state.why}`);
    }
  }

  /**
   * Takes in how the links are; `resting` are not to be used. Returns the uplinks that lead somewhere
   * new.
   */
  follow(
    snapshot: LinkSnapshot,
    wentDown: ReadonlySet<string>,
    resting: ReadonlySet<string> = new Set(),
  ): string[] {
    const renewed: string[] = [];
    for (const uplink of this.#uplinks) {
      const { name, health, memory, state: before } = uplink;
      const link = findInterface(snapshot.interfaces, name);
      const found = this.#removedHop(link) ?? snapshot.gateways[this.family].get(name);
      if (wentDown.has(name)) memory.linkWentDown();
      const state = uplink.state = resting.has(name)
        ? { isUsable: false, why: "is not chosen" }
        : uplinkState(link, this.family, found, memory);
      if (!state.isUsable) {
        if (health.linkDown() && this.isBalanced) this.#sayOut(name, state.why);
        continue;
      }
      if (before.isUsable && sameNextHop(before.nextHop, state.nextHop)) {
        uplink.state = before; // probes that are under way go the same way
        continue;
      }
      // At the start an uplink is taken to work until it is seen not to.
      if (this.isBalanced) health.linkUp();
      else health.assumeUp();
      if (before.isUsable && this.isBalanced) log.info(this.#gatewayLine(state.nextHop));
      renewed.push(name);
    }
    return renewed;
  }

  /** Takes the answer to a probe, null for none. Returns whether the routes may have to follow. */
  probed(name: string, roundTripMs: number | null): boolean {
    this.#routes.removed.allow();
    const uplink = this.#uplinks.find((candidate) => candidate.name === name);
    if (uplink === undefined || !uplink.state.isUsable) return false;
    const changed = uplink.health.probed(roundTripMs);
    if (roundTripMs === null && !changed && uplink.health.isHealthy) {
      log.debug(`${name} did not answer a probe for IPv${this.family}`);
    }
    if (changed && uplink.health.isHealthy) log.info(`${name} is back for IPv${this.family}`);
    else if (changed) this.#sayOut(name, `${FAILURES_MAX} probes were not answered`);
    return this.#judge(changed || name === this.#choice.name) || changed;
  }

  /** Which uplinks are to be used first may have changed. */
  usesChanged(): void {
    this.#judge(true);
  }

  /** Adds rules and routes; called once, when enough uplinks are usable. */
  async enable(snapshot: LinkSnapshot): Promise<void> {
    const notice = await hashByFlow(this.#journal, this.family);
    if (notice !== null) log.warn("{notice}", { notice });
    await this.#prepare(this.#uplinks.map(({ name }) => name), snapshot);
    this.#judge(true);
    this.#state = "balanced";
    const { errors: [error] } = await this.#apply();
    if (error === undefined) return;
    // Not before all is there: who enables this family is to try again.
    this.#state = "left alone";
    throw error;
  }

  /** Uplinks lead somewhere new: one that came is masqueraded, one made anew has new parameters. */
  async prepare(names: readonly string[], snapshot: LinkSnapshot): Promise<void> {
    if (this.isBalanced && names.length > 0) await this.#prepare(names, snapshot);
  }

  async #prepare(names: readonly string[], snapshot: LinkSnapshot): Promise<void> {
    const { family } = this;
    if (family === 4) await loosenReversePath(this.#journal, names);
    for (const { name, slot, state } of this.#uplinks) {
      const link = findInterface(snapshot.interfaces, name);
      const before = this.#masqueraded.get(name);
      const addresses = before?.addresses ??
        (link === undefined ? [] : globalAddresses(link, family, ADDRESSES_MAX));
      const source = state.isUsable ? state.nextHop.source ?? null : before?.source ?? null;
      this.#masqueraded.set(name, { device: name, slot, addresses, source });
    }
    const notice = await this.#nat.follow([...this.#masqueraded.values()]);
    if (notice !== null) log.warn("{notice}", { notice });
  }

  /**
   * Brings the kernel to what is known. "in part": something could not be done at present. "anew":
   * there were routes of others that may tell more than is known.
   */
  async apply(): Promise<"done" | "in part" | "anew"> {
    const { errors, taken } = await this.#apply();
    for (const error of errors) log.debug("IPv{family}: {error}", { family: this.family, error });
    if (errors.length > 0) return "in part";
    return taken.length > 0 ? "anew" : "done";
  }

  /** Null while this family is left alone. */
  status(name: string): UplinkFigures["families"][AddressFamily] {
    const uplink = this.#uplinks.find((candidate) => candidate.name === name);
    if (!this.isBalanced || uplink === undefined) return null;
    const { state, health } = uplink;
    return {
      ...health.report(),
      gateway: state.isUsable ? state.nextHop.gateway?.address ?? null : null,
      problem: state.isUsable ? null : state.why,
      weight: this.#weightOf(uplink),
      idleFor: this.#isHeldBack(name) ? this.#heldFor(name) : null,
    };
  }

  #weightOf({ name, health, state }: Uplink): number {
    // When all are down the last routes stay, and new connections go over them.
    const isUsed = this.#state === "all down"
      ? this.#carrying.has(name)
      : health.isHealthy && !this.#isHeldBack(name);
    if (!isUsed || !state.isUsable) return 0;
    if (this.#strategy.kind === "best") return name === this.#choice.name ? 1 : 0;
    return this.#weights.get(name) ?? 1;
  }

  /** Whether others that work are to be used before it. */
  #isHeldBack(name: string): boolean {
    const working = this.#uplinks.filter(({ health, state }) => health.isHealthy && state.isUsable);
    const uses = working.map((one) => ({ name: one.name, use: this.#useOf(one.name) }));
    const first = firstInUse(uses)[0];
    return first !== undefined && first.use !== this.#useOf(name) && this.#heldFor(name) !== null;
  }

  #heldFor(name: string): Exclude<PathUse, "always"> | null {
    const use = this.#useOf(name);
    return use === "always" ? null : use;
  }

  async #apply(): Promise<Applied> {
    const snapshots = this.#uplinks.map(({ name, slot, state, health }) => ({
      name,
      slot,
      nextHop: state.isUsable ? state.nextHop : null,
      isHealthy: health.isHealthy,
      use: this.#useOf(name),
    }));
    const best = this.#strategy.kind === "best" ? this.#choice.name : null;
    const plan = planFamily(snapshots, this.#weights, { best, last: this.#carrying });
    const applied = await this.#routes.apply(plan);
    this.#sayOthers(applied);
    if (plan.isLast) {
      if (this.#state === "balanced") {
        log.error(`all uplinks are down for IPv${this.family}: the last routes stay`);
      }
      this.#state = "all down";
      return applied;
    }
    this.#state = "balanced";
    if (plan.shared === "keep") return applied;
    this.#carrying = new Set(plan.shared.map(({ nextHop }) => nextHop.device));
    const shown = plan.shared.map(({ nextHop, weight }) => `${nextHop.device} (weight ${weight})`)
      .join(", ");
    if (shown !== this.#shown) log.info(`IPv${this.family} goes over ${shown}`);
    this.#shown = shown;
    return applied;
  }

  /** What becomes of the default routes of others that would go before ours. */
  #sayOthers({ taken, ahead }: Applied): void {
    for (const { words } of taken) {
      log.info(`set aside until the end: ${words.join(" ")}`);
    }
    const shown = ahead.map(({ words }) => words.join(" ")).join("; ");
    if (shown !== this.#ahead && shown !== "") {
      log.warn(`another program's IPv${this.family} route goes before the balanced ones: ${shown}`);
    }
    this.#ahead = shown;
  }

  /** Where a route that is set aside leads: nobody can withdraw it, so it must still be near. */
  #removedHop(link: NetworkInterface | undefined): NextHop | undefined {
    if (link === undefined) return undefined;
    const hop = this.#routes.removed.hopOf(link.name);
    return hop !== undefined && isNeighbour(hop, link) ? hop : undefined;
  }

  /** Weighs or chooses anew. Returns whether that changed anything. */
  #judge(isRound: boolean): boolean {
    const working = this.#uplinks.filter(({ health, state }) => health.isHealthy && state.isUsable)
      .map(({ name, health }) => ({ name, use: this.#useOf(name), ...health.report() }));
    const healthy = firstInUse(working);
    if (healthy.length === 0) return false;
    switch (this.#strategy.kind) {
      case "prescribed":
        return false;
      case "by quality": {
        const before = this.#weights;
        this.#weights = new Map([...before, ...weightsByQuality(before, healthy)]);
        return healthy.some(({ name }) => before.get(name) !== this.#weights.get(name));
      }
      case "best": {
        if (!isRound && this.#choice.basis === "round trips") return false;
        const before = this.#choice.name;
        this.#choice = chooseBest(this.#choice, healthy);
        return this.#choice.name !== before;
      }
      default:
        return this.#strategy satisfies never;
    }
  }

  #gatewayLine({ device, gateway }: NextHop): string {
    return gateway === undefined
      ? `${device} leads on without an IPv${this.family} gateway`
      : `the IPv${this.family} gateway of ${device} is ${gateway.address}`;
  }

  #sayOut(name: string, why: string): void {
    log.warn(`${name} is out for IPv${this.family}: ${why}`);
    this.#forgetDatagrams(name);
  }

  /**
   * Sockets that send datagrams for ever (VPNs, phones) would stay on an uplink that is out: there is
   * no connection that could break. Where there is no `conntrack` they do.
   */
  #forgetDatagrams(name: string): void {
    const slot = this.#uplinks.find((uplink) => uplink.name === name)?.slot;
    if (!this.isBalanced || slot === undefined) return;
    this.#journal.runner.run([
      ...["conntrack", "-D", "-f", this.family === 4 ? "ipv4" : "ipv6", "-p", "udp"],
      ...["-m", markWithMask(uplinkMark(slot))],
    ]).catch((error) => log.debug("{error}", { error }));
  }
}
