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
      if (other !== undefined) return `${address} is prescribed for both ${other} and ${name}`;
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
