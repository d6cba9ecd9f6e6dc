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
import type { DropReason } from "../wire/drop_reason.ts";
import { FlowTable } from "../schedule/flow_table.ts";
import { Scheduling } from "../schedule/scheduling.ts";
import {
  RECORD_OVERHEAD,
  type RecordHeader,
  TYPE_ACKNOWLEDGEMENT,
  TYPE_CONTROL,
  TYPE_HANDSHAKE,
  TYPE_HEARTBEAT,
  TYPE_PACKET,
  TYPE_PATH_FEEDBACK,
} from "../wire/header.ts";
import {
  decodeTunnelMessage,
  encodeTunnelMessage,
  SENT_BY,
  type TunnelMessage,
} from "../wire/tunnel_message.ts";
import {
  counterProtection,
  type RecordVerifier,
  type RecordWriter,
} from "../crypto/packet_protection.ts";
import type { FlowKey } from "../packet/flow_key.ts";
import { echoReplyToken, writeEchoRequest } from "../v1/echo_proof.ts";
import {
  AddressChallenges,
  CHALLENGE_MESSAGE,
  type ChallengeForm,
} from "../path/address_challenges.ts";
import { v1Protection } from "../v1/packet_protection.ts";
import { HEARTBEAT_ACTIVE_MS, HEARTBEAT_IDLE_MS, Heartbeats } from "./heartbeats.ts";
import type { Cipher } from "../crypto/key_epochs.ts";
import type { Outgoing } from "../crypto/outgoing.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { ORDER_EXTENSION_LENGTH } from "../wire/order_extension.ts";
import { MtuProbes } from "./mtu_probes.ts";
import { PathAnnouncements } from "./path_announcements.ts";
import { FeedbackExchange, PACKET_ANSWERED_MS } from "./feedback_exchange.ts";
import { type NewPath, PathTable } from "../path/path_table.ts";
import { PeerPaths } from "./peer_paths.ts";
import { PathOpening } from "../path/path_opening.ts";
import { V1PeerPaths } from "../v1/peer_paths.ts";
import type { PeerAddress } from "../path/peer_address.ts";
import type { Role, SessionOptions } from "./session_options.ts";
import type { SessionPath } from "../path/session_path.ts";
import { Outbox, type SessionEvent, type Transmit } from "../path/outbox.ts";

/** What is judged all the time is judged no more often than this. */
const JUDGE_MS = 100;
const FLUSH_TIMEOUT_MS = 50;

export { HEARTBEAT_ACTIVE_MS, HEARTBEAT_IDLE_MS } from "./heartbeats.ts";
export type { Role, SessionOptions } from "./session_options.ts";
export type { SessionEvent, Transmit } from "../path/outbox.ts";

export class Session<S extends Cipher, O extends Cipher> {
  readonly role: Role;
  readonly id: number;
  readonly x1: boolean;
  readonly paths: PathTable;
  readonly scheduling: Scheduling;
  /** Null: the peers did not agree on them. */
  readonly acknowledgements: Acknowledgements | null;
  /** When anything authentic last came, on any path. */
  lastHeardAt: number;

  readonly #writer: RecordWriter<S>;
  readonly #verifier: RecordVerifier<O>;
  readonly #outbox = new Outbox();
  readonly #heartbeats: Heartbeats;
  readonly #announcements: PathAnnouncements;
  readonly #probes: MtuProbes;
  readonly #challenges: AddressChallenges;
  readonly #peerPaths: PeerPaths;
  readonly #v1PeerPaths: V1PeerPaths;
  readonly #feedback: FeedbackExchange;
  /** Whether the peer may choose how packets are spread. */
  readonly #followsPeer: boolean;
  #refusal: DropReason = "not authentic";
  #judgedAt = -Infinity;
  /** Where the x1 record accepted last came from; null: from where the socket is connected to. */
  #from: PeerAddress | null = null;
  /** When a v1 record was last accepted. */
  #acceptedAt = 0;
  /** When it was sent, by the peer's clock. */
  #sendTime = 0;
  /** In bytes: as the paths were found to carry, or as the peer says of them. */
  #packetBytesMax = Infinity;

