import { CommandError } from "../command/runner.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { type AddressFamily, familyOf, hostPrefix, prefixContains } from "../links/address.ts";
import { type Route, sameNextHop } from "./gateway/routing_table.ts";
import { routeCommand, type RouteEntry } from "./route_command.ts";

/** Prefixes of one family that are sent somewhere: more would be slow, at one command each. */
export const PREFIXES_MAX = 256;

/** A route or a rule that is to be there: the commands that add it and take it away. */
export interface WantedChange {
  readonly add: string[];
  readonly undo: string[];
  /** Whether the kernel has it. */
  readonly isPresent: boolean;
}

/** Routes and rules that follow what is wanted: what is missing is added, what is not wanted goes. */
export class WantedChanges {
  readonly #journal: HostJournal;
  /** By the command that adds it. */
  readonly #changes = new Map<string, ChangeId | null>();

  constructor(journal: HostJournal) {
    this.#journal = journal;
  }

  /**
   * Brings the kernel to exactly `wanted`, in this order; what goes, goes in the reverse order. What
   * cannot be done at present is returned as errors, and the rest is done. @throws JournalError.
   */
  async follow(wanted: readonly WantedChange[]): Promise<CommandError[]> {
    const errors: CommandError[] = [];
    for (const { add, undo, isPresent } of wanted) {
      const before = this.#changes.get(add.join(" "));
      if (isPresent && before !== undefined) continue;
      try {
        const change = await this.#journal.apply({ kind: "command", argv: add, undo });
        if (before !== undefined && before !== null) await this.#journal.settle(before);
        this.#changes.set(add.join(" "), change);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        errors.push(error);
      }
    }
    errors.push(...await this.#removeAllBut(new Set(wanted.map(({ add }) => add.join(" ")))));
    return errors;
  }

  async #removeAllBut(keys: ReadonlySet<string>): Promise<CommandError[]> {
    const errors: CommandError[] = [];
    for (const [key, change] of [...this.#changes].reverse()) {
      if (keys.has(key)) continue;
      try {
        if (change !== null) await this.#journal.undo(change);
        this.#changes.delete(key);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        errors.push(error);
      }
    }
    return errors;
  }
}

/**
 * The route; `present` are those of its table. "replace" takes the place of another one like it, and
 * is for tables of our own.
 */
export function wantedRoute(
  verb: "add" | "replace",
  entry: RouteEntry,
  present: readonly Route[],
): WantedChange {
  const { destination, nextHop, metric } = entry;
  return {
    add: routeCommand(verb, entry),
    undo: routeCommand("del", entry),
    isPresent: present.some((route) =>
      withLength(route.destination) === destination &&
      (metric === undefined || route.metric === metric) &&
      route.nextHops.some((hop) => sameNextHop(hop, nextHop))
    ),
  };
}

/** The prefixes of one family, `max` at most, and a notice for people about those that are too many. */
export function ofFamily(
  prefixes: readonly string[],
  family: AddressFamily,
  max: number,
  flag: string,
): { own: string[]; notice: string[] } {
  const all = prefixes.filter((prefix) => familyOf(prefix.split("/")[0]!) === family);
  const rest = all.length - max;
  const notice = rest > 0
    ? [`${flag} stands for more IPv${family} prefixes than ${max}: ${rest} are left out`]
    : [];
  return { own: all.slice(0, max), notice };
}

/** As routes are added: single addresses have their /32 or /128. */
export function withLength(destination: string): string {
  return destination.includes("/") ? destination : hostPrefix(destination);
}

/** The networks that addresses of these devices are in: the kernel has a route to each. */
export function networksOn(
  routes: readonly Route[],
  isOne: (device: string) => boolean,
): string[] {
  return routes
    .filter(({ table, protocol }) => table === "main" && protocol === "kernel")
    .filter(({ nextHops }) => nextHops.some(({ device }) => isOne(device)))
    .map(({ destination }) => withLength(destination));
}

/** Whether all of `prefix` is in `network`. */
export function isWithin(prefix: string, network: string): boolean {
  const [first = "", length] = prefix.split("/");
  return Number(length) >= Number(network.split("/")[1]) && prefixContains(network, first);
}
