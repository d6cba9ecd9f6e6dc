/**
 * Traffic that the balanced routes do not get: because a policy rule comes before the main table, or
 * because another program, such as a VPN, made routes that are more specific. Both are somebody's will,
 * so they are named and left alone.
 */
import type { CommandRunner } from "../command/runner.ts";
import type { AddressFamily } from "../links/address.ts";
import { prefixLength } from "./gateway/gateway.ts";
import { readRoutes } from "./gateway/routing_table.ts";
import { askInternetRoute } from "./internet_route.ts";

/** A route that is longer is for some network; those of VPNs for all traffic are shorter. */
const WIDE_PREFIX_MAX = 4;

export class UplinkOverrides {
  readonly #runner: CommandRunner;
  /** What was said and still holds. */
  #said = new Set<string>();

  constructor(runner: CommandRunner) {
    this.#runner = runner;
  }

  /**
   * Returns warnings for the user, each once for as long as it holds. `families` are those that are
   * balanced. @throws CommandError.
   */
  async look(families: readonly AddressFamily[], uplinks: readonly string[]): Promise<string[]> {
    const lines: string[] = [];
    for (const family of families) {
      const routes = await readRoutes(this.#runner, family, ["table", "main"]);
      const aside = routes.filter(({ destination }) => prefixLength(destination) > WIDE_PREFIX_MAX);
      const winner = await askInternetRoute(this.#runner, family, aside);
      if (winner === null) continue;
      const device = winner === "nowhere" ? undefined : winner.nextHops[0]?.device;
      if (device !== undefined && uplinks.includes(device)) continue;
      const where = device === undefined || winner === "nowhere"
        ? "goes nowhere"
        : `goes to ${device} by the routing table ${winner.table}`;
      lines.push(
        `IPv${family} traffic ${where}, not over the uplinks: 'ip -${family} rule' and ` +
          `'ip -${family} route' show why; stop the program that made it`,
      );
    }
    const fresh = lines.filter((line) => !this.#said.has(line));
    this.#said = new Set(lines);
    return fresh;
  }
}
