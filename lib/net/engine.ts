/**
 * The data plane as the rest of a program sees it: sessions and paths go in, events and counters
 * come out. Two engines keep this promise and the same wire: `native` (a thread that blocks in poll,
 * libc and libcrypto) and `portable` (the event loop, Deno.listenDatagram and WebCrypto).
 */
import type { Libc } from "../ffi/libc/libc.ts";
import type { PathSocketOptions } from "../ffi/linux/socket.ts";
import type { DropCounters } from "../protocol/wire/drop_reason.ts";
import type { PathState } from "../protocol/path/liveness.ts";
import type { SchedulerName } from "../protocol/wire/scheduler_name.ts";
import type { Reason } from "../protocol/path/eligibility.ts";
import type { InnerAddresses } from "../protocol/wire/tunnel_network.ts";
import type { Role } from "../protocol/session/session.ts";
import type { PathRule, PathUse } from "../protocol/wire/path_rule.ts";
import type { SessionTuning } from "../protocol/session/session_tuning.ts";

export type EngineName = "native" | "portable";

export interface EngineSession {
  readonly role: Role;
  /** u32, not 0. */
  readonly id: number;
  /** 32 bytes; copied. */
  readonly key: Uint8Array;
  readonly x1: boolean;
  /** x1: whether both sides know the dictionary for packets; not unless told. */
  readonly usesDictionary?: boolean;
  /** x1: whether both sides know acknowledgements and the order extension; not unless told. */
  readonly ordersFlows?: boolean;
  /** Whether both sides know repair records, too; not unless told. */
  readonly repairs?: boolean;
  /** x1: whether both sides pass congestion on to the packet inside; not unless told. */
  readonly carriesEcn?: boolean;
  /** On the server: the address that the client's control connection came from. */
  readonly controlHost?: string;
  /** The client's addresses inside the tunnel. */
  readonly ipv4: string;
  readonly ipv6: string;
  /** On the client: the server's addresses there; 10.8.0.1 and fd00:8::1 unless told. */
  readonly server?: InnerAddresses;
  /** Packets a reorder buffer may hold. */
  readonly reorderBufferSize: number;
  readonly reorderFlushTimeoutMs: number;
  readonly tuning: SessionTuning;
  /** The largest packet of the tunnel that is wanted, in bytes. */
  readonly mtu: number;
  /** What people call the session: the certificate's name. */
  readonly name: string;
  /** On the server: what the client is held to; nothing unless given. */
  readonly limits?: SessionLimits;
}

/**
 * What the operator of the server has prescribed for a client. A session that takes the place of
 * another goes on with that one's: a new session brings no new allowance.
 */
export interface SessionLimits {
  /** Bytes a second of packets inside, to the client and from it; null: as much as there is. */
  readonly rateDown: number | null;
  readonly rateUp: number | null;
  /** Prefixes that the client may send to, of both families; null: anywhere. */
  readonly reach: readonly string[] | null;
  /** Prefixes behind the client: what goes there is the session's, and may come from there. */
  readonly routes: readonly string[];
  /**
   * Bytes that may be carried until the engine tells at once how many it were ("volume"); null: they
   * are not counted. While there are some it tells now and then.
   */
  readonly volumeLeft: number | null;
}

/** A link of the client. The engine opens a socket that is bound to it. */
export interface EnginePath extends PathSocketOptions {
  /** 0 to 255, chosen by the client. */
  readonly id: number;
  readonly name: string;
}

export interface EngineOptions {
  readonly libc: Libc;
  /** What the TUN device is to be called. It is there once the engine is, without addresses. */
  readonly tunName: string;
  /** A server listens on one port for all; a client's paths bring sockets of their own. */
  readonly role: { readonly kind: "server"; readonly port: number } | { readonly kind: "client" };
  /**
   * On a server, of the native engine: how many threads share the TUN device and the port, 1 unless
   * told. A session lives in one of them.
   */
  readonly threads?: number;
  /** On a server: its addresses inside the tunnel; 10.8.0.1 and fd00:8::1 unless told. */
  readonly server?: InnerAddresses;
  /** Called on the main thread. */
  readonly onEvent: (event: EngineEvent) => void;
  /** The module that runs `runNativeWorker` when `isNativeWorker`: as a rule the program's entry. */
  readonly workerModule: URL;
}

