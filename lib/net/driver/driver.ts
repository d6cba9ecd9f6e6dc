/**
 * The data plane without its endpoints: it holds the sessions and handles packets, records and timers.
 * The native engine, the portable engine and the tests on virtual time connect it to endpoints of
 * their own (`ends.ts`). It has no clock: time comes in as `now`, in milliseconds.
 *
 * In one turn of an engine, records and packets go through `inbound` and `outbound`; then `turn` sends
 * the control records of sessions, and `tick` runs their timers. Both visit only sessions that have
 * something to do.
 */
import { messageOf } from "../../ffi/error_text.ts";
import { type FlowKey, isMulticast } from "../../protocol/packet/flow_key.ts";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import { FlowTable } from "../../protocol/schedule/flow_table.ts";
import { Session, type SessionOptions } from "../../protocol/session/session.ts";
import type { NewPath } from "../../protocol/path/path_table.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import { TYPE_PACKET } from "../../protocol/wire/header.ts";
import type { PathRule } from "../../protocol/wire/path_rule.ts";
import {
  type EngineSession,
  SESSION_IDLE_MS,
  type SessionHeard,
  type SessionLimits,
  type SessionReport,
} from "../engine.ts";
import { ClientLimits } from "./client_limits.ts";
import { Delivery } from "./delivery.ts";
import type { DriverEnds, PathObserver } from "./ends.ts";
import { Inbound } from "./inbound.ts";
import type { PacketMemory } from "./memory.ts";
import { Outbound } from "./outbound.ts";
import { PacketCells } from "./packet_cells.ts";
import { reportSession } from "./report.ts";
import { emitSessionEvents } from "./session_events.ts";
import { sessionTuning } from "./session_tuning.ts";
import { SessionWires } from "./session_wires.ts";
import { SessionEntry, SessionTable } from "./sessions.ts";
import { TimerHeap } from "./timer_heap.ts";

/** Timers of a session are looked at no more often than this while packets flow, */
const TICK_MIN_MS = 10;
/** at the latest after this then, */
const TICK_BUSY_MS = 20;
/** and no less often than this when idle. */
const TICK_MAX_MS = 10_000;

const NOTHING_LIMITED = { down: 0, up: 0, reach: 0 };

/** A scheduler that holds packets back is asked again no sooner than this. */
const DEPARTURE_MIN_MS = 0.1;

export class Driver<S extends Cipher, O extends Cipher> implements PathObserver<S, O> {
  readonly sessions = new SessionTable<S, O>();
  readonly inbound: Inbound<S, O>;
  readonly outbound: Outbound<S, O>;
  readonly #ends: DriverEnds<S, O>;
  readonly #cells = new PacketCells();
  /** Memory of packets that schedulers hold back. */
  readonly #storeCells = new PacketCells();
  /** Memory of packets that wait for the rate of their client. */
  readonly #limitCells = new PacketCells();
  readonly #flows: FlowTable;
  readonly #wires: SessionWires;
  readonly #delivery: Delivery<S, O>;
  readonly #timers = new TimerHeap<SessionEntry<S, O>>();
  /** When the next packet held back may leave, by session. */
  readonly #departures = new TimerHeap<SessionEntry<S, O>["departure"]>();
  /** Sessions that may have control records to send. */
  readonly #touched: SessionEntry<S, O>[] = [];

