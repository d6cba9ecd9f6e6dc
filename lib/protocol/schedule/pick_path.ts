/** Which path a packet takes: that of its flow while it is good, else a new one by weight. */
import type { Cipher } from "../crypto/key_epochs.ts";
import type { Session } from "../session/session.ts";
import type { SessionPath } from "../session/session_path.ts";
import type { FlowKey } from "../packet/flow_key.ts";
import { type FlowTable, SENT, SENT_GROWN } from "./flow_table.ts";

/** Records are so much longer than what was read at the most: TCP segments carry 48 bytes or more. */
const OVERHEAD_FACTOR = 4;

/**
 * Hot. Pins new flows, places them once more when they have grown, and moves the flows of a path that
 * no longer works or turned bad. They go home when it is good again: else, after each fault, long
 * flows would crowd on what is left.
 * @param bytes of the packet.
 * @returns null when the session has no path at all.
 */
export function pickPath<S extends Cipher, O extends Cipher>(
  session: Session<S, O>,
  flows: FlowTable,
  flow: FlowKey,
  bytes: number,
  now: number,
): SessionPath | null {
  const pinned = flows.lookup(flow.hashA, flow.hashB, now);
  if (pinned >= 0) {
    const { paths } = session;
    const { home } = flows;
    if (home !== pinned && paths.byId(home)?.carriesFlows === true) {
      flows.divert(flow.hashA, flow.hashB, home, now);
      return paths.byId(home);
    }
    const path = paths.byId(pinned);
    if (path !== null && path.carriesFlows) {
      if (home !== pinned) return path;
      const news = flows.noteSent(bytes, now);
      return news === SENT ? path : placeGrown(session, flows, flow, path, news, now);
    }
  }
  const chosen = session.scheduling.flowChoice.pick(now);
  if (chosen < 0) return lastResort(session, bytes);
  if (pinned >= 0) flows.divert(flow.hashA, flow.hashB, chosen, now);
  else flows.assign(flow.hashA, flow.hashB, chosen, now);
  return session.paths.byId(chosen);
}

/** The path of a flow on `path` that has grown, or has been for some time. */
function placeGrown<S extends Cipher, O extends Cipher>(
  session: Session<S, O>,
  flows: FlowTable,
  flow: FlowKey,
  path: SessionPath,
  news: number,
  now: number,
): SessionPath | null {
  const { flowChoice } = session.scheduling;
  if (news !== SENT_GROWN) {
    flowChoice.noteGrown(path.id, now);
    return path;
  }
  const chosen = flowChoice.place(path.id, now);
  if (chosen === path.id) return path;
  flows.assign(flow.hashA, flow.hashB, chosen, now);
  return session.paths.byId(chosen);
}

/** Hot. The path of one packet of `bytes` that is sent with no regard to its flow. */
export function pickStripe<S extends Cipher, O extends Cipher>(
  session: Session<S, O>,
  bytes: number,
): SessionPath | null {
  const chosen = session.scheduling.packetChoice.pick(bytes);
  return chosen < 0 ? lastResort(session, bytes) : session.paths.byId(chosen);
}

/** The path heard from last: none works, but one may do so again before it is known. */
export function lastResort<S extends Cipher, O extends Cipher>(
  session: Session<S, O>,
  bytes: number,
): SessionPath | null {
  const path = session.paths.lastHeard();
  return path !== null && path.allowance >= OVERHEAD_FACTOR * bytes ? path : null;
}
