/** One end of a session without sockets and clock: the product's driver, with ends of the tests. */
import type { CompressionMode } from "../../lib/protocol/compression/compression_mode.ts";
import { Driver } from "../../lib/net/driver/driver.ts";
import type { PacketSink, RecordSink } from "../../lib/net/driver/ends.ts";
import { newMemory } from "../../lib/net/driver/packet_cells.ts";
import { Offload } from "../../lib/net/driver/offload.ts";
import type { SessionEntry } from "../../lib/net/driver/sessions.ts";
import type { EngineEvent } from "../../lib/net/engine.ts";
import { GzipCodecs, makeMemory } from "../../lib/net/portable/gzip_codecs.ts";
import { EPOCH_MS, type EpochLimits } from "../../lib/protocol/crypto/key_epochs.ts";
import { PROTOCOL_ICMP } from "../../lib/protocol/packet/ip.ts";
import { OutgoingRecord } from "../../lib/protocol/crypto/outgoing_record.ts";
import type { PeerAddress } from "../../lib/protocol/path/peer_address.ts";
import type { SchedulerName } from "../../lib/protocol/wire/scheduler_name.ts";
import type { NewPath } from "../../lib/protocol/path/path_table.ts";
import type { Role, Session } from "../../lib/protocol/session/session.ts";
import type { SessionPath } from "../../lib/protocol/path/session_path.ts";
import { DropCounters, type DropReason } from "../../lib/protocol/wire/drop_reason.ts";
import {
  PAYLOAD_OFFSET,
  RECORD_OVERHEAD,
  TYPE_HEARTBEAT,
  TYPE_PACKET,
} from "../../lib/protocol/wire/header.ts";
import type { RecordingOpener, RecordingSealer, RecordingSuite } from "./recording_suite.ts";
import { readPacket, type TestPacket, writePacket } from "./test_packet.ts";

export const SESSION_ID = 0xf1a2b3c4;
export const SESSION_KEY = Uint8Array.from({ length: 32 }, (_, index) => index + 1);

/** Of a packet of the tests, unless told. */
const PACKET_BYTES = 1000;
const PACKET_BYTES_MAX = 9000;
/** The defaults of both programs. */
const REORDER_BUFFER_SIZE = 2048;
const REORDER_FLUSH_MS = 50;

interface PeerOptions {
  readonly role: Role;
  readonly x1: boolean;
  /** Whether both sides know repair records; as `x1` unless told. */
  readonly repairs?: boolean | undefined;
  readonly suite: RecordingSuite;
  readonly random: () => number;
  readonly epochLimits?: EpochLimits | undefined;
  readonly scheduler?: SchedulerName | null;
  readonly mtuCeiling?: number | null;
  /** The time of day at 0, in milliseconds since 1970. */
  readonly unixOffsetMs?: number;
  /** Where the control connection came from; on the server. */
  readonly controlHost?: string;
  /** "off" unless told. */
  readonly compression?: CompressionMode;
  /** Of every stream, both ways. */
  readonly firstSequence?: number | undefined;
  /** Takes a datagram the peer sends on a path. */
  readonly send: (datagram: Uint8Array, path: SessionPath, now: number) => void;
}

type Received = TestPacket & { readonly path: number; readonly at: number };
type PeerEvent = EngineEvent & { readonly at: number };

/** Remembers why the last record was dropped. */
class LastDrop extends DropCounters {
  reason: DropReason | null = null;

  override count(reason: DropReason, packets?: number): void {
    this.reason = reason;
    super.count(reason, packets);
  }
}

export class Peer {
  readonly driver: Driver<RecordingSealer, RecordingOpener>;
  readonly entry: SessionEntry<RecordingSealer, RecordingOpener>;
  readonly drops = new LastDrop();
  readonly received: Received[] = [];
  readonly events: PeerEvent[] = [];
  /** When a heartbeat was sent, and on which path. */
  readonly heartbeats: { path: number; at: number }[] = [];
  /** Of the packets of the tests, in bytes. */
  packetBytes = PACKET_BYTES;
  readonly #options: PeerOptions;
  readonly #read = newMemory(PACKET_BYTES_MAX);
  readonly #offload = new Offload();
  readonly #outgoing = new OutgoingRecord();
  /** The path that each packet came on first, by flow and number, until it is delivered. */
  readonly #cameOn = new Map<string, number>();
  /** The paths that the last packet sent took. */
  #tookPaths: SessionPath[] = [];
  #now = 0;

