/**
 * What an engine reports of a session. Sizes of packets are those of the tunnel's, without what may be
 * put behind them.
 */
import type { ReorderCounters } from "../../protocol/receive/reorder_buffer.ts";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import type { Session } from "../../protocol/session/session.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import type { PathLoad } from "../../protocol/schedule/path_load.ts";
import type { Scheduler } from "../../protocol/schedule/scheduler.ts";
import type { EngineSession, IdleReason, SessionReport } from "../engine.ts";

export function reportSession<S extends Cipher, O extends Cipher>(
  session: Session<S, O>,
  { name, mtu: mtuMax }: Pick<EngineSession, "name" | "mtu">,
  reorder: ReorderCounters,
  compression: SessionReport["compression"],
  now: number,
): Omit<SessionReport, "limited"> {
  const paths = [...session.paths].map((path) => ({
    id: path.id,
    name: path.name,
    peer: path.peer.toString(),
    seenAs: path.seenAs,
    state: path.liveness.state,
    isGood: path.eligibility.reason === null,
    isBadFor: path.eligibility.reason,
    rttMs: path.quality.rtt.smoothedMs,
    rttLastMs: path.quality.rtt.lastMs,
    rttMinMs: path.quality.rtt.minimumMs,
    jitterMs: path.quality.jitterMs,
    delayVariationMs: path.receiveStatistics.delayVariationMs,
    loss: path.quality.loss(now),
    // What was measured before says nothing of a path that is down.
    score: path.liveness.state === "down" ? null : path.quality.score(now),
    deliveryRate: path.quality.deliveryRate,
    mtu: path.mtu === null ? null : Math.min(path.mtu, mtuMax),
    heardMsAgo: path.lastHeardAt === -Infinity ? null : now - path.lastHeardAt,
    idleFor: idleReason(path, session.scheduling.scheduler),
    rateLimit: path.rule.sendRate,
    peerCapacity: path.peerRate,
    sendingRate: path.quality.sentRate,
    arrived: path.receiveStatistics.arrivedSoFar,
    arrivedThere: path.quality.arrivedThere,
    ...loadOf(session.scheduling.scheduler.loadOf(path)),
    ...path.counters,
  }));
  const scheduler = session.scheduling.scheduler.name;
  const mtu = session.packetBytesMax === Infinity ? null : Math.min(session.packetBytesMax, mtuMax);
  const wire = session.wire.name;
  return {
    ...{ id: session.id, name, wire, scheduler, paths, mtu },
    reorder: { ...reorder },
    compression: { ...compression },
  };
}

function loadOf({ capacity, queuedBytes, queuedMs, retransmitted, reinjected }: PathLoad) {
  return {
    ...{ capacity, queuedBytes, queuedMs },
    retransmittedPackets: retransmitted,
    reinjectedPackets: reinjected,
  };
}

/** Why the path carries nothing; null: it does. */
function idleReason(
  path: SessionPath,
  { usesEveryPath }: Pick<Scheduler, "usesEveryPath">,
): IdleReason | null {
  const { state } = path.liveness;
  if (state !== "up") return state;
  if (!path.isUsable) return "peer";
  if (path.isHeldBack && path.rule.use !== "always") return path.rule.use;
  if (path.carriesFlows || usesEveryPath) return null;
  return path.eligibility.reason ?? "standby";
}