  /** @param read memory of the packets passed to `outbound`. */
  constructor(ends: DriverEnds<S, O>, read: PacketMemory) {
    this.#ends = ends;
    this.#flows = new FlowTable({ seed: ends.flowSeed });
    this.#wires = new SessionWires(ends.unixOffsetMs);
    const { drops } = ends;
    const failed = (entry: SessionEntry<S, O>, error: unknown) => this.#fail(entry, error);
    const touched = (entry: SessionEntry<S, O>, now: number) => this.touch(entry, now);
    this.#delivery = new Delivery(ends.packets, this.#cells, drops);
    this.inbound = new Inbound(this.sessions, this.#delivery, ends.codecs, ends.made, {
      drop: (reason) => drops.count(reason),
      accepted: (entry, now) => this.#accepted(entry, now),
      failed,
    });
    this.outbound = new Outbound(read, this.sessions, ends, {
      sent: touched,
      unclaimed: (flow, packet, length) => this.#unclaimed(flow, packet, length),
      failed,
    });
  }

  // Sessions and paths

  /**
   * The key of `spec` is copied; the caller wipes its own.
   * @param options for tests only.
   */
  openSession(
    spec: EngineSession,
    now: number,
    options: Pick<SessionOptions<S, O>, "epochLimits" | "firstSequence"> = {},
  ): void {
    const { suite, random } = this.#ends;
    const session = new Session<S, O>({
      ...{ role: spec.role, id: spec.id, key: spec.key, suite, random, now },
      ...sessionTuning(spec),
      wire: this.#wires.of(spec, now),
      flows: this.#flows,
      ...options,
    });
    const { firstSequence } = options;
    const kept = { ...spec, key: new Uint8Array(0) };
    const entry = new SessionEntry(session, kept, this.#cells, this.#storeCells, firstSequence);
    this.sessions.add(entry);
    this.#limit(entry, spec.limits);
    this.touch(entry, now);
  }

  /** What the client of a session is held to from now on, whichever of its sessions carries it. */
  setLimits(id: number, limits: SessionLimits, now: number): void {
    const entry = this.sessions.byId(id | 0);
    if (entry === undefined) return;
    this.#limit(entry, limits);
    this.touch(entry, now);
  }

  #limit(entry: SessionEntry<S, O>, limits: SessionLimits | undefined): void {
    const [first] = this.sessions.ofPlace(entry);
    const own = first!.limits ?? (limits === undefined ? null : new ClientLimits(this.#limitCells));
    if (own === null) return;
    if (limits !== undefined) {
      own.apply(limits);
      this.sessions.setRoutes(entry, limits.routes);
    }
    for (const each of this.sessions.ofPlace(entry)) each.limits = own;
  }

  /** Ends a session, telling the peer. */
  closeSession(id: number, now: number): void {
    const entry = this.sessions.byId(id | 0);
    if (entry === undefined) return;
    try {
      entry.session.sayBye();
      this.#say(entry, now);
      this.#ends.records.flush(now);
      this.#drop(entry);
    } catch (error) {
      this.#fail(entry, error);
    }
  }

  /** Adds a path of the client's own; null when the session is unknown or has one of that id. */
  addPath(sessionId: number, path: NewPath, now: number): SessionPath | null {
    const entry = this.sessions.byId(sessionId | 0);
    if (entry === undefined || entry.session.paths.byId(path.id) !== null) return null;
    const added = entry.session.addPath(path, now);
    this.touch(entry, now);
    this.#timers.schedule(entry, now);
    return added;
  }

  removePath(sessionId: number, id: number, now: number): void {
    const entry = this.sessions.byId(sessionId | 0);
    const path = entry?.session.paths.byId(id) ?? null;
    if (entry === undefined || path === null) return;
    entry.session.removePath(id, now);
    this.#ends.records.close(path);
    this.touch(entry, now);
  }

  setPathRule(sessionId: number, id: number, rule: PathRule, now: number): void {
    const entry = this.sessions.byId(sessionId | 0);
    if (entry === undefined) return;
    entry.session.setRule(id, rule, now);
    this.touch(entry, now);
  }

  probePaths(sessionId: number, now: number): void {
    const entry = this.sessions.byId(sessionId | 0);
    if (entry === undefined) return;
    entry.session.probePaths(now);
    this.#timers.schedule(entry, now);
  }

  askToLeave(id: number, now: number): void {
    const entry = this.sessions.byId(id | 0);
    if (entry === undefined) return;
    entry.session.askToLeave();
    this.touch(entry, now);
  }

  report(now: number): SessionReport[] {
    return [...this.sessions]
      .filter((entry) => entry.closesAt === Infinity)
      .map(({ session, spec, reordering, compression, limits }) => ({
        ...reportSession(session, spec, reordering.counters(), compression, now),
        limited: limits?.counts() ?? NOTHING_LIMITED,
      }));
  }

  /** The sessions on which something has come. */
  heard(now: number): SessionHeard[] {
    const heard: SessionHeard[] = [];
    for (const { session, spec, closesAt } of this.sessions) {
      let at = -Infinity;
      for (const path of session.paths) at = Math.max(at, path.lastHeardAt);
      if (closesAt === Infinity && at > -Infinity) heard.push({ name: spec.name, msAgo: now - at });
    }
    return heard;
  }

  /** Ends all sessions, telling the peers. */
  close(now: number): void {
    for (const entry of [...this.sessions]) this.closeSession(entry.session.id, now);
  }

  // What sending tells of paths

  linkFailed(entry: SessionEntry<S, O>, path: SessionPath, now: number): void {
    if (!entry.isDropped) entry.session.linkFailed(path, now);
    this.touch(entry, now);
  }

  linkWorks(entry: SessionEntry<S, O>, path: SessionPath, now: number): void {
    if (!entry.isDropped) entry.session.linkWorks(path, now);
    this.touch(entry, now);
  }

  packetRefused(entry: SessionEntry<S, O>, path: SessionPath, bytes: number, now: number): void {
    if (!entry.isDropped) entry.session.packetRefused(path, bytes, now);
    this.touch(entry, now);
  }

  // Time

  /** When `tick` is to be called next; Infinity without sessions. */
  get nextTick(): number {
    return Math.min(this.#timers.nextAt, this.#departures.nextAt);
  }

  /** When the next packet that is held back may leave; Infinity: none is. */
  get nextDeparture(): number {
    return this.#departures.nextAt;
  }

  #unclaimed(flow: FlowKey, packet: number, length: number): void {
    // Multicast is not carried: it is the device's own router solicitations and the like.
    if (isMulticast(flow)) return;
    const { handOver, drops } = this.#ends;
    if (handOver?.(flow, packet, length) !== true) drops.count("no session for destination");
  }

  /** Hot. Sends heartbeats, echoes and messages that wait, and passes events on. */
  turn(now: number): void {
    const touched = this.#touched;
    for (let i = 0; i < touched.length; i++) {
      const entry = touched[i]!;
      entry.isTouched = false;
      try {
        if (entry.isDropped) continue;
        // Nothing but control records has come: its timers have their turn with them, and none later.
        if (entry.dueAt > now + TICK_BUSY_MS) this.#tickSession(entry, now);
        else this.#say(entry, now);
      } catch (error) {
        this.#fail(entry, error);
      }
    }
    touched.length = 0;
    this.#ends.records.flush(now);
  }

  /** Whether to stop reading the TUN device: a client's scheduler holds too many packets. */
  get isFull(): boolean {
    return this.sessions.own?.store.isFull === true;
  }

  /** Does what is due at `now`. */
  tick(now: number): void {
    for (let due = this.#departures.due(now); due !== null; due = this.#departures.due(now)) {
      this.#departures.remove(due);
      this.touch(due.entry, now);
    }
    for (let entry = this.#timers.due(now); entry !== null; entry = this.#timers.due(now)) {
      try {
        this.#tickSession(entry, now);
      } catch (error) {
        this.#fail(entry, error);
      }
    }
    this.turn(now);
  }

  #tickSession(entry: SessionEntry<S, O>, now: number): void {
    const { session } = entry;
    if (entry.repairAt <= now) this.inbound.repair(entry, now);
    if (entry.flushAt <= now) this.#delivery.release(entry, now);
    session.handleTimeout(now);
    this.#say(entry, now);
    this.#tellVolume(entry, entry.limits?.dueVolume(now) ?? 0);
    if (now >= entry.closesAt) return this.#drop(entry);
    if (now - session.lastHeardAt >= SESSION_IDLE_MS) {
      this.#ends.emit({ kind: "idle", session: session.id });
      return this.#drop(entry);
    }
    const next = Math.min(session.nextTimeout(), entry.closesAt, entry.flushAt, entry.repairAt);
    const latest = Math.min(now + TICK_MAX_MS, session.lastHeardAt + SESSION_IDLE_MS);
    this.#timers.schedule(entry, Math.max(now + TICK_MIN_MS, Math.min(next, latest)));
  }

  /** Hot. Something happened to the session: it may have control records to send in this turn. */
  touch(entry: SessionEntry<S, O>, now: number): void {
    if (entry.isDropped) return;
    const at = Math.min(now + TICK_BUSY_MS, entry.flushAt);
    if (entry.dueAt > at) this.#timers.schedule(entry, at);
    this.#listTouched(entry);
  }

  /** Hot. As `touch`, for a record that was accepted: the turn it belongs to ends with `turn`. */
  #accepted(entry: SessionEntry<S, O>, now: number): void {
    if (this.inbound.header.type === TYPE_PACKET) this.touch(entry, now);
    else if (!entry.isDropped) this.#listTouched(entry);
  }

  #listTouched(entry: SessionEntry<S, O>): void {
    if (entry.isTouched) return;
    entry.isTouched = true;
    this.#touched.push(entry);
  }

  #say(entry: SessionEntry<S, O>, now: number): void {
    const { session } = entry;
    const { records, emit } = this.#ends;
    while (records.hasControlRoom) {
      const next = session.pollTransmit();
      if (next === null) break;
      this.outbound.sendControl(entry, next.path, next.type, next.payload, now);
    }
    const dropped = session.takeDropped();
    if (dropped > 0) this.#ends.drops.count("send buffer full", dropped);
    emitSessionEvents(session, emit);
    const next = Math.min(this.#releaseLimited(entry, now), this.outbound.release(entry, now));
    if (next === Infinity) this.#departures.remove(entry.departure);
    else this.#departures.schedule(entry.departure, Math.max(next, now + DEPARTURE_MIN_MS));
  }

  /** Lets go what may pass by the rates of the client. Returns when there is more to let go. */
  #releaseLimited(entry: SessionEntry<S, O>, now: number): number {
    const { limits } = entry;
    if (limits === null) return Infinity;
    if (entry.isInUse) this.outbound.releaseLimited(entry, now);
    this.#delivery.releaseLimited(limits, now);
    return entry.isInUse ? limits.nextAt(now) : limits.up?.nextAt(now) ?? Infinity;
  }

  #tellVolume({ session, spec }: SessionEntry<S, O>, bytes: number): void {
    if (bytes === 0) return;
    this.#ends.emit({ kind: "volume", session: session.id, name: spec.name, bytes });
  }

  #drop(entry: SessionEntry<S, O>): void {
    if (entry.isDropped) return;
    entry.isDropped = true;
    this.sessions.remove(entry);
    if (entry.limits !== null && this.sessions.ofPlace(entry).length === 0) {
      this.#tellVolume(entry, entry.limits.takeVolume(-Infinity));
      entry.limits.free();
    }
    this.#timers.remove(entry);
    this.#departures.remove(entry.departure);
    entry.store.free();
    for (const path of entry.session.paths) this.#ends.records.close(path);
    entry.reordering.free();
    entry.flowOrdering?.free();
    entry.repairing?.free();
    entry.session.free();
  }

  /** Drops a session that failed; the others go on. */
  #fail(entry: SessionEntry<S, O>, error: unknown): void {
    if (entry.isDropped) return;
    const message = messageOf(error);
    this.#ends.emit({ kind: "session failed", session: entry.session.id, message });
    try {
      this.#drop(entry);
    } catch {
      // The tables no longer have it, and its memory goes with it.
    }
  }
}
