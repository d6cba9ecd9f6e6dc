/** What has come of asking for an address. */
import type { ControlRefusal } from "../../../lib/protocol/wire/control_message.ts";

export type Claim = "has one" | "all in use" | "not free yet" | "store away";

/** What to answer a client; null: it may have a session. `size`: of the network, in clients. */
export function refusalOf(claim: Claim, size: number): ControlRefusal | null {
  switch (claim) {
    case "has one":
      return null;
    case "all in use":
      return {
        kind: "refusal",
        code: "pool_full",
        message: `all ${size} addresses of these servers are in use, or were within the ` +
          "last day: ask the operator of the servers for a larger -network",
      };
    case "not free yet":
      return {
        kind: "refusal",
        code: "pool_full",
        message: "the address that is set for this client was another one's within the last day: " +
          "wait until that is over, or ask the operator of the servers for another address",
      };
    case "store away":
      return {
        kind: "refusal",
        code: "unavailable",
        message: "this server cannot reach the store that it shares with others, so it takes " +
          "only clients that were there within the last day; try again later, or another server",
      };
    default:
      return claim satisfies never;
  }
}
