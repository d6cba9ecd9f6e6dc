/**
 * One session between a client and the server: its keys, its paths, and what it has to say besides
 * packets. Pure: time comes in as `now` (milliseconds of one monotonic clock), what to send comes
 * out of `pollTransmit`, what to tell the outside out of `pollEvent`.
 *
 * Outbound, an engine asks for a path, lets `writeRecord` fill header and nonce, and seals. Inbound,
 * it decodes the header, asks `openerFor`, opens the record in place, and calls `accept`; only then
 * has anything the record says been believed.
 */
// long: one state machine; its transitions are read together
import type { DropReason } from "../drop_reason.ts";
import { WeightedChoice } from "../schedule/weighted_choice.ts";
import {
  DIRECTION_CLIENT_TO_SERVER,
  DIRECTION_SERVER_TO_CLIENT,
  type RecordHeader,
  TYPE_CONTROL,
  TYPE_HANDSHAKE,
  TYPE_HEARTBEAT,
} from "../wire/header.ts";
import { directionKeys } from "../wire/key_schedule.ts";
import { decodeTunnelMessage, encodeTunnelMessage } from "../wire/tunnel_message.ts";
import { decodeHeartbeat, encodeHeartbeat } from "./heartbeat.ts";
import { type Cipher, EPOCH_MS, EPOCH_PACKETS, ReceiveKeys, SendKeys } from "./key_epochs.ts";
import { type NewPath, PathTable } from "./path_table.ts";
import type { PeerAddress } from "./peer_address.ts";
import type { Role, SessionOptions } from "./session_options.ts";
import type { SessionPath } from "./session_path.ts";
import { Outbox, type SessionEvent, type Transmit } from "./outbox.ts";
import { RecordWriter } from "./record_writer.ts";
import { RecordVerifier } from "./record_verifier.ts";
import { V1Freshness } from "./v1_freshness.ts";

export const HEARTBEAT_IDLE_MS = 2000;
/** While packets flow, or a path is in doubt. */
export const HEARTBEAT_ACTIVE_MS = 200;
/** Packets within this time mean that they flow. */
const ACTIVITY_MS = 2000;
/** A path of the peer's that was silent for so long gives its place to a new one. */
const SILENT_PATH_KEPT_MS = 30_000;

export type { Role, SessionOptions } from "./session_options.ts";
export type { SessionEvent, Transmit } from "./outbox.ts";

export class Session<S extends Cipher, O extends Cipher> {
  readonly role: Role;
  readonly id: number;
  readonly x1: boolean;
  readonly paths: PathTable;
  /** Chooses the path of a new flow. */
  readonly choice = new WeightedChoice();
  /** When anything authentic last came, on any path. */
  lastHeardAt: number;

  readonly #writer: RecordWriter<S>;
  readonly #receiveKeys: ReceiveKeys<O>;
  readonly #verifier: RecordVerifier<O>;
  readonly #outbox = new Outbox();
  readonly #freshness = new V1Freshness();
  #lastPacketAt = -Infinity;
  #refusal: DropReason = "not authentic";
  /** When the server is told again which paths work: what it was told last may have been lost. */
  #announceAt: number;