  constructor(options: PeerOptions) {
    this.#options = options;
    const { role, x1, suite, random, epochLimits, firstSequence } = options;
    const { scheduler = null, mtuCeiling = null, compression = "off", controlHost } = options;
    const made = makeMemory();
    this.driver = new Driver({
      suite,
      random: (into) => {
        for (let i = 0; i < into.length; i++) into[i] = random() * 256;
      },
      flowSeed: 0,
      unixOffsetMs: options.unixOffsetMs ?? 0,
      drops: this.drops,
      packets: this.#packets(),
      records: this.#records(),
      codecs: new GzipCodecs(made),
      made,
      emit: (event) => this.events.push({ ...event, at: this.#now }),
    }, this.#read);
    this.driver.openSession(
      {
        ...{ role, x1, id: SESSION_ID, key: SESSION_KEY, name: role, mtu: mtuCeiling ?? 1400 },
        ...(controlHost === undefined ? {} : { controlHost }),
        ordersFlows: x1,
        repairs: options.repairs ?? x1,
        ipv4: "10.8.0.2",
        ipv6: "fd00:8::2",
        reorderBufferSize: REORDER_BUFFER_SIZE,
        reorderFlushTimeoutMs: REORDER_FLUSH_MS,
        tuning: {
          scheduler,
          compression,
          probeMtu: mtuCeiling !== null,
          rekeyEveryMs: EPOCH_MS,
          dscp: "copy",
        },
      },
      0,
      {
        ...(epochLimits === undefined ? {} : { epochLimits }),
        ...(firstSequence === undefined ? {} : { firstSequence }),
      },
    );
    this.entry = this.driver.sessions.byId(SESSION_ID | 0)!;
    this.#watchPaths();
  }

  get session(): Session<RecordingSealer, RecordingOpener> {
    return this.entry.session;
  }

  addPath(path: NewPath, now: number): SessionPath {
    return this.driver.addPath(SESSION_ID, path, now)!;
  }

  removePath(id: number, now: number): void {
    this.driver.removePath(SESSION_ID, id, now);
  }

  linkFailed(path: SessionPath, now: number): void {
    this.driver.linkFailed(this.entry, path, now);
  }

  linkWorks(path: SessionPath, now: number): void {
    this.driver.linkWorks(this.entry, path, now);
  }

  /** Sends a packet of the tunnel. Returns the path it took, or null when there is none. */
  sendPacket(packet: TestPacket, now: number): SessionPath | null {
    const { packetBytes } = this;
    this.#now = now;
    this.#tookPaths = [];
    this.#read.bytes.set(writePacket(packet, this.#options.role, packetBytes));
    this.driver.outbound.forward(0, packetBytes, this.#offload, now);
    return this.#tookPaths[0] ?? null;
  }

  sendPacketOn(path: SessionPath, packet: TestPacket, now: number): void {
    const { packetBytes, session } = this;
    session.notePacketSent(path, now);
    this.#read.bytes.set(writePacket(packet, this.#options.role, packetBytes));
    const outgoing = this.#outgoing;
    outgoing.type = TYPE_PACKET;
    outgoing.sequence = session.nextSequence(0);
    outgoing.sendTime = Math.round(now * 1000) >>> 0;
    const payload = this.#read.bytes.subarray(0, packetBytes);
    this.#sendRecord(path, payload, outgoing, now);
  }

  /** Takes a datagram. Returns why it was dropped, or null. */
  receive(
    datagram: Uint8Array,
    socket: number,
    from: PeerAddress | null,
    now: number,
  ): DropReason | null {
    const { inbound } = this.driver;
    const { arena } = this.#options.suite;
    this.#now = now;
    this.drops.reason = null;
    arena.bytes.set(datagram);
    const opener = inbound.begin(arena, 0, datagram.length, now);
    if (opener !== null) {
      if (!opener.open(inbound.header.payloadLength)) inbound.refuse("not authentic");
      else inbound.accept(arena, 0, socket, from, now);
      inbound.flush();
    }
    this.driver.turn(now);
    return this.drops.reason;
  }

  get nextTimeout(): number {
    return this.driver.nextTick;
  }

  handleTimeout(now: number): void {
    this.#now = now;
    this.driver.tick(now);
  }

  /** Sends what the session wants to say after a test has changed it. */
  flush(now: number): void {
    this.#now = now;
    this.driver.touch(this.entry, now);
    this.driver.turn(now);
  }

  statesOf(path: number): string[] {
    return this.events.flatMap((event) =>
      event.kind === "path changed" && event.path === path ? [event.state] : []
    );
  }

  close(now: number): void {
    this.driver.close(now);
  }

  /** Learns on which path the session takes each record for having come. */
  #watchPaths(): void {
    const { session } = this;
    const accept = session.accept.bind(session);
    session.accept = (header, view, offset, ...rest) => {
      const path = accept(header, view, offset, ...rest);
      if (path !== null && header.type === TYPE_PACKET) {
        const { flow, number } = readPacket(view, offset + PAYLOAD_OFFSET);
        const key = `${flow}:${number}`;
        if (!this.#cameOn.has(key)) this.#cameOn.set(key, path.id);
      }
      return path;
    };
  }

  #packets(): PacketSink {
    return {
      deliver: ({ view, bytes }, packet, key) => {
        if (key.protocol === PROTOCOL_ICMP) {
          this.#answerPing(bytes.slice(packet, key.end));
          return;
        }
        const { flow, number } = readPacket(view, packet);
        const path = this.#cameOn.get(`${flow}:${number}`)!;
        this.received.push({ flow, number, path, at: this.#now });
      },
      flush: () => {},
    };
  }

  /** Answers a ping of a v1 server as the client's host would. */
  #answerPing(ping: Uint8Array): void {
    const answer = this.#read.bytes;
    answer.set(ping);
    answer.set(ping.subarray(16, 20), 12);
    answer.set(ping.subarray(12, 16), 16);
    answer[20] = 0;
    this.driver.outbound.forward(0, ping.length, this.#offload, this.#now);
  }

  #records(): RecordSink<RecordingSealer, RecordingOpener> {
    return {
      hasControlRoom: true,
      send: (_entry, path, { bytes }, payload, length, outgoing, now) => {
        if (outgoing.type === TYPE_PACKET) this.#tookPaths.push(path);
        if (outgoing.type === TYPE_HEARTBEAT) this.heartbeats.push({ path: path.id, at: now });
        this.#sendRecord(path, bytes.subarray(payload, payload + length), outgoing, now);
      },
      flush: () => {},
      close: () => {},
    };
  }

  #sendRecord(path: SessionPath, payload: Uint8Array, outgoing: OutgoingRecord, now: number): void {
    const { suite, send } = this.#options;
    const { view, bytes } = suite.arena;
    const sealer = this.session.writeRecord(view, 0, path, payload.length, outgoing);
    bytes.set(payload, PAYLOAD_OFFSET);
    sealer.seal(payload.length);
    send(bytes.slice(0, RECORD_OVERHEAD + payload.length), path, now);
  }
}
