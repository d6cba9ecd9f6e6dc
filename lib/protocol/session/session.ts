/**
 * One session between a client and the server: its keys, its paths, and the control records it sends.
 * Pure: time comes in as `now` (milliseconds of one monotonic clock), records to send come out of
 * `pollTransmit`, events out of `pollEvent`.
 *
 * Outbound, an engine asks for a path, lets `writeRecord` fill header and nonce, and seals. Inbound,
 * it decodes the header, asks `openerFor`, opens the record in place, and calls `accept`. Nothing in
 * a record is trusted before that.
 */
import { FlowTable } from "../schedule/flow_table.ts";
import { Scheduling } from "../schedule/scheduling.ts";
import type { DropReason } from "../wire/drop_reason.ts";
import { RECORD_OVERHEAD, type RecordHeader, TYPE_HEARTBEAT, TYPE_PACKET } from "../wire/header.ts";
import { ORDER_EXTENSION_LENGTH } from "../wire/order_extension.ts";
import type { Cipher } from "../crypto/key_epochs.ts";
import type { OutgoingRecord } from "../crypto/outgoing_record.ts";
import type { RecordVerifier, RecordWriter } from "../crypto/packet_protection.ts";
import type { FlowKey } from "../packet/flow_key.ts";
import { AddressChallenges } from "../path/address_challenges.ts";
import { Outbox, type SessionEvent, type Transmit } from "../path/outbox.ts";
import { PathOpening } from "../path/path_opening.ts";
import { checkPathRule, type PathRule } from "../wire/path_rule.ts";
import { type NewPath, PathTable } from "../path/path_table.ts";
import type { PeerAddress } from "../path/peer_address.ts";
import type { SessionPath } from "../path/session_path.ts";
import type { Acknowledgements } from "./acknowledgements.ts";
import { Heartbeats } from "./heartbeats.ts";
import type { Role, SessionOptions } from "./session_options.ts";
import type { Wire } from "./wire.ts";

/** Paths are judged at most this often. */
const JUDGE_MS = 100;
const FLUSH_TIMEOUT_MS = 50;

export type { Role, SessionOptions } from "./session_options.ts";
export type { SessionEvent, Transmit } from "../path/outbox.ts";

export class Session<S extends Cipher, O extends Cipher> {
  readonly role: Role;
  readonly id: number;
  readonly paths: PathTable;
  readonly scheduling: Scheduling;
  readonly wire: Wire<S, O>;
  /** Null: the peers did not agree on them. */
  readonly acknowledgements: Acknowledgements | null;
  /** When the last authentic record arrived, on any path. */
  lastHeardAt: number;

  readonly #writer: RecordWriter<S>;
  readonly #verifier: RecordVerifier<O>;
  readonly #outbox = new Outbox();
  readonly #heartbeats: Heartbeats;
  readonly #challenges: AddressChallenges;
  #refusal: DropReason = "not authentic";
  #judgedAt = -Infinity;

  constructor(options: SessionOptions<S, O>) {
    const { role, now, wire: format } = options;
    const isServer = role === "server";
    this.role = role;
    this.id = options.id;
    this.lastHeardAt = now;
    this.paths = new PathTable(isServer ? format.clientSilenceMs : 0);
    this.scheduling = new Scheduling(
      {
        paths: this.paths,
        flows: options.flows ?? new FlowTable(),
        deliversAtOnce: format.deliversAtOnce,
        ordersFlows: format.ordersFlows,
      },
      options.scheduler ?? "flow",
      options.flushTimeoutMs ?? FLUSH_TIMEOUT_MS,
    );
    this.#heartbeats = new Heartbeats(this.paths, this.#outbox, role, format.clockOffsetMs);
    this.#challenges = new AddressChallenges(this.#outbox, options.random, format.challenge);
    this.wire = format.open(options, {
      paths: this.paths,
      outbox: this.#outbox,
      scheduling: this.scheduling,
      challenges: this.#challenges,
      opening: new PathOpening(this.paths, (id, at) => this.removePath(id, at)),
      followsPeer: isServer && (options.scheduler ?? null) === null,
      judge: (at) => this.#judge(at),
      judgeIfDue: (at) => this.#judgeIfDue(at),
    });
    const { writer, verifier, acknowledgements } = this.wire;
    this.#writer = writer;
    this.#verifier = verifier;
    this.acknowledgements = acknowledgements;
  }

  // Outbound

