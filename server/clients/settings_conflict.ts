/** What no two clients may have. */
import { PrefixTable } from "../../lib/protocol/packet/prefix_table.ts";
import type { ClientSettings } from "./client_settings.ts";

/** Of all clients: each is a route of the machine's, which takes a command. */
export const ALL_ROUTES_MAX = 256;

/** What is wrong with settings that are each right, for people; null: nothing. */
export function findConflict(
  all: Iterable<readonly [string, Pick<ClientSettings, "address" | "routes">]>,
): string | null {
  const addresses = new Map<string, string>();
  const routes = new PrefixTable<string>();
  for (const [name, { address, routes: own }] of all) {
    if (address !== null) {
      const other = addresses.get(address);
      if (other !== undefined) return `${address} is the address of both ${other} and ${name}`;
      addresses.set(address, name);
    }
    for (const prefix of own) {
      try {
        routes.add(prefix, name);
      } catch {
        return `the route ${prefix} of ${name} overlaps one of another client`;
      }
    }
  }
  if (routes.size > ALL_ROUTES_MAX) {
    return `clients have ${routes.size} routes in all, and ${ALL_ROUTES_MAX} is the limit`;
  }
  return null;
}

/**
 * Makes `changes` to `all`, but for those that conflict with what others have: these are returned, with
 * what is wrong. All at once where that can be, so that two clients may exchange what nobody else may
 * have; else each half by itself.
 */
export function changeWithoutConflict<Value extends Pick<ClientSettings, "address" | "routes">>(
  all: Map<string, Value>,
  changes: readonly (readonly [name: string, value: Value])[],
): Map<string, string> {
  let refused = changeHalves(all, changes);
  // What one has given up meanwhile, another may have.
  for (let before = Infinity; refused.size > 0 && refused.size < before;) {
    before = refused.size;
    const waiting = refused;
    refused = changeHalves(all, changes.filter(([name]) => waiting.has(name)));
  }
  return refused;
}

function changeHalves<Value extends Pick<ClientSettings, "address" | "routes">>(
  all: Map<string, Value>,
  changes: readonly (readonly [name: string, value: Value])[],
): Map<string, string> {
  const conflict = findConflict(new Map([...all, ...changes]));
  if (conflict === null) {
    for (const [name, value] of changes) all.set(name, value);
    return new Map();
  }
  if (changes.length <= 1) return new Map(changes.map(([name]) => [name, conflict]));
  const half = changes.length >> 1;
  const first = changeHalves(all, changes.slice(0, half));
  return new Map([...first, ...changeHalves(all, changes.slice(half))]);
}
