import type { DropCounters } from "../../lib/protocol/wire/drop_reason.ts";

/** Of a lone packet, such as one that was under way when the addresses changed, nothing is said. */
const PACKETS_MIN = 10;

/**
 * Tells the operator when clients send packets whose source is not their own: as a rule one of them is
 * a router and does not share the tunnel. Said once, and again when it happens ten times as often.
 */
export class ForeignSources {
  readonly #drops: Pick<DropCounters, "get">;
  #sayFrom = PACKETS_MIN;

  constructor(drops: Pick<DropCounters, "get">) {
    this.#drops = drops;
  }

  /** To be called regularly. Returns a line when there is something to say. */
  look(): string | null {
    const packets = this.#drops.get("foreign source");
    if (packets < this.#sayFrom) return null;
    this.#sayFrom = packets * 10;
    return `dropped ${packets} packets that clients sent with addresses that are not their own: a ` +
      "client that is a router for a network behind it needs -share on";
  }
}
