/**
 * The client sends heartbeats on each path, more often while packets flow or the path is in doubt. The
 * server echoes them at once.
 */
import type { DropReason } from "../wire/drop_reason.ts";
import { TYPE_HANDSHAKE, TYPE_HEARTBEAT } from "../wire/header.ts";
import { decodeHeartbeat, encodeHeartbeat, heartbeatClock } from "../wire/heartbeat.ts";
import type { Outbox } from "../path/outbox.ts";
import type { PathTable } from "../path/path_table.ts";
import type { Role } from "./session_options.ts";
import type { SessionPath } from "../path/session_path.ts";

export const HEARTBEAT_IDLE_MS = 2000;
/** While packets flow, or a path is in doubt. */
export const HEARTBEAT_ACTIVE_MS = 200;
/** Packets within this time mean that they flow. */
const ACTIVITY_MS = 2000;
/**
 * While none flow, a path in doubt is asked so many times at that pace, and less and less often from
 * then on. A server that stands still for a moment puts all paths of all its clients in doubt: ten times
 * the heartbeats, for as long as that lasts, would keep a large one from ever answering them in time.
 * One that works and is avoided harms nobody who sends nothing.
 */
const DOUBT_BEATS = { down: 10, avoided: 3 } as const;
const DOUBT_GROWTH = 1.5;
/** Beside a path that works it is more likely the path that is cut, and should be back soon. */
const DOUBT_BESIDE_MS_MAX = 500;

export class Heartbeats {
  readonly #paths: PathTable;
  readonly #outbox: Outbox;
  readonly #role: Role;
  readonly #clockOffsetMs: number;
  #lastPacketAt = -Infinity;

  /** @param clockOffsetMs added to `now` in the time that heartbeats carry. */
  constructor(paths: PathTable, outbox: Outbox, role: Role, clockOffsetMs = 0) {
    this.#paths = paths;
    this.#outbox = outbox;
    this.#role = role;
    this.#clockOffsetMs = clockOffsetMs;
  }

  /** Hot. A packet is sent, or has come. */
  notePackets(now: number): void {
    const wasIdle = now - this.#lastPacketAt >= ACTIVITY_MS;
    this.#lastPacketAt = now;
    if (!wasIdle || this.#role === "server") return;
    for (const path of this.#paths) {
      if (path.isHeldBack) continue;
      path.heartbeatAt = Math.min(path.heartbeatAt, now + HEARTBEAT_ACTIVE_MS);
    }
  }

  /** Answers a heartbeat, or takes an answer. Returns why it is dropped, or null. */
  receive(payload: Uint8Array, path: SessionPath, now: number): DropReason | null {
    const clock = decodeHeartbeat(payload);
    if (clock === null) return "bad message";
    if (this.#role === "server") {
      this.#outbox.transmit({ type: TYPE_HEARTBEAT, path, payload: payload.slice() });
      return null;
    }
    const sentAt = clock - this.#clockOffsetMs;
    const roundTrip = now - sentAt;
    if (!(roundTrip >= 0)) return "bad message";
    path.counters.heartbeatsAnswered++;
    path.quality.rttMeasured(roundTrip, now);
    path.quality.heartbeatAnswered(sentAt, now);
    return null;
  }

  /** Sends one, and says when the next is due. */
  send(path: SessionPath, now: number): void {
    const isUp = path.liveness.state === "up";
    if (!isUp) this.#outbox.transmit({ type: TYPE_HANDSHAKE, path, payload: new Uint8Array(0) });
    const clock = now + this.#clockOffsetMs;
    this.#outbox.transmit({ type: TYPE_HEARTBEAT, path, payload: encodeHeartbeat(clock) });
    path.counters.heartbeatsSent++;
    path.liveness.sent(now);
    path.quality.heartbeatSent(heartbeatClock(clock) - this.#clockOffsetMs);
    path.heartbeatAt = now + this.#pauseMs(path, isUp, now);
  }

  #isAnyUp(): boolean {
    for (const { liveness } of this.#paths) if (liveness.state === "up") return true;
    return false;
  }

  #pauseMs(path: SessionPath, isUp: boolean, now: number): number {
    const doubts = path.doubtBeats;
    path.doubtBeats = 0;
    // A link whose volume counts is kept alive with as little as will do.
    if (path.isHeldBack && isUp) return HEARTBEAT_IDLE_MS;
    if (now - this.#lastPacketAt < ACTIVITY_MS) return HEARTBEAT_ACTIVE_MS;
    if (isUp && path.eligibility.reason === null) return HEARTBEAT_IDLE_MS;
    path.doubtBeats = doubts + 1;
    const fast = isUp ? DOUBT_BEATS.avoided : DOUBT_BEATS.down;
    const growth = DOUBT_GROWTH ** Math.max(0, path.doubtBeats - fast);
    const mostMs = !isUp && this.#isAnyUp() ? DOUBT_BESIDE_MS_MAX : HEARTBEAT_IDLE_MS;
    return Math.min(HEARTBEAT_ACTIVE_MS * growth, mostMs);
  }
}