  /**
   * Hot. Writes header and nonce of a record at `offset`; the payload of `payloadLength` bytes goes
   * behind them. Returns what seals it.
   */
  writeRecord(
    view: DataView,
    offset: number,
    path: SessionPath,
    payloadLength: number,
    outgoing: OutgoingRecord,
  ): S {
    path.counters.sentPackets++;
    path.counters.sentBytes += payloadLength;
    path.amplificationCredit -= payloadLength + RECORD_OVERHEAD;
    const sealer = this.#writer.write(view, offset, path.id, payloadLength, outgoing);
    const { scheduler } = this.scheduling;
    if (this.acknowledgements !== null || scheduler.holdsPackets) {
      const kind = outgoing.type === TYPE_PACKET ? "packet" : "control";
      const { epoch, counter } = this.#writer;
      scheduler.recordWritten(path, kind, epoch, counter, payloadLength);
    }
    return sealer;
  }

  /** Hot. The next sequence number of a stream: one for each packet, however many copies it has. */
  nextSequence(stream: number): number {
    return this.#writer.nextSequence(stream);
  }

  /** Hot. Packets of one read of the TUN device are about to leave on `path`. */
  notePacketSent(path: SessionPath, now: number): void {
    // Feedback may answer the client's packets before the next heartbeat does. The server relies on the
    // client's heartbeats, which are frequent while packets flow.
    if (this.role === "server") path.liveness.sent(now);
    else this.wire.packetSent(path, now);
    this.#heartbeats.notePackets(now);
    path.mtuSearch?.trafficSeen();
    this.#writer.advanceIfDue(now);
  }

  // Inbound

  /** Why the last `openerFor` or `accept` gave null. */
  get refusal(): DropReason {
    return this.#refusal;
  }

  /** Hot. What may open the record at `offset`, or null: see `refusal`. Changes nothing. */
  openerFor(view: DataView, offset: number, header: RecordHeader, now: number): O | null {
    return this.#verifier.openerFor(view, offset, header, now) ??
      this.#refuse(this.#verifier.refusal);
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
    const { wire } = this;
    const path = wire.accept(header, view, offset, socket, from, now);
    if (path === null) return this.#refuse(wire.refusal);
    path.counters.receivedPackets++;
    path.counters.receivedBytes += header.payloadLength;
    if (path === wire.stray) this.lastHeardAt = now;
    else this.#heard(path, now);
    return path;
  }