  constructor(options: SessionOptions<S, O>) {
    const { role, x1, now } = options;
    this.role = role;
    this.id = options.id;
    this.x1 = x1;
    this.lastHeardAt = now;
    const isClient = role === "client";
    const protection = x1 ? counterProtection(options) : v1Protection(options);
    this.#writer = protection.writer;
    this.#verifier = protection.verifier;
    const answersWithin = isClient ? 0 : 2 * (x1 ? HEARTBEAT_ACTIVE_MS : HEARTBEAT_IDLE_MS);
    this.paths = new PathTable(answersWithin);
    this.#followsPeer = !isClient && (options.scheduler ?? null) === null;
    const ordersFlows = x1 && options.ordersFlows === true;
    this.scheduling = new Scheduling(
      {
        paths: this.paths,
        flows: options.flows ?? new FlowTable(),
        deliversAtOnce: x1,
        ordersFlows,
      },
      options.scheduler ?? "flow",
      options.flushTimeoutMs ?? FLUSH_TIMEOUT_MS,
    );
    this.#heartbeats = new Heartbeats(
      this.paths,
      this.#outbox,
      role,
      x1 ? 0 : options.unixOffsetMs,
    );
    const ceiling = isClient && x1 ? options.mtuCeiling ?? null : null;
    this.#probes = new MtuProbes(this.paths, this.#outbox, ceiling);
    this.#announcements = new PathAnnouncements(
      this.paths,
      this.#outbox,
      this.scheduling,
      this.#probes,
      isClient && x1 ? now : Infinity,
    );
    this.#feedback = new FeedbackExchange(this.paths, this.#outbox, this.scheduling, !isClient);
    this.acknowledgements = ordersFlows
      ? new Acknowledgements(this.paths, this.#outbox, this.scheduling)
      : null;
    const opening = new PathOpening(this.paths, (id, at) => this.removePath(id, at));
    const form = x1 ? CHALLENGE_MESSAGE : pingForm(options.innerIpv4 ?? 0);
    const challenges = new AddressChallenges(this.#outbox, options.random, form);
    const controlHost = options.controlHost ?? null;
    this.#challenges = challenges;
    this.#peerPaths = new PeerPaths(this.paths, opening, challenges);
    this.#v1PeerPaths = new V1PeerPaths(this.paths, opening, challenges, controlHost);
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
    outgoing: Outgoing,
  ): S {
    path.counters.sentPackets++;
    path.counters.sentBytes += payloadLength;
    path.amplificationCredit -= payloadLength + RECORD_OVERHEAD;
    const sealer = this.#writer.write(view, offset, path.id, payloadLength, outgoing);
    if (this.acknowledgements !== null) {
      const kind = outgoing.type === TYPE_PACKET ? "packet" : "control";
      const { epoch, counter } = this.#writer;
      this.scheduling.scheduler.recordWritten(path, kind, epoch, counter, payloadLength);
    }
    return sealer;
  }

  /** Hot. The next sequence number of a stream: one for each packet, however many copies it has. */
  nextSequence(stream: number): number {
    return this.#writer.nextSequence(stream);
  }

  /** Hot. Packets of one read of the TUN device are about to leave on `path`. */
  notePacketSent(path: SessionPath, now: number): void {
    // The client's packets are answered by feedback, which is sooner than the next heartbeat. The
    // server has only the client's heartbeats to go by, and those come while there are packets.
    if (this.role === "server") path.liveness.sent(now);
    else if (this.x1) path.liveness.sent(now + PACKET_ANSWERED_MS);
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
    const path = this.x1
      ? this.#acceptX1(header, socket, from, now)
      : this.#acceptV1(header, view, offset, socket, from, now);
    if (path === null) return null;
    path.counters.receivedPackets++;
    path.counters.receivedBytes += header.payloadLength;
    if (path === this.#v1PeerPaths.stray) this.lastHeardAt = now;
    else this.#heard(path, now);
    return path;
  }

  #acceptX1(
    header: RecordHeader,
    socket: number,
    from: PeerAddress | null,
    now: number,
  ): SessionPath | null {
    const age = this.#verifier.accept(now);
    if (age === null) return this.#refuse(this.#verifier.refusal);
    const path = from === null
      ? this.paths.byId(header.pathId)
      : this.#peerPaths.of(header, socket, from, age, now);
    if (path === null) return this.#refuse("no room for path");
    // It has moved: nothing may follow it before the new address has proved to be the peer's.
    if (path.amplificationCredit !== Infinity && this.scheduling.live.includes(path)) {
      this.#judge(now);
    }
    this.#from = from;
    this.#sendTime = header.sendTime;
    const { counter } = this.#verifier;
    this.acknowledgements?.recordArrived(path, header, counter, now);
    path.receiveStatistics.arrived(
      header.epoch,
      counter,
      header.payloadLength,
      header.sendTime,
      now,
    );
    return path;
  }

  #acceptV1(
    header: RecordHeader,
    view: DataView,
    offset: number,
    socket: number,
    from: PeerAddress | null,
    now: number,
  ): SessionPath | null {
    this.#acceptedAt = now;
    const path = from === null
      ? this.paths.bySocket(socket)
      : this.#v1PeerPaths.of(header, view, offset, socket, from, now);
    if (path === "replayed") return this.#refuse("replayed");
    return path ?? this.#refuse("no room for path");
  }

  #refuse(reason: DropReason): null {
    this.#refusal = reason;
    return null;
  }

  /** Hot. A packet of the peer's has come on `path`. */
  notePacketReceived(path: SessionPath, now: number): void {
    this.#heartbeats.notePackets(now);
    if (this.x1) this.#feedback.packetArrived(path, now);
    this.acknowledgements?.packetArrived(path, now);
  }

  /**
   * Hot. Whether the packet of the peer's that `flow` was read from answers a ping by which this side
   * proves an address (v1): then it goes no further.
   */
  takeProof(view: DataView, flow: FlowKey): boolean {
    if (this.x1 || !this.#challenges.isWaiting) return false;
    const token = echoReplyToken(view, flow);
    if (token === null) return false;
    const path = this.#challenges.answerAnywhere(token);
    if (path !== null) {
      path.quality.forgetLoss();
      this.#judge(this.#acceptedAt);
    }
    return true;
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
        this.#receiveHandshake(path);
        return null;
      case TYPE_HEARTBEAT:
        return this.#receiveHeartbeat(payload, path, now);
      case TYPE_CONTROL:
        return this.x1 ? this.#receiveMessage(payload, path, now) : "unknown type";
      case TYPE_PATH_FEEDBACK:
        return this.x1 ? this.#receiveFeedback(payload, path, now) : "unknown type";
      case TYPE_ACKNOWLEDGEMENT:
        return this.acknowledgements === null
          ? "unknown type"
          : this.acknowledgements.receive(payload, now);
      default:
        return "unknown type";
    }
  }

  /** A v1 client gives a path up that brings nothing, and may beat too seldom to be answered in time. */
  #receiveHandshake(path: SessionPath): void {
    if (this.x1 || this.role === "client") return;
    this.#outbox.transmit({ type: TYPE_HANDSHAKE, path, payload: new Uint8Array(0) });
  }

  #receiveHeartbeat(payload: Uint8Array, path: SessionPath, now: number): DropReason | null {
    const refusal = this.#heartbeats.receive(payload, path, now);
    if (refusal !== null) return refusal;
    if (this.x1) this.#feedback.heartbeatArrived(path, now);
    this.acknowledgements?.heartbeatArrived(path, now);
    this.#judgeIfDue(now);
    return null;
  }

  #receiveFeedback(payload: Uint8Array, path: SessionPath, now: number): DropReason | null {
    const refusal = this.#feedback.receive(payload, path, now);
    this.#judgeIfDue(now);
    return refusal;
  }

  #receiveMessage(payload: Uint8Array, path: SessionPath, now: number): DropReason | null {
    const message = decodeTunnelMessage(payload);
    if (message === null || SENT_BY[message.type] === this.role) return "bad message";
    switch (message.type) {
      case "bye":
        this.#outbox.emit({ name: "bye" });
        return null;
      case "paths":
        if (!this.#announcements.receive(message, this.#sendTime)) return null;
        if (this.#followsPeer && message.scheduler !== undefined) {
          this.scheduling.use(message.scheduler, now);
        }
        this.#packetBytesMax = message.mtu ?? this.#packetBytesMax;
        this.#judge(now);
        return null;
      case "challenge":
        this.#tell({ type: "response", token: message.token }, path);
        return null;
      case "response":
        if (!this.#peerPaths.takeResponse(path, this.#from, message.token)) return "bad message";
        // What went to the address before is no loss of this one's.
        path.quality.forgetLoss();
        this.#judge(now);
        return null;
      case "mtu probe":
        this.#tell({ type: "mtu answer", size: message.size }, path);
        return null;
      case "mtu answer":
        this.#probes.answered(path, message.size, now);
        this.#followMtu();
        return null;
      default:
        message satisfies never;
        return null;
    }
  }

  #tell(message: TunnelMessage, path: SessionPath): void {
    this.#outbox.transmit({ type: TYPE_CONTROL, path, payload: encodeTunnelMessage(message) });
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
    if (path.reportedState !== "down") {
      path.reportedState = "down";
      this.#outbox.emit({ name: "path changed", path, state: "down" });
    }
    this.paths.remove(id);
    this.scheduling.forget(path, now);
    this.#challenges.forget(path);
    this.#outbox.forgetPath(id);
    this.#announcements.announce();
  }

  /** The kernel refused to send on the path: its link is gone. */
  linkFailed(path: SessionPath, now: number): void {
    // An address that is only asked is no path.
    if (this.paths.byId(path.id) !== path) return;
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
    this.#probes.refused(path, bytes, now);
    this.#followMtu();
  }

  /** Hot. The largest packet that all paths in use carry, in bytes; Infinity where that is not known. */
  get packetBytesMax(): number {
    const extension = this.scheduling.scheduler.name === "aggregate" ? ORDER_EXTENSION_LENGTH : 0;
    return this.#packetBytesMax - extension;
  }

  /** Whether the peer can be sent packets: some path works, and leads to it for certain. */
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
    if (state === "up" && before !== "suspect") this.#probes.begin(path);
    this.#judge(now);
    this.#announcements.announce();
  }

  #judge(now: number): void {
    this.#judgedAt = now;
    this.scheduling.judge(now);
    this.#followMtu();
  }

  /** Paths, or what they carry, may have changed. */
  #followMtu(): void {
    if (this.role === "server") return;
    const mtu = this.#probes.smallest();
    if (mtu !== null) this.#packetBytesMax = mtu;
    this.#announcements.announceMtu();
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
      if (!this.x1) this.#heartbeats.expect(path, now);
      const state = path.liveness.poll(now);
      this.#noteState(path, now);
      if (this.role === "server") continue;
      // Asked again at once: one heartbeat lost on a quiet path must not take it down.
      const isInDoubt = wasUp && state === "suspect";
      if (now >= path.heartbeatAt || isInDoubt) this.#heartbeats.send(path, now);
    }
    this.#feedback.handleTimeout(now);
    this.acknowledgements?.handleTimeout(now);
    this.#challenges.handleTimeout(now);
    this.#probes.handleTimeout(now);
    this.#followMtu();
    if (now >= this.scheduling.nextDeadline()) this.#judge(now);
    this.#announcements.handleTimeout(now);
  }

  /** When `handleTimeout` is to be called next, in milliseconds of the clock of `now`. */
  nextTimeout(): number {
    let next = Math.min(
      this.acknowledgements?.nextDeadline() ?? Infinity,
      this.#announcements.nextAt,
      this.scheduling.nextDeadline(),
      this.#challenges.nextDeadline(),
      this.#probes.nextDeadline(),
    );
    for (const path of this.paths) {
      next = Math.min(next, path.heartbeatAt, path.feedbackAt, path.liveness.nextDeadline());
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

  /** How many records that are no packets had no room to wait since this was asked last. */
  takeDropped(): number {
    return this.#outbox.takeDropped();
  }

  pollEvent(): SessionEvent | null {
    return this.#outbox.nextEvent();
  }

  /** Tells the peer that this side ends the session; v1 has no word for it. */
  sayBye(): void {
    if (!this.x1) return;
    for (const path of this.paths.usable()) this.#tell({ type: "bye" }, path);
  }

  /** Wipes the keys. The session must not be used afterwards. */
  free(): void {
    this.#writer.free();
    this.#verifier.free();
  }
}

/** A ping through the tunnel, for peers that know no challenges. */
function pingForm(innerIpv4: number): ChallengeForm {
  return { type: TYPE_PACKET, write: (token) => writeEchoRequest(innerIpv4, token) };
}
