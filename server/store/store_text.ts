/** What a server shares with others, as rows of a table for people. */
import { formatAge } from "../../lib/cli/screen/figures.ts";
import type { KnownServer, StoreStatus } from "./server_store.ts";

/** A server tells of itself every two seconds. */
const SILENT_MS = 10_000;
/** One that has been silent for so long is not shown. */
const GONE_MS = 86_400_000;

export function storeRows(store: StoreStatus): [string, string][] {
  if (store.kind === "file") return [];
  const { place, isReachable, problem, reachedMsAgo, pendingWrites, refusedEntries } = store;
  const since = reachedMsAgo === null ? "never reached" : `away for ${formatAge(reachedMsAgo)}`;
  const state = isReachable ? "reached" : `${since}: ${problem}`;
  const rows: [string, string][] = [["shared store", `${place}, ${state}`]];
  if (pendingWrites > 0) rows.push(["not shared yet", `${pendingWrites} changes`]);
  if (refusedEntries > 0) {
    rows.push(["refused", `${refusedEntries} entries, the last ${store.lastRefused}`]);
  }
  for (const server of store.servers) {
    if (server.heardMsAgo < GONE_MS) rows.push(["server", serverText(server)]);
  }
  return rows;
}

function serverText({ name, isThis, sessions, isDraining, heardMsAgo }: KnownServer): string {
  const silent = heardMsAgo < SILENT_MS ? "" : `, silent for ${formatAge(heardMsAgo)}`;
  return `${name}${isThis ? " (this one)" : ""}, ${sessions} sessions` +
    `${isDraining ? ", draining" : ""}${silent}`;
}
