/** Asks for answers on each path of a session, and tells how many came and how soon. */
import type { Engine, PathReport } from "../net/engine.ts";

export interface PathPing {
  readonly id: number;
  readonly name: string;
  readonly state: PathReport["state"];
  readonly sent: number;
  readonly answered: number;
  /** Part of what was sent that nothing came back for, 0 to 1; null: nothing was sent. */
  readonly loss: number | null;
  /** Round trips; null: none was measured. */
  readonly rttMinMs: number | null;
  readonly rttMeanMs: number | null;
  readonly rttMaxMs: number | null;
}

interface PingOptions {
  /** How often each path is asked. */
  readonly count: number;
  readonly pause: (ms: number) => Promise<void>;
}

export const PINGS_MAX = 100;
const INTERVAL_MS = 200;
/** How often the answers are looked at: two between two looks count once for the round trip. */
const LOOK_MS = 50;
/** How long the last answers are waited for. */
const PATIENCE_MS = 1000;

type Measured = Pick<
  PathReport,
  "id" | "name" | "state" | "heartbeatsSent" | "heartbeatsAnswered" | "rttLastMs"
>;

interface Tally {
  readonly before: Measured;
  last: Measured;
  readonly rtts: number[];
}

/**
 * What is asked is a heartbeat, as the session asks by itself: those count, too. A path that comes
 * meanwhile is counted from then on. Empty when there is no such session.
 */
export async function pingPaths(
  engine: Pick<Engine, "report" | "probePaths">,
  session: number,
  { count, pause }: PingOptions,
): Promise<PathPing[]> {
  const tallies = new Map<number, Tally>();
  const look = async () => {
    const paths = (await engine.report()).find(({ id }) => id === session)?.paths ?? [];
    for (const path of paths) {
      const tally = tallies.get(path.id);
      // One that leads elsewhere by now counts anew.
      if (tally === undefined || path.heartbeatsSent < tally.last.heartbeatsSent) {
        tallies.set(path.id, { before: path, last: path, rtts: [] });
        continue;
      }
      const isNew = path.heartbeatsAnswered > tally.last.heartbeatsAnswered;
      if (isNew && path.rttLastMs !== null) tally.rtts.push(path.rttLastMs);
      tally.last = path;
    }
  };
  await look();
  for (let number = 0; number < count; number++) {
    engine.probePaths(session);
    for (let waitedMs = 0; waitedMs < INTERVAL_MS; waitedMs += LOOK_MS) {
      await pause(LOOK_MS);
      await look();
    }
  }
  const isWaiting = () => [...tallies.values()].some((tally) => missing(tally) > 0);
  for (let waitedMs = 0; waitedMs < PATIENCE_MS && isWaiting(); waitedMs += LOOK_MS) {
    await pause(LOOK_MS);
    await look();
  }
  return [...tallies.values()].map(resultOf);
}

function missing({ before, last }: Tally): number {
  const sent = last.heartbeatsSent - before.heartbeatsSent;
  return Math.max(0, sent - (last.heartbeatsAnswered - before.heartbeatsAnswered));
}

function resultOf(tally: Tally): PathPing {
  const { before, last, rtts } = tally;
  const sent = last.heartbeatsSent - before.heartbeatsSent;
  const answered = sent - missing(tally);
  const isMeasured = rtts.length > 0;
  return {
    ...{ id: last.id, name: last.name, state: last.state, sent, answered },
    loss: sent === 0 ? null : (sent - answered) / sent,
    rttMinMs: isMeasured ? Math.min(...rtts) : null,
    rttMeanMs: isMeasured ? rtts.reduce((sum, rtt) => sum + rtt, 0) / rtts.length : null,
    rttMaxMs: isMeasured ? Math.max(...rtts) : null,
  };
}
