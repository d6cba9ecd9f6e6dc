/**
 * What `-rate` and `-link` say of each link at the moment, with the volume of metered ones: as rules for
 * the paths of a bond, and as a choice for load balancing.
 */
import { NO_RULE, type PathRule, type PathUse } from "../../lib/protocol/wire/path_rule.ts";
import { formatBytes, formatRate } from "../../lib/cli/screen/figures.ts";
import type { LinkRuleStatus } from "../../lib/status/bond_status.ts";
import type { LinkRate, LinkRates, LinkUse, LinkUses } from "../config/link_rules.ts";
import { deviceOf } from "../config/unmatched_names.ts";

/** Part of a cap at which it is told that it will be reached. */
const CAP_NEAR = 0.8;
const ALWAYS: LinkUse = { kind: "always" };

interface Volumes {
  bytesOf(device: string, month: string): number;
}

export class LinkRules {
  readonly #rates: Map<string, LinkRate | null>;
  readonly #uses: Map<string, LinkUse>;
  #volumes: Volumes = { bytesOf: () => 0 };
  #month = "";
  /** By link, the month and part of its cap that was told last. */
  readonly #told = new Map<string, string>();

  constructor(rates: LinkRates, uses: LinkUses) {
    this.#rates = new Map(rates);
    this.#uses = new Map(uses);
  }

  /** From now on these as well; null takes a rate back. */
  useRates(rates: LinkRates): void {
    for (const [name, rate] of rates) this.#rates.set(name, rate);
  }

  useUses(uses: LinkUses): void {
    for (const [name, use] of uses) this.#uses.set(name, use);
  }

  /** By flag, the names that something is prescribed for. */
  get names(): { "-rate": string[]; "-link": string[] } {
    return {
      "-rate": [...this.#rates].flatMap(([name, rate]) => rate === null ? [] : name),
      "-link": [...this.#uses].flatMap(([name, { kind }]) => kind === "always" ? [] : name),
    };
  }

  /** The interfaces of links whose volume is counted. */
  get metered(): string[] {
    return [...this.#uses].filter(([, { kind }]) => kind === "metered")
      .map(([name]) => deviceOf(name));
  }

  /** By interface, what those with a cap may carry yet this month; 0 or less when that is reached. */
  get leftBytes(): ReadonlyMap<string, number> {
    const left = new Map<string, number>();
    for (const name of this.#uses.keys()) {
      const volume = this.volumeOf(name);
      if (volume === null || volume.capBytes === null) continue;
      left.set(deviceOf(name), volume.capBytes - volume.bytes);
    }
    return left;
  }

  /** Takes the volumes as they are. Returns sentences to show to the user. */
  count(volumes: Volumes, month: string): string[] {
    this.#volumes = volumes;
    this.#month = month;
    return [...this.#uses.keys()].flatMap((name) => this.#tell(name) ?? []);
  }

  #tell(name: string): string | null {
    const volume = this.volumeOf(name);
    if (volume === null || volume.capBytes === null) return null;
    const { bytes, capBytes, month } = volume;
    const isReached = bytes >= capBytes;
    const stage = `${month} ${isReached ? "reached" : bytes >= CAP_NEAR * capBytes ? "near" : ""}`;
    if (this.#told.get(name) === stage) return null;
    this.#told.set(name, stage);
    const carried = `link ${name} has carried ${formatBytes(bytes)} of its ${
      formatBytes(capBytes)
    } in ${month}`;
    if (isReached) return `${carried}: it carries nothing more, unless no other link works`;
    return bytes >= CAP_NEAR * capBytes ? carried : null;
  }

  /** Null: the link is not metered. */
  volumeOf(name: string): LinkRuleStatus["volume"] {
    const use = this.useOf(name);
    if (use.kind !== "metered") return null;
    const bytes = this.#volumes.bytesOf(deviceOf(name), this.#month);
    return { month: this.#month, bytes, capBytes: use.capBytes };
  }

  /** What is prescribed, a line for each link that something is prescribed for. */
  describe(): string[] {
    const names = new Set([...this.#rates.keys(), ...this.#uses.keys()]);
    return [...names].flatMap((name) => {
      const rate = this.rateOf(name);
      const use = this.useOf(name);
      const words = [
        ...rate === null
          ? []
          : [`${formatRate(rate.down)} down and ${formatRate(rate.up)} up at most`],
        ...use.kind === "always" ? [] : [`${use.kind}: for when others are full or down`],
        ...use.kind === "metered" && use.capBytes !== null
          ? [`${formatBytes(use.capBytes)} a month at most`]
          : [],
      ];
      return words.length === 0 ? [] : [`link ${name}: ${words.join(", ")}`];
    });
  }

  useOf(name: string): LinkUse {
    return this.#uses.get(name) ?? this.#uses.get(deviceOf(name)) ?? ALWAYS;
  }

  /** Null: there is no limit. */
  rateOf(name: string): LinkRate | null {
    return this.#rates.get(name) ?? this.#rates.get(deviceOf(name)) ?? null;
  }

  pathUseOf(name: string): PathUse {
    if (this.useOf(name).kind === "always") return "always";
    const volume = this.volumeOf(name);
    const isReached = volume !== null && volume.capBytes !== null &&
      volume.bytes >= volume.capBytes;
    return isReached ? "cap reached" : "backup";
  }

  statusOf(name: string): LinkRuleStatus {
    const rate = this.rateOf(name);
    return {
      use: this.useOf(name).kind,
      downRate: rate?.down ?? null,
      upRate: rate?.up ?? null,
      volume: this.volumeOf(name),
    };
  }

  ruleOf(name: string): PathRule {
    const rate = this.rateOf(name);
    const use = this.pathUseOf(name);
    if (rate === null && use === "always") return NO_RULE;
    return { sendRate: rate?.up ?? null, receiveRate: rate?.down ?? null, use };
  }
}
