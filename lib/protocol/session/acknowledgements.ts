/**
 * Which records of each path arrived, told to a peer that spreads flows over paths, and heard from it
 * (x1, type 6). Nothing is told before the peer has sent an ordered packet, or this side spreads flows
 * itself: otherwise nobody asked.
 */
import { ReceivedRecords } from "../path/received_records.ts";
import type { PathTable } from "../path/path_table.ts";
import type { SessionPath } from "../path/session_path.ts";
import type { Scheduling } from "../schedule/scheduling.ts";
import {
  Acknowledgement,
  decodeAcknowledgement,
  encodeAcknowledgement,
} from "../wire/acknowledgement.ts";
import type { DropReason } from "../wire/drop_reason.ts";
import { PATH_IDS } from "../wire/path_id.ts";
import { type RecordHeader, TYPE_ACKNOWLEDGEMENT } from "../wire/header.ts";
import type { Outbox } from "../path/outbox.ts";

/** The peer asks for so long after an ordered packet. */
const ASKED_MS = 30_000;
/** A packet that the sender withholds (schedule/aggregate/bursts) is waited for, too. */
const PATIENCE_MS = 75;
/** A path silent for so long while data flows may be gone: its acknowledgement takes another. */
const QUIET_MS = 8;
/** A path is there when something came within, */
const HEARD_MS = 50;
/** and is slow when it is later by so much. */
const SLOW_MS = 15;
const ROUND_TRIP_UNKNOWN_MS = 100;
/** For so long after a packet each heartbeat is acknowledged, */
const BUSY_MS = 1000;
/** and then one in so long: the peer keeps what it knows of the paths. */
const IDLE_TOLD_MS = 5000;
const WAIT_MS_MAX = 100;
const RECOVERY_MS_MAX = 200;

export class Acknowledgements {
  readonly #paths: PathTable;
  readonly #outbox: Outbox;
  readonly #scheduling: Scheduling;
  readonly #message = new Acknowledgement();
  /**
   * By path, when its last acknowledgement is told again on another one, should nothing come until
   * then; Infinity: it was. The sender takes for lost what it is not told of, and sends that again.
   */
  readonly #lastWordAt = new Float64Array(PATH_IDS).fill(Infinity);
  #askedAt = -Infinity;
  /** When a packet last came, on whichever path. */
  #packetAt = -Infinity;

  constructor(paths: PathTable, outbox: Outbox, scheduling: Scheduling) {
    this.#paths = paths;
    this.#outbox = outbox;
    this.#scheduling = scheduling;
  }

  /** Hot. An authentic record has come. */
  recordArrived(path: SessionPath, header: RecordHeader, counter: number, now: number): void {
    if (!this.#isAsked(now)) return;
    path.receivedRecords ??= new ReceivedRecords();
    const { epoch, payloadLength, sendTime } = header;
    path.receivedRecords.arrived(epoch, counter, payloadLength, sendTime, now);
  }

  #isAsked(now: number): boolean {
    return now - this.#askedAt < ASKED_MS || this.#scheduling.scheduler.spreadsFlows;
  }

  /** Hot. An ordered packet has come: the peer wants to know what arrives. */
  asked(now: number): void {
    this.#askedAt = now;
  }

  /** Hot. A packet has come on `path`. */
  packetArrived(path: SessionPath, now: number): void {
    const records = path.receivedRecords;
    if (records === null) return;
    this.#packetAt = now;
    records.expectAcknowledgement(now);
    if (now >= records.dueAt) this.#tell(path, records, now);
  }

  /**
   * It is acknowledged at once, with what answers it anyway: an idle session needs no turn for it.
   * Without packets it is news of the path's delay alone, unless it shows a gap.
   */
  heartbeatArrived(path: SessionPath, now: number): void {
    const { receivedRecords: records } = path;
    if (records === null) return;
    const isNews = now - this.#packetAt < BUSY_MS || records.isUrgent(now);
    if (isNews || now - records.toldAt >= IDLE_TOLD_MS) records.acknowledgeAt(now);
  }

