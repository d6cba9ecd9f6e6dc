import * as v from "valibot";
import { type CommandRunner, runForList } from "../command/runner.ts";
import { FAMILIES } from "../links/address.ts";

/** From the first to the last number. Those of links are kept for links that are away, so others have another range. */
type TableRange = readonly [first: number, last: number];

const TableSchema = v.object({ table: v.string() });

/**
 * The first `count` routing tables of `range` that no route and no rule is in, nor one of `kept`.
 * @throws CommandError, or Error when so many are not free; it ends with `without`, what to do without
 * them.
 */
export async function freeTables(
  runner: CommandRunner,
  [first, last]: TableRange,
  count: number,
  kept: Iterable<number>,
  without: string,
): Promise<number[]> {
  const taken = await takenTables(runner);
  for (const table of kept) taken.add(String(table));
  const free: number[] = [];
  for (let table = first; table <= last; table++) if (!taken.has(String(table))) free.push(table);
  if (free.length >= count) return free.slice(0, count);
  throw new Error(
    `Cannot have ${count} routing tables: of ${first} to ${last} only ${free.length} are free; ` +
      `remove those no longer needed, or ${without}`,
  );
}

/** By number, also those that have a name: whatever a route or rule of either family is in. */
async function takenTables(runner: CommandRunner): Promise<Set<string>> {
  const commands = FAMILIES.flatMap((family) => [
    ["ip", "-N", `-${family}`, "-j", "route", "show", "table", "all"],
    ["ip", "-N", `-${family}`, "-j", "rule", "show"],
  ]);
  const taken = new Set<string>();
  for (const argv of commands) {
    for (const { table } of await runForList(runner, argv, TableSchema)) taken.add(table);
  }
  return taken;
}
