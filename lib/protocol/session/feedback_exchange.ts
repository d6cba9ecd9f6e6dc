/** Sends feedback on what arrives on each path, and takes that of the peer (x1, type 5). */
import { US_PER_MS } from "../wire/units.ts";
import type { Scheduling } from "../schedule/scheduling.ts";
import type { DropReason } from "../wire/drop_reason.ts";
import { TYPE_PATH_FEEDBACK } from "../wire/header.ts";
import { decodePathFeedback, encodePathFeedback } from "../wire/path_feedback.ts";
import type { Outbox } from "../path/outbox.ts";
import type { PathTable } from "../path/path_table.ts";
import type { SessionPath } from "../path/session_path.ts";

/** After the first packet that the peer has not been told of. */
const FEEDBACK_MS = 40;
/**
 * How much longer than a heartbeat a packet may wait for its answer. It is short, so that a cut path is
 * left before TCP's first retransmission (after 200 ms and a round trip on Linux): what is lost then
 * is retransmitted only after twice that time.
 */
export const PACKET_ANSWERED_MS = 20;

export class FeedbackExchange {
  readonly #paths: PathTable;
  readonly #outbox: Outbox;
  readonly #scheduling: Scheduling;
  /** Whether feedback measures round trips; otherwise heartbeats do. */
  readonly #measuresRtt: boolean;

  constructor(paths: PathTable, outbox: Outbox, scheduling: Scheduling, measuresRtt: boolean) {
    this.#paths = paths;
    this.#outbox = outbox;
    this.#scheduling = scheduling;
    this.#measuresRtt = measuresRtt;
  }

  /** Hot. A packet came on `path`. */
  packetArrived(path: SessionPath, now: number): void {
    if (path.feedbackAt === Infinity) path.feedbackAt = now + FEEDBACK_MS;
  }

  /** A heartbeat, or its answer, came on `path`: the peer is told at once. */
  heartbeatArrived(path: SessionPath, now: number): void {
    path.feedbackAt = Math.min(path.feedbackAt, now);
  }

  /** Takes what the peer tells. Returns why it is dropped, or null. */
  receive(payload: Uint8Array, path: SessionPath, now: number): DropReason | null {
    const feedback = decodePathFeedback(payload);
    if (feedback === null) return "bad message";
    path.quality.feedbackReceived(feedback, now);
    this.#scheduling.scheduler.feedbackReceived(path, feedback, now);
    if (!this.#measuresRtt) return null;
    const roundTripUs = (Math.round(now * US_PER_MS) - feedback.echo - feedback.hold) | 0;
    path.quality.rttMeasured(roundTripUs / US_PER_MS, now);
    return null;
  }

  /** Sends what is due. */
  handleTimeout(now: number): void {
    for (const path of this.#paths) {
      if (now < path.feedbackAt) continue;
      path.feedbackAt = Infinity;
      const feedback = path.receiveStatistics.feedback(now);
      if (feedback === null) continue;
      const payload = encodePathFeedback(feedback);
      this.#outbox.transmitBeforeHeartbeat({ type: TYPE_PATH_FEEDBACK, path, payload });
    }
  }

  nextDeadline(): number {
    let next = Infinity;
    for (const { feedbackAt } of this.#paths) next = Math.min(next, feedbackAt);
    return next;
  }
}
