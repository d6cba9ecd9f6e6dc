/**
 * Which interfaces are uplinks: those the user named, whether they are there or not, or all that lead
 * out, whenever they begin to. One that was an uplink stays one, with its slot.
 */
import { UPLINKS_MAX } from "../../lib/host/firewall/uplink_rules.ts";
import type { LinkSnapshot } from "./uplinks.ts";

export class UplinkSelection {
  readonly #isAutomatic: boolean;
  /** In the order of their slots. */
  readonly #names: string[];
  readonly #leftOut = new Set<string>();

  /** @param named in the user's order; empty: all that lead out. */
  constructor(named: readonly string[]) {
    this.#isAutomatic = named.length === 0;
    this.#names = [...named];
  }

  get isAutomatic(): boolean {
    return this.#isAutomatic;
  }

  get names(): readonly string[] {
    return this.#names;
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