export type EngineEvent =
  | {
    readonly kind: "path changed";
    readonly session: number;
    readonly path: number;
    readonly name: string;
    readonly state: PathState;
    /** Where the path leads, as the server sees it. */
    readonly peer: string;
  }
  /**
   * The largest packet of the tunnel that a path carries has been found, or found to have changed.
   * `wasBlackhole`: larger ones vanish without a word.
   */
  | {
    readonly kind: "path MTU";
    readonly session: number;
    readonly path: number;
    readonly name: string;
    readonly mtu: number;
    readonly wasBlackhole: boolean;
  }
  /** What has been carried for a client whose volume counts, both ways, since this was told last. */
  | {
    readonly kind: "volume";
    readonly session: number;
    readonly name: string;
    readonly bytes: number;
  }
  /** The peer ended the session. */
  | { readonly kind: "bye"; readonly session: number }
  /** On a client: the server is about to stop, and the client should go to another one. */
  | { readonly kind: "asked to leave"; readonly session: number }
  /** Nothing authentic has come for {@link SESSION_IDLE_MS}; the engine has dropped the session. */
  | { readonly kind: "idle"; readonly session: number }
  /** The session cannot go on, and the engine has dropped it; the others are not touched. */
  | { readonly kind: "session failed"; readonly session: number; readonly message: string }
  /**
   * One of several threads has ended, and another takes its place; its sessions have failed, which is
   * told of each.
   */
  | { readonly kind: "thread ended"; readonly message: string; readonly sessions: number }
  /** The engine cannot go on. */
  | { readonly kind: "fault"; readonly message: string };

/** Sockets of an engine. A client has one for each link; more than that is a mistake. */
export const SOCKETS_MAX = 64;

/** A session is removed when nothing was heard from the peer for so long. */
export const SESSION_IDLE_MS = 120_000;
/** How long a replaced session goes on receiving, so that packets in flight are not lost. */
export const REPLACED_SESSION_MS = 10_000;

/**
 * - a state of the path, when it is not up
 * - `peer`: the other side says that it does not work
 * - `backup`, `cap reached`: its rule keeps it for when others do not suffice
 * - a fault of its quality
 * - `standby`: the scheduler uses another one
 */
export const IDLE_REASONS = [
  ...["probing", "suspect", "down", "peer", "backup", "cap reached"] as const,
  ...["mtu", "rtt", "jitter", "loss", "recovering", "standby"] as const,
] satisfies (Exclude<PathState, "up"> | Exclude<PathUse, "always"> | Reason | "peer" | "standby")[];
export type IdleReason = (typeof IDLE_REASONS)[number];

/** Counters of records that came over a path, modulo 2^32. */
export interface Arrived {
  readonly records: number;
  /** How many were sent until the last one that came. */
  readonly expected: number;
  readonly bytes: number;
  /** Whether the last ones waited in a queue that is filled. */
  readonly isQueued: boolean;
}

export interface PathReport {
  readonly id: number;
  readonly name: string;
  readonly peer: string;
  /** This side's address and port as the server sees them, as `peer`; null: it has not said. */
  readonly seenAs: string | null;
  readonly state: PathState;
  /** False: flows avoid the path for its quality; why is in `isBadFor`. */
  readonly isGood: boolean;
  /** Why flows avoid it; null for a good path. */
  readonly isBadFor: Reason | null;
  /** Round trips: smoothed, last and least; null before the first measurement. */
  readonly rttMs: number | null;
  readonly rttLastMs: number | null;
  readonly rttMinMs: number | null;
  readonly jitterMs: number | null;
  /** Mean deviation of the one-way delay of what is received; x1 only. */
  readonly delayVariationMs: number | null;
  /** Share of what was sent lately that did not arrive, 0 to 1; null when nothing is known. */
  readonly loss: number | null;
  /** 0 (useless) to 100, from loss, jitter and round trip; null before the first measurement. */
  readonly score: number | null;
  /** What the peer got over the path when it was full, bytes per second; null until it was. */
  readonly deliveryRate: number | null;
  /** The largest packet of the tunnel the path was found to carry; null when not looked for. */
  readonly mtu: number | null;
  readonly heardMsAgo: number | null;
  /** Why it carries nothing now; null: it carries. */
  readonly idleFor: IdleReason | null;
  /** What its operator lets this side send at most, bytes a second; null: there is no such limit. */
  readonly rateLimit: number | null;
  /** Bytes a second that it is believed to carry at present; null: that is not known. */
  readonly capacity: number | null;
  /** On the client: the same of what the server sends on it, as the server tells. */
  readonly peerCapacity: number | null;
  /** Bytes a second that this side sent on it of late. */
  readonly sendingRate: number;
  /** What waits here to leave on it, and how long what comes last waits, here and in the network. */
  readonly queuedBytes: number;
  readonly queuedMs: number;
  /** Packets sent again on it: those that were lost, and those of paths that fell silent or went. */
  readonly retransmittedPackets: number;
  readonly reinjectedPackets: number;
  /** Packets of the peer's that got lost on it, and were had back from repair records. */
  readonly repairedPackets: number;
  readonly sentPackets: number;
  readonly sentBytes: number;
  readonly receivedPackets: number;
  readonly receivedBytes: number;
  /** What came of the peer's records; of this side's, as the peer told last: null before, and by v1. */
  readonly arrived: Arrived;
  readonly arrivedThere: Arrived | null;
  /** Packets that came with "congestion experienced". */
  readonly congestionMarks: number;
  /** What a client asked on the path whether it works, and how often it was answered. */
  readonly heartbeatsSent: number;
  readonly heartbeatsAnswered: number;
}