  constructor(options: SessionOptions<S, O>) {
    const { role, x1, suite, now } = options;
    this.role = role;
    this.id = options.id;
    this.x1 = x1;
    this.lastHeardAt = now;
    const isClient = role === "client";
    const sendDirection = isClient ? DIRECTION_CLIENT_TO_SERVER : DIRECTION_SERVER_TO_CLIENT;
    const { clientToServer, serverToClient } = x1 ? directionKeys(options.key) : {
      clientToServer: options.key.slice(),
      serverToClient: options.key.slice(),
    };
    const limits = x1 ? options.epochLimits ?? { packets: EPOCH_PACKETS, ms: EPOCH_MS } : null;
    this.#writer = new RecordWriter({
      id: options.id,
      x1,
      direction: sendDirection,
      keys: new SendKeys(suite, isClient ? clientToServer : serverToClient, limits, now),
      random: options.random,
    });
    this.#receiveKeys = new ReceiveKeys(suite, isClient ? serverToClient : clientToServer, x1);
    this.#verifier = new RecordVerifier(this.#receiveKeys, sendDirection);
    this.#announceAt = isClient && x1 ? now : Infinity;
    const answersWithin = isClient ? 0 : 2 * (x1 ? HEARTBEAT_ACTIVE_MS : HEARTBEAT_IDLE_MS);
    this.paths = new PathTable(answersWithin);
  }

  // Outbound

  /**
   * Hot. Writes header and nonce of a record at `offset`; the payload of `payloadLength` bytes goes
   * behind them. Returns what seals it.
   */
  writeRecord(
    view: DataView,
    offset: number,
    type: number,
    path: SessionPath,
    payloadLength: number,
    flags: number,
    sendTime: number,
  ): S {
    path.counters.sentPackets++;
    path.counters.sentBytes += payloadLength;
    return this.#writer.write(view, offset, type, path.id, payloadLength, flags, sendTime);
  }

  /** Hot. To be called before the records of one packet of the TUN device are written for `path`. */
  notePacketSent(path: SessionPath, now: number): void {
    // The client's packets want no answer of their own, its heartbeats do. The server has only the
    // client's heartbeats to go by, and those come while there are packets.
    if (this.role === "server") path.liveness.sent(now);
    this.#notePackets(now);
    this.#writer.advanceIfDue(now);
  }

  // Inbound

  /** Why the last `openerFor` or `accept` gave null. */
  get refusal(): DropReason {
    return this.#refusal;
  }

  /** Hot. What may open the record at `offset`, or null: see `refusal`. Changes nothing. */
  openerFor(view: DataView, offset: number, header: RecordHeader, now: number): O | null {
    if (!this.x1) return this.#receiveKeys.current.opener;
    const opener = this.#verifier.openerFor(view, offset, header, now);
    return opener ?? this.#refuse(this.#verifier.refusal);
  }

  /**
   * Hot. The record `openerFor` was last asked about has been opened: it is authentic. Moves the
   * replay window and the path. Returns the path it came on, or null: see `refusal`.
   *
   * @param from where the record came from; null when the socket is connected to the peer.
   * @param view with the record at `offset`, its payload opened in place.
   */
  accept(
    header: RecordHeader,
    view: DataView,
    offset: number,
    socket: number,
    from: PeerAddress | null,
    now: number,
  ): SessionPath | null {
    const path = this.x1
      ? this.#acceptX1(header, socket, from, now)
      : this.#acceptV1(header, view, offset, socket, from, now);
    if (path === null) return null;
    path.counters.receivedPackets++;
    path.counters.receivedBytes += header.payloadLength;
    this.#heard(path, now);
    return path;
  }

  #acceptX1(
    header: RecordHeader,
    socket: number,
    from: PeerAddress | null,
    now: number,
  ): SessionPath | null {
    const standing = this.#verifier.accept(now);
    if (standing === null) return this.#refuse(this.#verifier.refusal);
    let path = this.paths.byId(header.pathId);
    if (path === null) {
      if (from === null) return this.#refuse("no room for path");
      path = this.#openPeerPath(header.pathId, socket, from, now);
      if (path === null) return this.#refuse("no room for path");
    } else if (from !== null && standing === "newest" && !path.peer.equals(from)) {
      path.peer.copyFrom(from);
      path.socket = socket;
    }
    return path;
  }

  /** v1 has no replay window, so only what proves to be new may open a path. */
  #acceptV1(
    header: RecordHeader,
    view: DataView,
    offset: number,
    socket: number,
    from: PeerAddress | null,
    now: number,
  ): SessionPath | null {
    if (from === null) return this.paths.bySocket(socket) ?? this.#refuse("no room for path");
    const known = this.paths.byPeer(from);
    const isData = header.type !== TYPE_HANDSHAKE && header.type !== TYPE_HEARTBEAT;
    if (isData) return known ?? this.#refuse("no room for path");
    const isFresh = this.#freshness.see(header, view, offset);
    if (known !== null) return known;
    if (!isFresh) return this.#refuse("replayed");
    const path = this.#openPeerPath(this.paths.freeId(), socket, from, now);
    return path ?? this.#refuse("no room for path");
  }

  #refuse(reason: DropReason): null {
    this.#refusal = reason;
    return null;
  }

  /** Hot. A packet of the peer's has come. */
  notePacketReceived(now: number): void {
    this.#notePackets(now);
  }

  /** Handles an authentic record that is not a packet. Returns why it is dropped, or null. */
  receiveControl(
    type: number,
    payload: Uint8Array,
    path: SessionPath,
    now: number,
  ): DropReason | null {
    switch (type) {
      case TYPE_HANDSHAKE:
        return null;
      case TYPE_HEARTBEAT:
        return this.#receiveHeartbeat(payload, path, now);
      case TYPE_CONTROL:
        return this.x1 ? this.#receiveMessage(payload) : "unknown type";
      default:
        return "unknown type";
    }
  }

  #receiveHeartbeat(payload: Uint8Array, path: SessionPath, now: number): DropReason | null {
    const clock = decodeHeartbeat(payload);
    if (clock === null) return "bad message";
    if (this.role === "server") {
      this.#outbox.transmit({ type: TYPE_HEARTBEAT, path, payload: payload.slice() });
      return null;
    }
    const roundTrip = now - clock;
    if (!(roundTrip >= 0)) return "bad message";
    path.rtt.add(roundTrip);
    path.liveness.rttMeasured(roundTrip);
    this.#reweigh();
    return null;
  }

  #receiveMessage(payload: Uint8Array): DropReason | null {
    const message = decodeTunnelMessage(payload);
    if (message === null) return "bad message";
    switch (message.type) {
      case "bye":
        this.#outbox.emit({ name: "bye" });
        return null;
      case "paths":
        for (const path of this.paths) path.isUsableForPeer = message.usable.includes(path.id);
        this.#reweigh();
        return null;
      default:
        message satisfies never;
        return null;
    }
  }

  // Paths

  /** Adds a path of the client's own. Its handshake and first heartbeat are sent at once. */
  addPath(path: NewPath, now: number): SessionPath {
    const added = this.#openPath(path);
    if (added === null) {
      throw new RangeError(`Cannot add path ${path.id}: the session has too many`);
    }
    added.heartbeatAt = now;
    return added;
  }

  /** Removes a path, and what waits to be sent on it. */
  removePath(id: number): void {
    const path = this.paths.byId(id);
    if (path === null) return;
    if (path.reportedState !== "down") {
      path.reportedState = "down";
      this.#outbox.emit({ name: "path changed", path, state: "down" });
    }
    this.paths.remove(id);
    this.choice.setWeight(id, 0);
    this.#outbox.forgetPath(id);
    if (this.role === "client" && this.x1) this.#announcePaths();
  }

  /** The kernel refused to send on the path: its link is gone. */
  linkFailed(path: SessionPath, now: number): void {
    path.isLinkGone = true;
    path.liveness.linkDown(now);
    this.#noteState(path);
  }

  /** The kernel sends on the path again. */
  linkWorks(path: SessionPath, now: number): void {
    path.isLinkGone = false;
    path.liveness.linkUp(now);
    path.heartbeatAt = Math.min(path.heartbeatAt, now);
    this.#noteState(path);
  }

  #openPath(path: NewPath): SessionPath | null {
    const opened = this.paths.add(path);
    if (opened !== null) this.#reweigh();
    return opened;
  }

  /** A path the peer opened. Where there is no room, the one that is silent longest makes it. */
  #openPeerPath(
    id: number,
    socket: number,
    peer: PeerAddress,
    now: number,
  ): SessionPath | null {
    const path = { id, name: `path ${id}`, socket, peer };
    const opened = this.#openPath(path);
    if (opened !== null) return opened;
    const silent = this.paths.longestSilent();
    if (silent === null || now - silent.lastHeardAt < SILENT_PATH_KEPT_MS) return null;
    this.removePath(silent.id);
    return this.#openPath(path);
  }

  #heard(path: SessionPath, now: number): void {
    this.lastHeardAt = path.lastHeardAt = now;
    path.liveness.heard(now);
    if (path.liveness.state !== path.reportedState) this.#noteState(path);
  }

  #noteState(path: SessionPath): void {
    const { state } = path.liveness;
    if (state === path.reportedState) return;
    path.reportedState = state;
    this.#outbox.emit({ name: "path changed", path, state });
    this.#reweigh();
    if (this.role === "client" && this.x1) this.#announcePaths();
  }

  /** Tells the server which paths work, on one that does: it may not have noticed yet. */
  #announcePaths(): void {
    const usable = this.paths.usable();
    const path = usable[0];
    if (path === undefined) return;
    const message = encodeTunnelMessage({ type: "paths", usable: usable.map(({ id }) => id) });
    this.#outbox.transmit({ type: TYPE_CONTROL, path, payload: message });
  }

  #reweigh(): void {
    this.paths.weigh(this.choice);
  }

  // Time

  /** Does what is due at `now`. */
  handleTimeout(now: number): void {
    this.#receiveKeys.handleTimeout(now);
    this.#writer.advanceIfDue(now);
    for (const path of this.paths) {
      const wasUp = path.reportedState === "up";
      const state = path.liveness.poll(now);
      this.#noteState(path);
      if (this.role === "server") continue;
      // Asked again at once: one heartbeat lost on a quiet path must not take it down.
      if (now >= path.heartbeatAt || (wasUp && state === "suspect")) this.#sendHeartbeat(path, now);
    }
    if (now >= this.#announceAt) {
      this.#announceAt = now + HEARTBEAT_IDLE_MS;
      this.#announcePaths();
    }
  }

  /** When `handleTimeout` is to be called next, in milliseconds of the clock of `now`. */
  nextTimeout(): number {
    let next = this.#announceAt;
    for (const path of this.paths) {
      next = Math.min(next, path.heartbeatAt, path.liveness.nextDeadline());
    }
    return next;
  }

  #sendHeartbeat(path: SessionPath, now: number): void {
    const isUp = path.liveness.state === "up";
    if (!isUp) this.#outbox.transmit({ type: TYPE_HANDSHAKE, path, payload: new Uint8Array(0) });
    this.#outbox.transmit({ type: TYPE_HEARTBEAT, path, payload: encodeHeartbeat(now) });
    path.liveness.sent(now);
    const isActive = now - this.#lastPacketAt < ACTIVITY_MS;
    path.heartbeatAt = now + (isActive || !isUp ? HEARTBEAT_ACTIVE_MS : HEARTBEAT_IDLE_MS);
  }

  #notePackets(now: number): void {
    const wasIdle = now - this.#lastPacketAt >= ACTIVITY_MS;
    this.#lastPacketAt = now;
    if (!wasIdle || this.role === "server") return;
    for (const path of this.paths) {
      path.heartbeatAt = Math.min(path.heartbeatAt, now + HEARTBEAT_ACTIVE_MS);
    }
  }

  // What comes out

  /** The next record to send that is not a packet, or null. */
  pollTransmit(): Transmit | null {
    return this.#outbox.nextTransmit();
  }

  pollEvent(): SessionEvent | null {
    return this.#outbox.nextEvent();
  }

  /** Tells the peer that this side ends the session; v1 has no word for it. */
  sayBye(): void {
    if (!this.x1) return;
    for (const path of this.paths.usable()) {
      this.#outbox.transmit({
        type: TYPE_CONTROL,
        path,
        payload: encodeTunnelMessage({ type: "bye" }),
      });
    }
  }

  /** Wipes the keys. The session must not be used afterwards. */
  free(): void {
    this.#writer.free();
    this.#receiveKeys.free();
  }
}
