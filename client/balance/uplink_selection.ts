/**
 * Which interfaces are uplinks: those the user named, whether they are there or not, or all that lead
 * out, whenever they begin to. One that was an uplink stays one, with its slot.
 */
import { checkLinkName, InterfaceError } from "../../lib/host/links/network_interface.ts";
import { UPLINKS_MAX } from "../../lib/host/firewall/uplink_rules.ts";
import { type LinkSnapshot, UPLINKS_MIN } from "./uplinks.ts";

export class UplinkSelection {
  #isAutomatic: boolean;
  /** In the order of their slots, also those that are not wanted at present. */
  readonly #names: string[];
  /** Not wanted at present; their slots are kept. */
  #resting: ReadonlySet<string> = new Set();
  readonly #leftOut = new Set<string>();

  /** @param named in the user's order; empty: all that lead out. */
  constructor(named: readonly string[]) {
    this.#isAutomatic = named.length === 0;
    this.#names = [...named];
  }

  get isAutomatic(): boolean {
    return this.#isAutomatic;
  }

  /** Those that are wanted, in the order of their slots. */
  get names(): readonly string[] {
    return this.#names.filter((name) => !this.#resting.has(name));
  }

  get resting(): ReadonlySet<string> {
    return this.#resting;
  }

  /**
   * From now on it is these, whether they are there or not. Returns those that have not been uplinks
   * before. @throws InterfaceError for too few, too many, or a name that cannot be one
   */
  choose(names: readonly string[]): string[] {
    const wanted = new Set(names);
    const joined = [...wanted].filter((name) => !this.#names.includes(name));
    for (const name of joined) checkLinkName(name);
    if (wanted.size < UPLINKS_MIN) {
      throw new InterfaceError("balancing takes two links at least: add another one before");
    }
    if (this.#names.length + joined.length > UPLINKS_MAX) {
      throw new InterfaceError(
        `Cannot take ${
          joined.join(", ")
        } in: -l takes at most ${UPLINKS_MAX} uplinks, those from ` +
          "before counted; start it again",
      );
    }
    this.#isAutomatic = false;
    this.#names.push(...joined);
    this.#resting = new Set(this.#names.filter((name) => !wanted.has(name)));
    return joined;
  }

  /** From 1 on: the mark, the rules and the table of an uplink. */
  slotOf(name: string): number {
    return this.#names.indexOf(name) + 1;
  }

  /** Takes in what leads out now. Returns the uplinks that joined, and warnings to show to the user. */
  follow(
    { leadingOut }: Pick<LinkSnapshot, "leadingOut">,
  ): { joined: string[]; warnings: string[] } {
    const joined: string[] = [];
    const warnings: string[] = [];
    if (!this.#isAutomatic) return { joined, warnings };
    for (const name of leadingOut) {
      if (this.#names.includes(name) || this.#leftOut.has(name)) continue;
      if (this.#names.length < UPLINKS_MAX) {
        this.#names.push(name);
        joined.push(name);
      } else {
        this.#leftOut.add(name);
        warnings.push(
          `${name} is left out: -l takes at most ${UPLINKS_MAX} uplinks, those from before counted; ` +
            "start it again, or name those to be used with -ifaces",
        );
      }
    }
    return { joined, warnings };
  }
}
