/**
 * The wire of x1: counters for nonces and a replay window, and messages by which both sides tell what
 * arrives on each path, which paths work, and what size of packets they carry.
 */
import type { Cipher } from "../crypto/key_epochs.ts";
import {
  counterProtection,
  type PacketProtectionOptions,
  type RecordVerifier,
  type RecordWriter,
} from "../crypto/packet_protection.ts";
import { CHALLENGE_MESSAGE } from "../path/address_challenges.ts";
import type { PeerAddress } from "../path/peer_address.ts";
import type { PathTable } from "../path/path_table.ts";
import type { SessionPath } from "../path/session_path.ts";
import type { Scheduling } from "../schedule/scheduling.ts";
import type { DropReason } from "../wire/drop_reason.ts";
import {
  type RecordHeader,
  TYPE_ACKNOWLEDGEMENT,
  TYPE_CONTROL,
  TYPE_HANDSHAKE,
  TYPE_PATH_FEEDBACK,
} from "../wire/header.ts";
import { REPAIR_PREFIX_LENGTH } from "../wire/repair.ts";
import { encodeTunnelMessage, SENT_BY, type TunnelMessage } from "../wire/tunnel_message.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { FeedbackExchange, PACKET_ANSWERED_MS } from "./feedback_exchange.ts";
import { HEARTBEAT_ACTIVE_MS } from "./heartbeats.ts";
import { LearnedRates } from "./learned_rates.ts";
import { MtuProbes } from "./mtu_probes.ts";
import { PathAnnouncements } from "./path_announcements.ts";
import { PeerPaths } from "./peer_paths.ts";
import { Repairs } from "./repairs.ts";
import { RepeatedMessage } from "./repeated_message.ts";
import type { Role } from "./session_options.ts";
import type { SessionParts, Wire, WireFormat } from "./wire.ts";

interface X1WireOptions {
  /** Whether both sides know acknowledgements and the order extension; not unless told. */
  readonly ordersFlows?: boolean;
  /** Whether both know repair records, besides; not unless told. */
  readonly repairs?: boolean;
  /** On the client: the size of packets that is wanted, to be probed for; null: not probed. */
  readonly mtuCeiling?: number | null;
}

export function x1Wire(options: X1WireOptions = {}): WireFormat {
  const { ordersFlows = false } = options;
  return {
    // Packets are answered by feedback, and a client that sends some has heartbeats to match.
    clientSilenceMs: 2 * HEARTBEAT_ACTIVE_MS,
    deliversAtOnce: true,
    ordersFlows,
    clockOffsetMs: 0,
    challenge: CHALLENGE_MESSAGE,
    open: (protection, parts) => new X1Wire(protection, parts, options),
  };
}

class X1Wire<S extends Cipher, O extends Cipher> implements Wire<S, O> {
  readonly name = "x1";
  readonly takesPartialChecksums = true;
  readonly tellsDirection = true;
  readonly refusesReplays = true;
  readonly hasOneSequence = false;
  readonly stray = null;
  readonly writer: RecordWriter<S>;
  readonly verifier: RecordVerifier<O>;
  readonly acknowledgements: Acknowledgements | null;
  readonly repairs: Repairs | null;
  refusal: DropReason = "not authentic";
  /** Found by probes, or told by the peer. */
  packetBytesMax = Infinity;

  readonly #role: Role;
  readonly #parts: SessionParts;
  readonly #paths: PathTable;
  readonly #scheduling: Scheduling;
  readonly #messages = new RepeatedMessage();
  readonly #announcements: PathAnnouncements;
  readonly #rates: LearnedRates;
  readonly #probes: MtuProbes;
  readonly #feedback: FeedbackExchange;
  readonly #peerPaths: PeerPaths;
  /** Source of the record accepted last; null: the peer that the socket is connected to. */
  #from: PeerAddress | null = null;
  /** When it was sent, by the peer's clock. */
  #sendTime = 0;

