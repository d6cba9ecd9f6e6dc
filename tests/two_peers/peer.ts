/** One end of a session without sockets and clock, driven as an engine drives it. */
import { CopyFilter } from "../../lib/protocol/receive/copy_filter.ts";
import {
  DELIVER_NOW,
  DUPLICATE,
  EMPTY,
  ReorderBuffer,
} from "../../lib/protocol/receive/reorder_buffer.ts";
import { DropCounters, type DropReason } from "../../lib/protocol/wire/drop_reason.ts";
import { FlowKey } from "../../lib/protocol/packet/flow_key.ts";
import { Dispatch } from "../../lib/protocol/schedule/dispatch.ts";
import { FlowTable } from "../../lib/protocol/schedule/flow_table.ts";
import { PROTOCOL_TCP } from "../../lib/protocol/packet/ip.ts";
import type { EpochLimits } from "../../lib/protocol/crypto/key_epochs.ts";
import type { PeerAddress } from "../../lib/protocol/path/peer_address.ts";
import { Outgoing } from "../../lib/protocol/crypto/outgoing.ts";
import type { SchedulerName } from "../../lib/protocol/schedule/scheduler.ts";
import { type Role, Session, type SessionEvent } from "../../lib/protocol/session/session.ts";
import type { SessionPath } from "../../lib/protocol/session/session_path.ts";
import {
  decodeHeader,
  FLAG_COPY,
  FLAG_ORDERED,
  PAYLOAD_OFFSET,
  RECORD_OVERHEAD,
  RecordHeader,
  TYPE_HEARTBEAT,
  TYPE_PACKET,
} from "../../lib/protocol/wire/header.ts";
import type { RecordingOpener, RecordingSealer, RecordingSuite } from "./recording_suite.ts";

export const SESSION_ID = 0xf1a2b3c4;
export const SESSION_KEY = Uint8Array.from({ length: 32 }, (_, index) => index + 1);

/** Of a packet of the tests, unless told; only its first eight bytes mean something. */
const PACKET_BYTES = 1000;
const REORDER_CAPACITY = 4096;
const REORDER_FLUSH_MS = 500;

interface PeerOptions {
  readonly role: Role;
  readonly x1: boolean;
  readonly suite: RecordingSuite;
  readonly random: () => number;
  readonly epochLimits?: EpochLimits | undefined;
  readonly scheduler?: SchedulerName | null;
  readonly mtuCeiling?: number | null;
  /** Of every stream, both ways. */
  readonly firstSequence?: number | undefined;
  /** Takes a datagram the peer sends on a path. */
  readonly send: (datagram: Uint8Array, path: SessionPath, now: number) => void;
}

/** What a packet of the tests carries: its flow and its number. */
interface TestPacket {
  readonly flow: number;
  readonly number: number;
}

type Received = TestPacket & { readonly path: number; readonly at: number };
type TimedEvent = SessionEvent & { readonly at: number };

export class Peer {
  readonly session: Session<RecordingSealer, RecordingOpener>;
  readonly drops = new DropCounters();
  readonly received: Received[] = [];
  readonly events: TimedEvent[] = [];
  /** When a heartbeat was sent, and on which path. */
  readonly heartbeats: { path: number; at: number }[] = [];
  readonly flows = new FlowTable();
  readonly dispatch = new Dispatch<RecordingSealer, RecordingOpener>(this.flows);
  /** Of the packets of the tests, in bytes. */
  packetBytes = PACKET_BYTES;
  readonly #copies = new Map<number, CopyFilter>();
  readonly #streams = new Map<number, { buffer: ReorderBuffer; held: Received[] }>();
  readonly #outgoing = new Outgoing();
  readonly #options: PeerOptions;
  readonly #header = new RecordHeader();

  constructor(options: PeerOptions) {
    this.#options = options;
    const { role, x1, suite, random, epochLimits, firstSequence } = options;
    const { scheduler = null, mtuCeiling = null } = options;
    this.session = new Session({
      role,
      x1,
      suite,
      id: SESSION_ID,
      key: SESSION_KEY,
      random: (into) => {
        for (let i = 0; i < into.length; i++) into[i] = random() * 256;
      },
      now: 0,
      scheduler,
      mtuCeiling,
      ...(epochLimits === undefined ? {} : { epochLimits }),
      ...(firstSequence === undefined ? {} : { firstSequence }),
    });
  }

  /** Sends a packet of the tunnel. Returns the path it took, or null when there is none. */
  sendPacket(packet: TestPacket, now: number): SessionPath | null {
    const key = new FlowKey();
    key.hashA = packet.flow;
    key.hashB = ~packet.flow;
    const { dispatch, session } = this;
    key.protocol = PROTOCOL_TCP;
    if (!dispatch.begin(session, key, this.packetBytes, now)) return null;
    this.#outgoing.flags = dispatch.flags;
    const paths = dispatch.next(this.packetBytes);
    this.#sendPacket(paths, packet, dispatch.stream, now);
    return paths[0]!;
  }

  sendPacketOn(path: SessionPath, packet: TestPacket, now: number): void {
    this.session.notePacketSent(path, now);
    this.#outgoing.flags = 0;
    this.#sendPacket([path], packet, 0, now);
  }

