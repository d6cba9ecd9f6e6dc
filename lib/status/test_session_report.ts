/** Sessions for tests. */
import type { PathReport, SessionReport } from "../net/engine.ts";

/** A link that is up and good, but for what `changes` says. */
export function pathReport(
  id: number,
  name: string,
  changes: Partial<PathReport> = {},
): PathReport {
  return {
    id,
    name,
    peer: "203.0.113.10:8000",
    seenAs: null,
    state: "up",
    isGood: true,
    isBadFor: null,
    rttMs: 20.12,
    rttLastMs: 21,
    rttMinMs: 19.5,
    jitterMs: 0.34,
    delayVariationMs: 0.2,
    loss: 0,
    score: 98,
    deliveryRate: 6_250_000,
    mtu: 1400,
    heardMsAgo: 140,
    idleFor: null,
    rateLimit: null,
    capacity: 6_250_000,
    peerCapacity: null,
    sendingRate: 1_250_000,
    queuedBytes: 0,
    queuedMs: 0,
    retransmittedPackets: 0,
    reinjectedPackets: 0,
    repairedPackets: 0,
    arrived: { records: 12, expected: 12, bytes: 2200, isQueued: false },
    arrivedThere: null,
    sentPackets: 10,
    sentBytes: 1000,
    receivedPackets: 10,
    receivedBytes: 2000,
    congestionMarks: 0,
    heartbeatsSent: 3,
    heartbeatsAnswered: 3,
    ...changes,
  };
}

export function sessionReport(paths: readonly PathReport[]): SessionReport {
  return {
    id: 1,
    name: "vpn.example.org",
    wire: "x1",
    scheduler: "flow",
    paths,
    mtu: 1400,
    reorder: { bufferedEvents: 3, reorderedEvents: 2, drops: 0, flushes: 1, maxDepth: 4 },
    limited: { down: 0, up: 0, reach: 0 },
    compression: { plainBytes: 3000, carriedBytes: 2000 },
  };
}
