import type { HostJournal } from "../journal/host_journal.ts";
import { type AddressFamily, FAMILIES } from "../links/address.ts";
import { hasNoIpv6 } from "./default_route.ts";
import { freeTables } from "./free_tables.ts";
import { readRoutes, type Route } from "./gateway/routing_table.ts";
import { type KernelRule, type PolicyRule, readRules, ruleCommand } from "./policy_rule.ts";
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

/** Behind the client's rules, before the main table's 32766. */
const PRIORITY_OWN_PORTS = 32310;
const PRIORITY_PREFIXES = 32311;
/** The first free one of these is ours. */
const TABLES = [7500, 7599] as const;

/** From which the packets of the tunnel itself leave. */
interface OwnPorts {
  readonly tcp: number;
  readonly udp: number;
}

/** Sends some destinations into the tunnel, and leaves all others where they go. */
export class TunnelPrefixes {
  readonly #journal: HostJournal;
  readonly #tun: string;
  readonly #flag: string;
  readonly #ports: OwnPorts | null;
  readonly #changes: WantedChanges;
  #table: number | null = null;
  #elsewhere: ReadonlySet<string> = new Set();

  /**
   * @param flag by which the prefixes were named.
   * @param ports what leaves from these goes where it would go without the prefixes, which are in a
   * table of their own then: whoever is at the other end of the tunnel may be in one of them.
   */
  constructor(
    journal: HostJournal,
    tun: string,
    flag = "-only",
    ports: OwnPorts | null = null,
  ) {
    this.#journal = journal;
    this.#tun = tun;
    this.#flag = flag;
    this.#ports = ports;
    this.#changes = new WantedChanges(journal);
  }

  /** Of the prefixes followed last, those that lead elsewhere. */
  get elsewhere(): ReadonlySet<string> {
    return this.#elsewhere;
  }

  /**
   * Makes `prefixes` the only destinations that go into the tunnel. To be called again when they, or
   * the machine's routes, have changed. Returns what could not be done at present, for people.
   * @throws CommandError when the routes cannot be read, Error when no table is free, JournalError.
   */
  async follow(prefixes: readonly string[]): Promise<string[]> {
    const notices: string[] = [];
    const wanted: WantedChange[] = [];
    const elsewhere = new Set<string>();
    if (this.#ports !== null && this.#table === null && prefixes.length > 0) {
      const without = "take back routes of clients";
      [this.#table] = await freeTables(this.#journal.runner, TABLES, 1, [], without) as [number];
    }
    const table = this.#table;
    const place = table === null ? {} : { table };
    for (const family of FAMILIES) {
      const { own, notice } = ofFamily(prefixes, family, PREFIXES_MAX, this.#flag);
      if (own.length === 0) continue;
      notices.push(...notice);
      if (family === 6 && await hasNoIpv6(this.#journal, this.#tun)) {
        notices.push(`IPv6 is switched off on ${this.#tun}: ${own.join(", ")} does not go there`);
        continue;
      }
      // A table that nothing is in yet cannot be asked for by its number.
      const all = await readRoutes(this.#journal.runner, family);
      const routes = all.filter((route) => route.table === "main");
      const isOwn = (route: Route) => route.nextHops.some(({ device }) => device === this.#tun);
      const present = table === null
        ? routes.filter(isOwn)
        : all.filter((route) => route.table === String(table));
      if (this.#ports !== null && table !== null) {
        const rules = await readRules(this.#journal.runner, family);
        wanted.push(...wantedRules(family, table, this.#ports, rules));
      }
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
          wanted.push(wantedRoute("add", { destination, nextHop, ...place }, present));
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

/** Those of the ports come first, so that nothing of the tunnel itself is ever sent into it. */
function wantedRules(
  family: AddressFamily,
  table: number,
  ports: OwnPorts,
  present: readonly KernelRule[],
): WantedChange[] {
  const rules: PolicyRule[] = [
    ...(["tcp", "udp"] as const).map((protocol) => ({
      ...{ family, table: "main" as const, priority: PRIORITY_OWN_PORTS },
      own: { protocol, port: ports[protocol] },
    })),
    { family, table, priority: PRIORITY_PREFIXES },
  ];
  return rules.map((rule) => ({
    add: ruleCommand("add", rule),
    undo: ruleCommand("del", rule),
    isPresent: present.some((each) =>
      each.priority === rule.priority && each.table === String(rule.table) &&
      each.ipproto === rule.own?.protocol && each.sport === rule.own?.port
    ),
  }));
}
