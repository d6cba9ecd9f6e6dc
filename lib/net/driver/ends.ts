/** The endpoints of a driver: devices, sockets and libraries of an engine, or stand-ins of a test. */
import type { Cipher, CipherSuite } from "../../protocol/crypto/key_epochs.ts";
import type { OutgoingRecord } from "../../protocol/crypto/outgoing_record.ts";
import type { RandomSource } from "../../protocol/crypto/packet_protection.ts";
import type { DropCounters } from "../../protocol/wire/drop_reason.ts";
import type { FlowKey } from "../../protocol/packet/flow_key.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import type { EngineEvent, EngineSession } from "../engine.ts";
import type { PacketMemory } from "./memory.ts";
import type { SessionEntry } from "./sessions.ts";

/** The TUN device, which takes the packets of peers. */
export interface PacketSink {
  /**
   * Hot. Takes the packet at offset `packet` that `flow` was read from. It stays there until `flush`.
   * @param partialChecksum whether its checksum field holds the pseudo-header sum only.
   */
  deliver(memory: PacketMemory, packet: number, flow: FlowKey, partialChecksum: boolean): void;
  /** Hot. Writes what was delivered: its memory is about to be reused. */
  flush(): void;
}

/** Seals records and sends them to the peer. */
export interface RecordSink<S extends Cipher, O extends Cipher> {
  /**
   * Hot. Makes a record of the `length` bytes at offset `payload` and sends it, or queues it until
   * `flush`. What cannot be sent is counted as dropped. The payload may be used again afterwards.
   */
  send(
    entry: SessionEntry<S, O>,
    path: SessionPath,
    memory: PacketMemory,
    payload: number,
    length: number,
    outgoing: OutgoingRecord,
    now: number,
  ): void;
  /** Hot. Sends all queued records. */
  flush(now: number): void;
  /** Whether there is room for one more control record. */
  readonly hasControlRoom: boolean;
  /** Drops what is queued for a path that is gone, and closes a socket that was its own. */
  close(path: SessionPath): void;
}

/** Compresses and inflates packets. */
export interface PacketCodecs {
  /** How long the last `compress` took, in ms of processor time as far as it can be told. */
  readonly compressionMs: number;
  /** Hot. The COMPRESSION_ value for packets of a session. */
  kindFor(session: EngineSession): number;
  /**
   * Hot. Compresses `length` bytes. Returns the length of what then starts at `made.compressed`, or 0
   * when that would be more than `capacity`.
   */
  compress(
    kind: number,
    memory: PacketMemory,
    packet: number,
    length: number,
    capacity: number,
  ): number;
  /**
   * Hot. Inflates a payload whose header says `kind`. Returns the length of what then starts at
   * `made.inflated`, or 0 or less unless it is a packet in a way that the session may use.
   */
  inflate(
    session: EngineSession,
    kind: number,
    memory: PacketMemory,
    payload: number,
    length: number,
  ): number;
}

/** Memory for packets made here: compressed, inflated, or answers. */
export interface MadeMemory {
  readonly memory: PacketMemory;
  /** Offsets of regions: a compressed packet, or the payload of a control record. */
  readonly compressed: number;
  /** An inflated packet, an answer to one that is too big, or a fragment of that. */
  readonly inflated: number;
  /** Bytes of the region `inflated`. */
  readonly inflatedBytes: number;
}

export interface DriverEnds<S extends Cipher, O extends Cipher> {
  readonly suite: CipherSuite<S, O>;
  readonly random: RandomSource;
  /** Random: keeps outsiders from predicting where flows hash to. */
  readonly flowSeed: number;
  /** What to add to `now` for the time of day, in milliseconds since 1970: v1 peers use it. */
  readonly unixOffsetMs: number;
  readonly drops: DropCounters;
  readonly packets: PacketSink;
  readonly records: RecordSink<S, O>;
  readonly codecs: PacketCodecs;
  readonly made: MadeMemory;
  readonly emit: (event: EngineEvent) => void;
  /**
   * Hot. Hands a packet over to the engine thread that may have its session, when that is another one;
   * missing where there is one thread.
   */
  readonly handOver?: (flow: FlowKey, packet: number, length: number) => boolean;
}

/** Told by the sending endpoint what the kernel says of paths. */
export interface PathObserver<S extends Cipher, O extends Cipher> {
  /** The kernel refused to send on the path: its link is gone. */
  linkFailed(entry: SessionEntry<S, O>, path: SessionPath, now: number): void;
  /** The kernel sends on the path again. */
  linkWorks(entry: SessionEntry<S, O>, path: SessionPath, now: number): void;
  /** The kernel would not send a packet of `bytes` on the path: it is too large for it. */
  packetRefused(entry: SessionEntry<S, O>, path: SessionPath, bytes: number, now: number): void;
}
