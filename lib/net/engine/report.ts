/** What an engine reports of a session. */
import type { ReorderCounters } from "../../protocol/inbound/reorder_buffer.ts";
import type { Cipher } from "../../protocol/session/key_epochs.ts";
import type { Session } from "../../protocol/session/session.ts";
import type { SessionReport } from "./engine.ts";

export function reportSession<S extends Cipher, O extends Cipher>(
  session: Session<S, O>,
  name: string,
  reorder: ReorderCounters,
  now: number,
): SessionReport {
  const paths = [...session.paths].map((path) => ({
    id: path.id,
    name: path.name,
    peer: path.peer.toString(),
    state: path.liveness.state,
    isGood: true,
    isBadFor: null,
    rttMs: path.rtt.smoothedMs,
    rttLastMs: path.rtt.lastMs,
    rttMinMs: path.rtt.minimumMs,
    jitterMs: path.rtt.jitterMs,
    delayVariationMs: null,
    loss: null,
    score: null,
    deliveryRate: null,
    mtu: null,
    heardMsAgo: path.lastHeardAt === -Infinity ? null : now - path.lastHeardAt,
    ...path.counters,
  }));
  return { id: session.id, name, scheduler: "flow" as const, paths, reorder: { ...reorder } };
}
