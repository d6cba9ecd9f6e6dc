import type { HostJournal } from "../journal/host_journal.ts";
import { FAMILIES } from "../links/address.ts";
import { hasNoIpv6 } from "./default_route.ts";
import { readRoutes, type Route } from "./gateway/routing_table.ts";
import {
  isWithin,
  networksOn,
  ofFamily,
  PREFIXES_MAX,
  type WantedChange,
  WantedChanges,
  wantedRoute,
  withLength,
} from "./wanted_changes.ts";

/** Sends some destinations into the tunnel, and leaves all others where they go. */
export class TunnelPrefixes {
  readonly #journal: HostJournal;
  readonly #tun: string;
  readonly #flag: string;
  readonly #changes: WantedChanges;
  #elsewhere: ReadonlySet<string> = new Set();

  /** @param flag by which the prefixes were named. */
  constructor(journal: HostJournal, tun: string, flag = "-only") {
    this.#journal = journal;
    this.#tun = tun;
    this.#flag = flag;
    this.#changes = new WantedChanges(journal);
  }

  /** Of the prefixes followed last, those that lead elsewhere. */
  get elsewhere(): ReadonlySet<string> {
    return this.#elsewhere;
  }

  /**
   * Makes `prefixes` the only destinations that go into the tunnel. To be called again when they, or
   * the machine's routes, have changed. Returns what could not be done at present, for people.
   * @throws CommandError when the routes cannot be read, JournalError.
   */
  async follow(prefixes: readonly string[]): Promise<string[]> {
    const notices: string[] = [];
    const wanted: WantedChange[] = [];
    const elsewhere = new Set<string>();
    for (const family of FAMILIES) {
      const { own, notice } = ofFamily(prefixes, family, PREFIXES_MAX, this.#flag);
      if (own.length === 0) continue;
      notices.push(...notice);
      if (family === 6 && await hasNoIpv6(this.#journal, this.#tun)) {
        notices.push(`IPv6 is switched off on ${this.#tun}: ${own.join(", ")} does not go there`);
        continue;
      }
      const routes = await readRoutes(this.#journal.runner, family, ["table", "main"]);
      const isOwn = (route: Route) => route.nextHops.some(({ device }) => device === this.#tun);
      const present = routes.filter(isOwn);
      const nextHop = { device: this.#tun, gateway: undefined };
      const near = networksOn(routes, (device) => device !== this.#tun);
      for (const destination of own) {
        // What is next to this machine stays reachable there, whatever a name server says.
        if (near.some((network) => isWithin(destination, network))) {
          notices.push(`${destination} does not go into the tunnel: it is on a link's own network`);
          elsewhere.add(destination);
          continue;
        }
        const other = routes.find((route) =>
          !isOwn(route) && withLength(route.destination) === destination
        );
        if (other === undefined) {
          wanted.push(wantedRoute("add", { destination, nextHop }, present));
        } else {
          const device = other.nextHops[0]?.device ?? "nowhere";
          elsewhere.add(destination);
          notices.push(
            `${destination} does not go into the tunnel: it has a route to ${device} already`,
          );
        }
      }
    }
    this.#elsewhere = elsewhere;
    const errors = await this.#changes.follow(wanted);
    return [...notices, ...errors.map(({ message }) => message)];
  }
}
