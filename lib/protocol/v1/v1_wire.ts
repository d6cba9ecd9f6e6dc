/**
 * The old wire: one key, no replay window, no messages. What a client does not say is told from its
 * heartbeats, and an address is proved by a ping through the tunnel.
 */
import type { Cipher } from "../crypto/key_epochs.ts";
import type {
  PacketProtectionOptions,
  RecordVerifier,
  RecordWriter,
} from "../crypto/packet_protection.ts";
import type { FlowKey } from "../packet/flow_key.ts";
import type { PeerAddress } from "../path/peer_address.ts";
import type { SessionPath } from "../path/session_path.ts";
import { HEARTBEAT_IDLE_MS } from "../session/heartbeats.ts";
import type { Role } from "../session/session_options.ts";
import type { SessionParts, Wire, WireFormat } from "../session/wire.ts";
import type { DropReason } from "../wire/drop_reason.ts";
import { type RecordHeader, TYPE_HANDSHAKE, TYPE_PACKET } from "../wire/header.ts";
import { echoReplyToken, writeEchoRequest } from "./echo_proof.ts";
import { v1Protection } from "./packet_protection.ts";
import { V1PeerPaths } from "./peer_paths.ts";
import type { SequenceCounter } from "./sequence_counters.ts";

interface V1WireOptions {
  /** Numbers packets; shared by the sessions of one client. A new one unless told. */
  readonly sequenceCounter?: SequenceCounter;
  /** What to add to `now` for the time of day, which heartbeats bear; 0 unless told. */
  readonly unixOffsetMs?: number;
  /** On the server: the client's address inside the tunnel, as `ipv4Word` reads it. */
  readonly innerIpv4?: number;
  /** On the server: where the control connection came from. */
  readonly controlHost?: PeerAddress | null;
}

export function v1Wire(v1: V1WireOptions = {}): WireFormat {
  const { unixOffsetMs = 0, innerIpv4 = 0 } = v1;
  return {
    clientSilenceMs: 2 * HEARTBEAT_IDLE_MS,
    deliversAtOnce: false,
    ordersFlows: false,
    clockOffsetMs: unixOffsetMs,
    // It takes its place among the packets, for a host that answers pings.
    challenge: { type: TYPE_PACKET, write: (token) => writeEchoRequest(innerIpv4, token) },
    open: (options, parts) => new V1Wire(options, parts, v1),
  };
}

class V1Wire<S extends Cipher, O extends Cipher> implements Wire<S, O> {
  readonly name = "v1";
  readonly takesPartialChecksums = false;
  readonly tellsDirection = false;
  readonly refusesReplays = false;
  readonly hasOneSequence = true;
  readonly acknowledgements = null;
  readonly repairs = null;
  readonly packetBytesMax = Infinity;
  readonly stray: SessionPath;
  readonly writer: RecordWriter<S>;
  readonly verifier: RecordVerifier<O>;
  refusal: DropReason = "not authentic";

  readonly #role: Role;
  readonly #parts: SessionParts;
  readonly #peerPaths: V1PeerPaths;
  /** When a record was last accepted. */
  #acceptedAt = 0;

  constructor(
    options: PacketProtectionOptions<S, O>,
    parts: SessionParts,
    { sequenceCounter, controlHost = null }: V1WireOptions,
  ) {
    const { paths, opening, challenges } = parts;
    const protection = v1Protection(options, sequenceCounter);
    this.writer = protection.writer;
    this.verifier = protection.verifier;
    this.#role = options.role;
    this.#parts = parts;
    this.#peerPaths = new V1PeerPaths(paths, opening, challenges, controlHost);
    this.stray = this.#peerPaths.stray;
  }

  accept(
    header: RecordHeader,
    view: DataView,
    offset: number,
    socket: number,
    from: PeerAddress | null,
    now: number,
  ): SessionPath | null {
    this.#acceptedAt = now;
    const path = from === null
      ? this.#parts.paths.bySocket(socket)
      : this.#peerPaths.of(header, view, offset, socket, from, now);
    if (path !== null && path !== "replayed") return path;
    this.refusal = path ?? "no room for path";
    return null;
  }

  /** Only heartbeats are answered. */
  packetSent(): void {}

  packetReceived(): void {}

  heartbeatReceived(): void {}

  takeProof(view: DataView, flow: FlowKey): boolean {
    const { challenges } = this.#parts;
    if (!challenges.isWaiting) return false;
    const token = echoReplyToken(view, flow);
    if (token === null) return false;
    const path = challenges.answerAnywhere(token);
    if (path !== null) {
      path.quality.forgetLoss();
      this.#parts.judge(this.#acceptedAt);
    }
    return true;
  }

  receiveControl(type: number, _payload: Uint8Array, path: SessionPath): DropReason | null {
    if (type !== TYPE_HANDSHAKE) return "unknown type";
    // A client gives up a path on which nothing arrives, and its heartbeats may be too rare for that.
    if (this.#role === "server") {
      this.#parts.outbox.transmit({ type: TYPE_HANDSHAKE, path, payload: new Uint8Array(0) });
    }
    return null;
  }

  pathUp(): void {}

  pathsChanged(): void {}

  judged(): void {}

  /** What the kernel does not send whole it sends in fragments. */
  packetRefused(): void {}

  /** A client says nothing of its paths but by heartbeats: one every 2 s on each that works. */
  noteSilence(path: SessionPath, now: number): void {
    if (this.#role === "client") return;
    const expectedAt = path.lastHeardAt + HEARTBEAT_IDLE_MS;
    if (now >= expectedAt) path.liveness.sent(expectedAt);
  }

  handleTimeout(): void {}

  nextDeadline(): number {
    return Infinity;
  }

  /** There is no word for it. */
  sayBye(): void {}

  /** Nor for this. */
  askToLeave(): void {}
}
