/** Which path a packet takes: that of its flow while it works, else a new one by weight. */
import type { Cipher } from "../session/key_epochs.ts";
import { isUsable } from "../session/path_table.ts";
import type { Session } from "../session/session.ts";
import type { SessionPath } from "../session/session_path.ts";
import type { FlowKey } from "./flow_key.ts";
import type { FlowTable } from "./flow_table.ts";

/**
 * Hot. Pins new flows, and moves the flows of a path that no longer works.
 * @returns null when the session has no path at all.
 */
export function pickPath<S extends Cipher, O extends Cipher>(
  session: Session<S, O>,
  flows: FlowTable,
  flow: FlowKey,
  now: number,
): SessionPath | null {
  const pinned = flows.lookup(flow.hashA, flow.hashB, now);
  if (pinned >= 0) {
    const path = session.paths.byId(pinned);
    if (path !== null && isUsable(path)) return path;
  }
  const chosen = session.choice.pick();
  if (chosen < 0) return session.paths.lastHeard();
  flows.assign(flow.hashA, flow.hashB, chosen, now);
  return session.paths.byId(chosen);
}