  #refuse(reason: DropReason): null {
    this.#refusal = reason;
    return null;
  }

  /** Hot. A packet of the peer's has come on `path`. */
  notePacketReceived(path: SessionPath, now: number): void {
    this.#heartbeats.notePackets(now);
    this.wire.packetReceived(path, now);
  }

  /**
   * Hot. Whether the packet of the peer's that `flow` was read from only proves an address: then it
   * goes no further.
   */
  takeProof(view: DataView, flow: FlowKey): boolean {
    return this.wire.takeProof(view, flow);
  }

  /** Handles an authentic record that is not a packet. Returns why it is dropped, or null. */
  receiveControl(
    type: number,
    payload: Uint8Array,
    path: SessionPath,
    now: number,
  ): DropReason | null {
    if (type !== TYPE_HEARTBEAT) return this.wire.receiveControl(type, payload, path, now);
    const refusal = this.#heartbeats.receive(payload, path, now);
    if (refusal !== null) return refusal;
    this.wire.heartbeatReceived(path, now);
    this.#judgeIfDue(now);
    return null;
  }

  // Paths

  /** Adds a path of the client's own. Its handshake and first heartbeat are sent at once. */
  addPath(path: NewPath, now: number): SessionPath {
    const added = this.paths.add(path);
    if (added === null) {
      throw new RangeError(`Cannot add path ${path.id}: the session has too many`);
    }
    added.heartbeatAt = now;
    this.#judge(now);
    return added;
  }

  /** Removes a path, and what waits to be sent on it. */
  removePath(id: number, now: number): void {
    const path = this.paths.byId(id);
    if (path === null) return;
    this.acknowledgements?.pathEnds(path, now);
    if (path.reportedState !== "down") {
      path.reportedState = "down";
      this.#outbox.emit({ name: "path changed", path, state: "down" });
    }
    this.paths.remove(id);
    this.scheduling.forget(path, now);
    this.#challenges.forget(path);
    this.#outbox.forgetPath(id);
    this.wire.pathsChanged();
  }

  /**
   * On a client: the operator has prescribed something else for a path. The server is told.
   * @throws RangeError for a rate that no path is held to.
   */
  setRule(id: number, rule: PathRule, now: number): void {
    checkPathRule(rule);
    const path = this.paths.byId(id);
    if (path === null) return;
    path.rule = rule;
    path.startRate = rule.sendStart ?? null;
    this.#judge(now);
    this.wire.pathsChanged();
  }

  /** On a client: probes each path at the next timeout, which is due at once. */
  probePaths(now: number): void {
    if (this.role === "server") return;
    for (const path of this.paths) path.heartbeatAt = Math.min(path.heartbeatAt, now);
  }

  /** The kernel refused to send on the path: its link is gone. */
  linkFailed(path: SessionPath, now: number): void {
    // An address under validation is no path yet.
    if (this.paths.byId(path.id) !== path) return;
    this.acknowledgements?.pathEnds(path, now);
    path.isLinkGone = true;
    path.liveness.linkDown(now);
    this.#noteState(path, now);
  }

  /** The kernel sends on the path again. */
  linkWorks(path: SessionPath, now: number): void {
    if (this.paths.byId(path.id) !== path) return;
    path.isLinkGone = false;
    path.liveness.linkUp(now);
    path.forgetRoute();
    path.eligibility.recovered(now);
    path.heartbeatAt = Math.min(path.heartbeatAt, now);
    this.#noteState(path, now);
  }

  /** The kernel would not send a packet of `bytes` on the path: it is too large for it. */
  packetRefused(path: SessionPath, bytes: number, now: number): void {
    if (this.paths.byId(path.id) !== path) return;
    this.wire.packetRefused(path, bytes, now);
  }

  /** Hot. The largest packet that all paths in use carry, in bytes; Infinity where that is not known. */
  get packetBytesMax(): number {
    return this.packetBytesOf(this.wire.packetBytesMax);
  }

  /** Hot. The largest packet where the payload of a record may have `payload` bytes. */
  packetBytesOf(payload: number): number {
    return payload - (this.scheduling.scheduler.spreadsFlows ? ORDER_EXTENSION_LENGTH : 0);
  }

  /** Whether packets can be sent to the peer: some path works, and its address is validated. */
  get isReady(): boolean {
    for (const path of this.paths) if (path.isUsable) return true;
    return false;
  }

  #heard(path: SessionPath, now: number): void {
    this.lastHeardAt = path.lastHeardAt = now;
    path.liveness.heard(now);
    if (path.liveness.state !== path.reportedState) this.#noteState(path, now);
  }

  #noteState(path: SessionPath, now: number): void {
    const { state } = path.liveness;
    const before = path.reportedState;
    if (state === before) return;
    path.reportedState = state;
    this.#outbox.emit({ name: "path changed", path, state });
    if (state === "down" || before === "down") path.quality.forgetLoss();
    if (state === "up" && before === "down") path.eligibility.recovered(now);
    if (state === "up" && before !== "suspect") this.wire.pathUp(path);
    this.#judge(now);
    this.wire.pathsChanged();
  }

  #judge(now: number): void {
    this.#judgedAt = now;
    this.scheduling.judge(now);
    this.wire.judged();
  }

  #judgeIfDue(now: number): void {
    if (now - this.#judgedAt >= JUDGE_MS) this.#judge(now);
  }

  // Time

  /** Does what is due at `now`. */
  handleTimeout(now: number): void {
    this.#verifier.handleTimeout(now);
    this.#writer.advanceIfDue(now);
    for (const path of this.paths) {
      const wasUp = path.reportedState === "up";
      this.wire.noteSilence(path, now);
      const state = path.liveness.poll(now);
      this.#noteState(path, now);
      if (this.role === "server") continue;
      // Asked again at once: one heartbeat lost on a quiet path must not take it down.
      const isInDoubt = wasUp && state === "suspect";
      if (now >= path.heartbeatAt || isInDoubt) this.#heartbeats.send(path, now);
    }
    this.#challenges.handleTimeout(now);
    this.wire.handleTimeout(now);
    if (now >= this.scheduling.nextDeadline()) this.#judge(now);
  }

  /** When `handleTimeout` is to be called next, in milliseconds of the clock of `now`. */
  nextTimeout(): number {
    let next = Math.min(
      this.wire.nextDeadline(),
      this.scheduling.nextDeadline(),
      this.#challenges.nextDeadline(),
    );
    for (const path of this.paths) {
      next = Math.min(next, path.heartbeatAt, path.liveness.nextDeadline());
    }
    return next;
  }

  // What comes out

  /** The next record to send that is not a packet, or null. */
  pollTransmit(): Transmit | null {
    for (;;) {
      const next = this.#outbox.nextTransmit();
      if (next === null) return null;
      if (next.path.amplificationCredit >= next.payload.length + RECORD_OVERHEAD) return next;
    }
  }

  /** Control records dropped for lack of room since the last call. */
  takeDropped(): number {
    return this.#outbox.takeDropped();
  }

  pollEvent(): SessionEvent | null {
    return this.#outbox.nextEvent();
  }

  /** Tells the peer that this side ends the session. */
  sayBye(): void {
    this.wire.sayBye();
  }

  /** On a server: tells the client to go to another one. It may get lost. */
  askToLeave(): void {
    this.wire.askToLeave();
  }

  /** Wipes the keys. The session must not be used afterwards. */
  free(): void {
    this.#writer.free();
    this.#verifier.free();
  }
}
