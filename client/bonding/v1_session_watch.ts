/**
 * When a session with a v1 server has to be replaced though it works. Such a server never lets a path
 * go: what it sends over one that is cut is lost until that is back. And the one reorder buffer it has
 * for the session may jam for good, so that heartbeats are answered and packets are not. Has no clock;
 * times are milliseconds of any steady origin.
 */

/** A link that comes and goes costs a session this often at the most. */
const REPLACED_EVERY_MS = 5000;
/** In so many different seconds packets were sent, and none came: the buffer is jammed. */
const UNANSWERED_SECONDS = 8;
/** Where a new session changes nothing, the next one has time. */
const UNJAM_FIRST_MS = 15_000;
const UNJAM_MAX_MS = 600_000;
/** What is in a heartbeat, bytes. */
const HEARTBEAT_BYTES = 8;

/** What all paths of a session have carried since it began. */
export interface CarriedRecords {
  readonly sentPackets: number;
  readonly sentBytes: number;
  readonly receivedPackets: number;
  readonly receivedBytes: number;
}

export class V1SessionWatch {
  #session: number | null = null;
  #replacedMs = -Infinity;
  #unjammedMs = -Infinity;
  #unjamAfterMs = UNJAM_FIRST_MS;
  #unansweredSeconds = 0;
  #before: CarriedRecords | null = null;

  /** A path that worked is cut. Returns whether to replace the session. */
  pathWentDown(nowMs: number): boolean {
    if (nowMs - this.#replacedMs < REPLACED_EVERY_MS) return false;
    this.#replacedMs = nowMs;
    return true;
  }

  /** Takes the counters of a session that is up, once a second. Returns whether to replace it. */
  carried(session: number, records: CarriedRecords, nowMs: number): boolean {
    const before = this.#session === session ? this.#before : null;
    this.#session = session;
    this.#before = records;
    if (before === null) {
      this.#unansweredSeconds = 0;
      return false;
    }
    const received = records.receivedBytes - before.receivedBytes;
    if (received > HEARTBEAT_BYTES * (records.receivedPackets - before.receivedPackets)) {
      this.#unansweredSeconds = 0;
      this.#unjamAfterMs = UNJAM_FIRST_MS;
      return false;
    }
    const sent = records.sentBytes - before.sentBytes;
    if (sent > HEARTBEAT_BYTES * (records.sentPackets - before.sentPackets)) {
      this.#unansweredSeconds++;
    }
    const isDue = nowMs - this.#unjammedMs >= this.#unjamAfterMs;
    if (this.#unansweredSeconds < UNANSWERED_SECONDS || !isDue) return false;
    this.#unansweredSeconds = 0;
    this.#unjammedMs = nowMs;
    this.#unjamAfterMs = Math.min(2 * this.#unjamAfterMs, UNJAM_MAX_MS);
    return true;
  }
}