  #sendPacket(
    paths: readonly SessionPath[],
    packet: TestPacket,
    stream: number,
    now: number,
  ): void {
    const payload = new Uint8Array(this.packetBytes);
    const view = new DataView(payload.buffer);
    view.setUint32(0, packet.flow);
    view.setUint32(4, packet.number);
    this.#outgoing.type = TYPE_PACKET;
    this.#outgoing.stream = stream;
    this.#outgoing.sequence = this.session.nextSequence(stream);
    for (const path of paths) this.#sendRecord(path, payload, now);
  }

  /** Takes a datagram. Returns why it was dropped, or null. */
  receive(
    datagram: Uint8Array,
    socket: number,
    from: PeerAddress | null,
    now: number,
  ): DropReason | null {
    const refusal = this.#receive(datagram, socket, from, now);
    if (refusal !== null) this.drops.count(refusal);
    this.#flush(now);
    return refusal;
  }

  handleTimeout(now: number): void {
    this.session.handleTimeout(now);
    for (const { buffer, held } of this.#streams.values()) this.#drain(buffer, held, now);
    this.#flush(now);
  }

  /** Sends what the session wants to say by itself, and takes its events. */
  flush(now: number): void {
    this.#flush(now);
  }

  statesOf(path: number): string[] {
    return this.events.flatMap((event) =>
      event.name === "path changed" && event.path.id === path ? [event.state] : []
    );
  }

  #receive(
    datagram: Uint8Array,
    socket: number,
    from: PeerAddress | null,
    now: number,
  ): DropReason | null {
    const { session } = this;
    const header = this.#header;
    const { arena } = this.#options.suite;
    arena.bytes.set(datagram);
    const refusal = decodeHeader(arena.view, 0, datagram.length, header);
    if (refusal !== null) return refusal;
    if (header.session !== (session.id | 0)) return "unknown session";
    const opener = session.openerFor(arena.view, 0, header, now);
    if (opener === null) return session.refusal;
    if (!opener.open(header.payloadLength)) return "not authentic";
    const path = session.accept(header, arena.view, 0, socket, from, now);
    if (path === null) return session.refusal;
    const payload = arena.bytes.slice(PAYLOAD_OFFSET, PAYLOAD_OFFSET + header.payloadLength);
    if (header.type !== TYPE_PACKET) {
      return session.receiveControl(header.type, payload, path, now);
    }
    session.notePacketReceived(path, now);
    if (session.x1 && (header.flags & FLAG_COPY) !== 0) {
      const filter = this.#copies.get(header.stream) ?? new CopyFilter();
      this.#copies.set(header.stream, filter);
      if (!filter.accept(header.sequence)) return "copy";
    }
    const view = new DataView(payload.buffer);
    const packet = { flow: view.getUint32(0), number: view.getUint32(4) };
    const received = { ...packet, path: path.id, at: now };
    if (session.x1 && (header.flags & FLAG_ORDERED) !== 0) return this.#reorder(header, received);
    this.received.push(received);
    return null;
  }

  #reorder({ stream, sequence }: RecordHeader, packet: Received): DropReason | null {
    const { firstSequence = 1 } = this.#options;
    let ordered = this.#streams.get(stream);
    if (ordered === undefined) {
      const limits = { capacity: REORDER_CAPACITY, flushTimeoutMs: REORDER_FLUSH_MS };
      ordered = { buffer: new ReorderBuffer({ ...limits, firstSequence }), held: [] };
      this.#streams.set(stream, ordered);
    }
    const { buffer, held } = ordered;
    const answer = buffer.offer(sequence, packet.at);
    if (answer === DELIVER_NOW) this.received.push(packet);
    else if (answer >= 0) held[answer] = packet;
    else return answer === DUPLICATE ? "duplicate" : "late";
    this.#drain(buffer, held, packet.at);
    return null;
  }

  #drain(buffer: ReorderBuffer, held: Received[], now: number): void {
    for (let slot = buffer.take(now); slot !== EMPTY; slot = buffer.take(now)) {
      this.received.push(held[slot]!);
    }
  }

  #flush(now: number): void {
    const { session } = this;
    for (let next = session.pollTransmit(); next !== null; next = session.pollTransmit()) {
      if (next.type === TYPE_HEARTBEAT) this.heartbeats.push({ path: next.path.id, at: now });
      this.#outgoing.type = next.type;
      this.#outgoing.flags = this.#outgoing.stream = this.#outgoing.sequence = 0;
      this.#sendRecord(next.path, next.payload, now);
    }
    for (let event = session.pollEvent(); event !== null; event = session.pollEvent()) {
      this.events.push({ ...event, at: now });
    }
  }

  #sendRecord(path: SessionPath, payload: Uint8Array, now: number): void {
    const { suite, send } = this.#options;
    const { view, bytes } = suite.arena;
    this.#outgoing.sendTime = Math.round(now * 1000) >>> 0;
    const sealer = this.session.writeRecord(view, 0, path, payload.length, this.#outgoing);
    bytes.set(payload, PAYLOAD_OFFSET);
    sealer.seal(payload.length);
    send(bytes.slice(0, RECORD_OVERHEAD + payload.length), path, now);
  }
}