export interface SessionReport {
  readonly id: number;
  readonly name: string;
  /** How its records are written: section 5 of docs/protocol.md has what v1 lacks. */
  readonly wire: "v1" | "x1";
  readonly scheduler: SchedulerName;
  readonly paths: readonly PathReport[];
  /** The largest packet that all paths carry, in bytes, as this side knows; null when it does not. */
  readonly mtu: number | null;
  readonly reorder: {
    readonly bufferedEvents: number;
    readonly reorderedEvents: number;
    readonly drops: number;
    readonly flushes: number;
    readonly maxDepth: number;
  };
  /** What the limits of the client have dropped: packets beyond its rates, and beyond its reach. */
  readonly limited: { readonly down: number; readonly up: number; readonly reach: number };
  /** Bytes of packets of the tunnel, both ways together, and as what they were carried. */
  readonly compression: { readonly plainBytes: number; readonly carriedBytes: number };
}

export interface SessionHeard {
  readonly name: string;
  /** Since something authentic has come. */
  readonly msAgo: number;
}

export interface Engine extends AsyncDisposable {
  readonly name: EngineName;
  /** What it can do for peers that can, too, by the names of the control exchange. */
  readonly features: readonly string[];
  /** Live counters; reading them costs the data path nothing. */
  readonly drops: DropCounters;
  /**
   * A session id near `random` (u32, not 0) for a session of that inner address: all of them have to be
   * in one thread. Missing: any id will do.
   */
  sessionIdFor?(random: number, ipv4: string): number;
  /** A session of the same inner addresses is replaced; its packets are taken a while longer. */
  openSession(session: EngineSession): void;
  /** Ends a session: the peer is told, the keys are wiped. Unknown ids are ignored. */
  closeSession(id: number): void;
  /**
   * On a server: asks the client of a session to go to another server. The message may get lost, so
   * say it again until the session is gone. Unknown ids are ignored, and so is it by v1 clients.
   */
  askToLeave(id: number): void;
  /**
   * Returns the source port of the path; 0 where it was not made, as for a session that is unknown.
   * @throws SyscallError when the interface cannot be used.
   */
  addPath(session: number, path: EnginePath): number;
  removePath(session: number, path: number): void;
  /**
   * On a client: what the operator has prescribed for a path; the server is told of it. Unknown paths
   * are ignored. @throws RangeError for a rate that no path is held to.
   */
  setPathRule(session: number, path: number, rule: PathRule): void;
  /** On a server: what the client of a session is held to from now on. Unknown ids are ignored. */
  setLimits(session: number, limits: SessionLimits): void;
  /** On a client: asks on every path of the session, now rather than when it is due, for an answer. */
  probePaths(session: number): void;
  report(): Promise<SessionReport[]>;
  /** Which sessions were heard, and when: a report costs a hundred times as much. */
  heard(): Promise<SessionHeard[]>;
  /** Resolves when the data path has had its turn. */
  answer(): Promise<void>;
  /** Ends all sessions and returns when the data path has stopped. */
  stop(): Promise<void>;
}
