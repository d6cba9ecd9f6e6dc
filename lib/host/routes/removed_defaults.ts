import { runChecked } from "../command/runner.ts";
import type { NextHop } from "./gateway/routing_table.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { OWN_METRIC } from "./multipath_route.ts";
import { remakeDefault, removeDefault, type SavedDefault } from "./saved_defaults.ts";

/** So many are taken away at once; then one for each allow(), should somebody keep making them. */
const BUDGET_MAX = 5;

/** Whether the kernel takes this route rather than ours, or in its place. */
export function goesBefore({ metric }: SavedDefault): boolean {
  return metric <= OWN_METRIC;
}

/**
 * Default routes of others that are taken out of the way of ours, exactly as they are, and that the
 * journal puts back. All that are there at the start are; later those over the uplinks, which a DHCP
 * client has made again. What others send elsewhere meanwhile, as a VPN does, is their wish and stays.
 */
export class RemovedDefaults {
  readonly #journal: HostJournal;
  readonly #removed: { route: SavedDefault; change: ChangeId | null }[] = [];
  #budget = BUDGET_MAX;
  #isStarted = false;

  constructor(journal: HostJournal) {
    this.#journal = journal;
  }

  /** Where the route over `device` led that was taken away last. */
  hopOf(device: string): NextHop | undefined {
    return this.#removed.flatMap(({ route }) => route.hops).findLast((hop) =>
      hop.device === device
    );
  }

  /** Time has passed: one more may be taken away. */
  allow(): void {
    this.#budget = Math.min(BUDGET_MAX, this.#budget + 1);
  }

  /** From now on it takes only routes over the uplinks, or over a device whose route it took before. */
  started(): void {
    this.#isStarted = true;
  }

  /** Whether this route is to be taken away, when there is time. */
  isDue(route: SavedDefault, uplinks: ReadonlySet<string>): boolean {
    if (!this.#isStarted) return true;
    if (route.hops.length === 0) return false; // refuses packets, as somebody wants it
    return route.hops.every(({ device }) => uplinks.has(device)) ||
      this.#removed.some((one) => devicesOf(one.route) === devicesOf(route));
  }

  /** Takes routes away that are due. Returns those that there was no time for. */
  async take(routes: readonly SavedDefault[]): Promise<SavedDefault[]> {
    const left: SavedDefault[] = [];
    // From the last to the first, as undoing goes the other way.
    for (const [index, route] of [...routes.entries()].reverse()) {
      if (this.#isStarted && this.#budget < 1) {
        left.push(route);
        continue;
      }
      if (this.#isStarted) this.#budget--;
      const isFirst = !routes.slice(0, index).some(({ metric }) => metric === route.metric);
      await this.#take(route, isFirst ? "add" : "append");
    }
    return left;
  }

  async #take(route: SavedDefault, verb: "add" | "append"): Promise<void> {
    const before = this.#isStarted
      ? this.#removed.filter((one) => one.route.metric === route.metric)
      : [];
    const replaced = before.find((one) => devicesOf(one.route) === devicesOf(route));
    if (before.length > 0 && replaced === undefined) {
      // Without us its place would have been taken: there is nothing to put back.
      await runChecked(this.#journal.runner, removeDefault(route));
      this.#removed.push({ route, change: null });
      return;
    }
    const change = await this.#journal.apply({
      kind: "command",
      argv: removeDefault(route),
      undo: remakeDefault(route, verb),
    });
    if (typeof replaced?.change === "number") await this.#journal.settle(replaced.change);
    if (replaced !== undefined) this.#removed.splice(this.#removed.indexOf(replaced), 1);
    this.#removed.push({ route, change });
  }
}

function devicesOf({ hops }: SavedDefault): string {
  return hops.map(({ device }) => device).sort().join(" ");
}