  constructor(
    options: PacketProtectionOptions<S, O>,
    parts: SessionParts,
    { ordersFlows = false, repairs = false, mtuCeiling = null }: X1WireOptions,
  ) {
    const { role, now } = options;
    const { paths, outbox, scheduling, challenges, opening } = parts;
    const isClient = role === "client";
    const protection = counterProtection(options);
    this.writer = protection.writer;
    this.verifier = protection.verifier;
    this.#role = role;
    this.#parts = parts;
    this.#paths = paths;
    this.#scheduling = scheduling;
    this.#probes = new MtuProbes(paths, outbox, isClient ? mtuCeiling : null);
    this.#announcements = new PathAnnouncements(
      paths,
      outbox,
      scheduling,
      this.#probes,
      isClient ? now : Infinity,
    );
    const ratesAt = ordersFlows ? now : Infinity;
    this.#rates = new LearnedRates(paths, outbox, scheduling, role, ratesAt);
    this.#feedback = new FeedbackExchange(paths, outbox, scheduling, !isClient);
    this.acknowledgements = ordersFlows ? new Acknowledgements(paths, outbox, scheduling) : null;
    this.repairs = ordersFlows && repairs ? new Repairs(paths, scheduling) : null;
    this.#peerPaths = new PeerPaths(paths, opening, challenges);
  }

  accept(
    header: RecordHeader,
    _view: DataView,
    _offset: number,
    socket: number,
    from: PeerAddress | null,
    now: number,
  ): SessionPath | null {
    const { verifier } = this;
    const age = verifier.accept(now);
    if (age === null) return this.#refuse(verifier.refusal);
    const path = from === null
      ? this.#paths.byId(header.pathId)
      : this.#peerPaths.of(header, socket, from, age, now);
    if (path === null) return this.#refuse("no room for path");
    // The path has moved: it carries nothing until the new address has been validated.
    if (path.amplificationCredit !== Infinity && this.#scheduling.live.includes(path)) {
      this.#parts.judge(now);
    }
    this.#from = from;
    this.#sendTime = header.sendTime;
    const { epoch, payloadLength, sendTime } = header;
    const { counter } = verifier;
    this.acknowledgements?.recordArrived(path, header, counter, now);
    path.receiveStatistics.arrived(epoch, counter, payloadLength, sendTime, now);
    return path;
  }

  #refuse(reason: DropReason): null {
    this.refusal = reason;
    return null;
  }

  packetSent(path: SessionPath, now: number): void {
    path.liveness.sent(now + PACKET_ANSWERED_MS);
  }

  packetReceived(path: SessionPath, now: number): void {
    this.#feedback.packetArrived(path, now);
    this.acknowledgements?.packetArrived(path, now);
  }

  heartbeatReceived(path: SessionPath, now: number): void {
    this.#feedback.heartbeatArrived(path, now);
    this.acknowledgements?.heartbeatArrived(path, now);
  }

  /** Addresses are validated by messages. */
  takeProof(): boolean {
    return false;
  }

  receiveControl(
    type: number,
    payload: Uint8Array,
    path: SessionPath,
    now: number,
  ): DropReason | null {
    switch (type) {
      case TYPE_HANDSHAKE:
        return null;
      case TYPE_CONTROL:
        return this.#receiveMessage(payload, path, now);
      case TYPE_PATH_FEEDBACK:
        return this.#receiveFeedback(payload, path, now);
      case TYPE_ACKNOWLEDGEMENT:
        return this.acknowledgements === null
          ? "unknown type"
          : this.acknowledgements.receive(payload, now);
      default:
        return "unknown type";
    }
  }

  #receiveFeedback(payload: Uint8Array, path: SessionPath, now: number): DropReason | null {
    const refusal = this.#feedback.receive(payload, path, now);
    this.#parts.judgeIfDue(now);
    return refusal;
  }

  #receiveMessage(payload: Uint8Array, path: SessionPath, now: number): DropReason | null {
    const message = this.#messages.decode(payload);
    if (message === null || SENT_BY[message.type] === this.#role) return "bad message";
    switch (message.type) {
      case "bye":
        this.#parts.outbox.emit({ name: "bye" });
        return null;
      case "leave":
        this.#parts.outbox.emit({ name: "asked to leave" });
        return null;
      case "paths":
        this.#receivePaths(message, now);
        return null;
      case "rates":
        this.#rates.receive(message);
        this.#parts.judgeIfDue(now);
        return null;
      case "challenge":
        path.seenAs = message.seen ?? path.seenAs;
        this.#tell({ type: "response", token: message.token }, path);
        return null;
      case "response":
        if (!this.#peerPaths.takeResponse(path, this.#from, message.token)) return "bad message";
        // Records sent to the previous address do not count as lost on the new one.
        path.quality.forgetLoss();
        this.#parts.judge(now);
        return null;
      case "mtu probe":
        this.#tell({ type: "mtu answer", size: message.size }, path);
        return null;
      case "mtu answer":
        this.#probes.answered(path, message.size, now);
        this.judged();
        return null;
      default:
        message satisfies never;
        return null;
    }
  }

  #receivePaths(message: TunnelMessage & { type: "paths" }, now: number): void {
    if (!this.#announcements.receive(message, this.#sendTime)) return;
    if (this.#parts.followsPeer && message.scheduler !== undefined) {
      this.#scheduling.use(message.scheduler, now);
    }
    this.packetBytesMax = message.mtu ?? this.packetBytesMax;
    this.#parts.judge(now);
  }

  #tell(message: TunnelMessage, path: SessionPath): void {
    const payload = encodeTunnelMessage(message);
    this.#parts.outbox.transmit({ type: TYPE_CONTROL, path, payload });
  }

  pathUp(path: SessionPath): void {
    this.#probes.begin(path);
    this.#rates.pathUp();
  }

  pathsChanged(): void {
    this.#announcements.announce();
  }

  /** Paths, or what they carry, may have changed: the client follows, and tells the server. */
  judged(): void {
    if (this.#role === "server") return;
    const mtu = this.#probes.smallest();
    if (mtu !== null) this.packetBytesMax = mtu;
    this.#announcements.announceMtu();
  }

  packetRefused(path: SessionPath, bytes: number, now: number): void {
    this.#probes.refused(path, bytes, now);
    this.judged();
  }

  /** The client tells which of its paths work. */
  noteSilence(): void {}

  handleTimeout(now: number): void {
    this.#feedback.handleTimeout(now);
    this.acknowledgements?.handleTimeout(now);
    this.repairs?.handleTimeout(now);
    // A parity is longer than what it covers.
    if (this.repairs?.isFar === true) this.#probes.raise(REPAIR_PREFIX_LENGTH);
    this.#probes.handleTimeout(now);
    this.judged();
    this.#announcements.handleTimeout(now);
    this.#rates.handleTimeout(now);
  }

  nextDeadline(): number {
    return Math.min(
      this.#feedback.nextDeadline(),
      this.acknowledgements?.nextDeadline() ?? Infinity,
      this.#probes.nextDeadline(),
      this.#announcements.deadline,
    );
  }

  sayBye(): void {
    for (const path of this.#paths.usable()) this.#tell({ type: "bye" }, path);
  }

  askToLeave(): void {
    for (const path of this.#paths.usable()) this.#tell({ type: "leave" }, path);
  }
}
