import { equal, ok } from "node:assert/strict";
import type { Joined } from "./joining_program.ts";

/** Remembers which client has which address; fails when two have one. */
export class Addresses {
  readonly #owners = new Map<string, string>();
  readonly #addresses = new Map<string, string>();

  /** All of `joined` have been let in. */
  add(joined: readonly Joined[]): void {
    for (const { bundle, address, refusals } of joined) {
      ok(address !== null, `${bundle} was not let in: ${refusals.join(", ")}`);
      equal(this.#owners.get(address) ?? bundle, bundle, `${address} is given twice`);
      this.#owners.set(address, bundle);
      equal(this.#addresses.get(bundle) ?? address, address, `${bundle} has another address`);
      this.#addresses.set(bundle, address);
    }
  }
}
