import { CommandError } from "../command/runner.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import { FAMILIES, familyOf } from "../links/address.ts";
import { hasNoIpv6 } from "./default_route.ts";
import { readRoutes } from "./gateway/routing_table.ts";
import { isTaken } from "./route_command.ts";
import { WantedChanges, wantedRoute } from "./wanted_changes.ts";

/** More would be slow to put in place, one command each. */
const TUNNEL_PREFIXES_MAX = 256;

/** Sends some destinations into the tunnel, and leaves all others where they go. */
export class TunnelPrefixes {
  readonly #journal: HostJournal;
  readonly #tun: string;
  readonly #changes: WantedChanges;

  constructor(journal: HostJournal, tun: string) {
    this.#journal = journal;
    this.#tun = tun;
    this.#changes = new WantedChanges(journal);
  }

  /**
   * Sends what goes to `prefixes` into the tunnel, and nothing else. To be called again when they, or
   * the machine's routes, have changed. Returns what could not be done at present, for people.
   * @throws CommandError when the routes cannot be read, JournalError.
   */
  async follow(prefixes: readonly string[]): Promise<string[]> {
    const notices: string[] = [];
    const wanted = [];
    for (const family of FAMILIES) {
      const own = prefixes.filter((prefix) => familyOf(prefix.split("/")[0]!) === family)
        .slice(0, TUNNEL_PREFIXES_MAX);
      if (own.length === 0) continue;
      if (family === 6 && await hasNoIpv6(this.#journal, this.#tun)) {
        notices.push(`IPv6 is switched off on ${this.#tun}: ${own.join(", ")} does not go there`);
        continue;
      }
      const present = await readRoutes(this.#journal.runner, family, ["dev", this.#tun]);
      const nextHop = { device: this.#tun, gateway: undefined };
      wanted.push(
        ...own.map((destination) => wantedRoute("add", { destination, nextHop }, present)),
      );
    }
    const errors = await this.#changes.follow(wanted);
    return [...notices, ...errors.map(textOf)];
  }
}

function textOf(error: CommandError): string {
  return isTaken(error.stderr)
    ? `a destination of -only has another route already: ${error.message}`
    : error.message;
}