  #tell(path: SessionPath, records: ReceivedRecords, now: number): void {
    const isQuiet = now - records.arrivedAt >= QUIET_MS;
    const tellsOfPackets = records.hasNewPackets || this.#lastWordAt[path.id]! < Infinity;
    const isRetold = !isQuiet && tellsOfPackets;
    this.#lastWordAt[path.id] = isRetold ? records.arrivedAt + QUIET_MS : Infinity;
    const isUrgent = isQuiet || records.isUrgent(now);
    this.#message.pathId = path.id;
    if (!records.acknowledge(this.#message, now)) return;
    const payload = encodeAcknowledgement(this.#message);
    this.#outbox.transmit({ type: TYPE_ACKNOWLEDGEMENT, path, payload });
    const fastest = this.#fastest(path, isQuiet, now);
    const isSlow = tellsOfPackets && delayOf(path, now) > delayOf(fastest, now) + SLOW_MS;
    if (fastest === path || !isUrgent && !isSlow) return;
    this.#outbox.transmit({ type: TYPE_ACKNOWLEDGEMENT, path: fastest, payload });
  }

  /** The path ends: what came on it last is told on another one, or it would be sent again. */
  pathEnds(path: SessionPath, now: number): void {
    const { receivedRecords: records } = path;
    const isTold = records === null ||
      records.dueAt === Infinity && this.#lastWordAt[path.id] === Infinity;
    const fastest = this.#fastest(path, true, now);
    if (isTold || fastest === path) return;
    this.#lastWordAt[path.id] = Infinity;
    this.#message.pathId = path.id;
    if (!records.acknowledge(this.#message, now)) return;
    const payload = encodeAcknowledgement(this.#message);
    this.#outbox.transmit({ type: TYPE_ACKNOWLEDGEMENT, path: fastest, payload });
  }

  /**
   * The path that is there first, of those that work and were heard lately; for news of a path that
   * may be gone, the first of the others.
   */
  #fastest(own: SessionPath, isQuiet: boolean, now: number): SessionPath {
    let fastest = own;
    let least = isQuiet ? Infinity : delayOf(own, now);
    for (const path of this.#paths) {
      if (path === own || !path.mayCarry || now - path.lastHeardAt > HEARD_MS) continue;
      const delay = delayOf(path, now);
      if (delay >= least) continue;
      least = delay;
      fastest = path;
    }
    return fastest;
  }

  /** Takes what the peer tells. Returns why it is dropped, or null. */
  receive(payload: Uint8Array, now: number): DropReason | null {
    const message = this.#message;
    if (!decodeAcknowledgement(payload, message)) return "bad message";
    // One of a path that was removed may come after it, on another path.
    if (this.#paths.byId(message.pathId) === null) return null;
    return this.#scheduling.scheduler.acknowledged(message, now) ? null : "bad message";
  }

  /** How much later than the fastest path the slowest may be, in ms. */
  waitMs(): number {
    let least = Infinity;
    let most = -Infinity;
    let jitter = 0;
    for (const { receivedRecords, isUsable } of this.#paths) {
      if (receivedRecords === null || !isUsable || receivedRecords.arrivedAt === -Infinity) {
        continue;
      }
      least = Math.min(least, receivedRecords.meanDelayMs);
      most = Math.max(most, receivedRecords.meanDelayMs);
      jitter = Math.max(jitter, receivedRecords.jitterMs);
    }
    return least === Infinity ? WAIT_MS_MAX : Math.min(WAIT_MS_MAX, most - least + 4 * jitter + 5);
  }

  /** How long sending again takes, in ms. */
  recoveryMs(now: number): number {
    let fastest = Infinity;
    let jitter = 0;
    for (const path of this.#paths) {
      if (!path.isUsable) continue;
      fastest = Math.min(fastest, delayOf(path, now));
      jitter = Math.max(jitter, path.receivedRecords?.jitterMs ?? 0);
    }
    return Math.min(RECOVERY_MS_MAX, 2 * fastest + 4 * jitter + PATIENCE_MS);
  }

  handleTimeout(now: number): void {
    for (const path of this.#paths) {
      const records = path.receivedRecords;
      if (records === null) continue;
      if (now >= records.dueAt) this.#tell(path, records, now);
      if (now < this.#lastWordAt[path.id]!) continue;
      // What came meanwhile is told of soon enough.
      if (now - records.arrivedAt >= QUIET_MS) this.#tell(path, records, now);
      this.#lastWordAt[path.id] = Infinity;
    }
  }

  nextDeadline(): number {
    let next = Infinity;
    for (const { id, receivedRecords } of this.#paths) {
      if (receivedRecords === null) continue;
      next = Math.min(next, receivedRecords.dueAt, this.#lastWordAt[id]!);
    }
    return next;
  }
}

function delayOf(path: SessionPath, now: number): number {
  return path.quality.judgedRttMs(now) ?? ROUND_TRIP_UNKNOWN_MS;
}
