/** What the main thread and the thread of the relay tell each other. */

/** A UDP socket on the loopback interface, connected to one of an engine's. */
export interface RelaySocket {
  readonly fd: number;
  /** Whether the kernel cuts one send into many datagrams. */
  readonly gso: boolean;
}

/** How far a stream has come. */
export type StreamStage = "connecting" | "proxy" | "handshake" | "judged" | "open";

/** A proxy in front of the server, and what it is asked for. */
interface ProxyRequest {
  /** The request as it is sent; it may hold a password. */
  readonly head: Uint8Array<ArrayBuffer>;
}

/** Where a client's stream leads. */
export interface DialTarget {
  readonly device: string | null;
  readonly address: string;
  readonly port: number;
  readonly source: string | null;
  readonly proxy: ProxyRequest | null;
  /** Address of an SSL_CTX, which is there as long as the relay. */
  readonly context: bigint;
  /** Sent to the server when it has a name; else empty. */
  readonly serverName: string;
  /** Nothing heard for so long ends it. */
  readonly silenceMsMax: number;
}

/** Main thread to relay. `id` is from 1, below 2^30. */
export type RelayCommand =
  /** A client connects. */
  | DialTarget & {
    readonly kind: "dial";
    readonly id: number;
    readonly socket: RelaySocket;
  }
  /** A server has taken a connection whose handshake is done; both are the relay's from here on. */
  | {
    readonly kind: "adopt";
    readonly id: number;
    /** As TlsSession.release() has it. */
    readonly session: bigint;
    readonly tcp: number;
    readonly socket: RelaySocket;
    readonly silenceMsMax: number;
  }
  /** The peer's certificate is the right one: records may flow. */
  | { readonly kind: "trust"; readonly id: number }
  | { readonly kind: "close"; readonly id: number }
  | { readonly kind: "report"; readonly request: number }
  | { readonly kind: "stop" };

export interface StreamReport {
  readonly id: number;
  readonly stage: StreamStage;
  /** Of records, with their frames. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Records that waited too long, or had no room. */
  readonly dropped: number;
  readonly queuedBytes: number;
}

/** Why a stream is over. */
export type StreamEnd =
  /** It was told to be. */
  | { readonly kind: "closed" }
  /** A system call failed; `errno` of the kernel. */
  | { readonly kind: "unreachable"; readonly errno: number; readonly message: string }
  | { readonly kind: "timed out" }
  | { readonly kind: "proxy refused"; readonly status: number; readonly reason: string }
  | { readonly kind: "proxy nonsense" }
  /** In OpenSSL's words; empty: the peer closed. */
  | { readonly kind: "TLS"; readonly reason: string }
  /** The peer agrees on another protocol, or on none. */
  | { readonly kind: "no data stream" }
  | { readonly kind: "broken frame" }
  | { readonly kind: "silent" }
  | { readonly kind: "slow reader" }
  /** The relay itself failed. */
  | { readonly kind: "fault"; readonly message: string };

/** Relay to main thread. */
export type RelayNotice =
  /** The handshake is done: the certificate of the peer in DER. */
  | { readonly kind: "judge"; readonly id: number; readonly certificate: Uint8Array<ArrayBuffer> }
  | { readonly kind: "open"; readonly id: number }
  /** The relay has closed all it had of it; the UDP socket is the main thread's. */
  | {
    readonly kind: "ended";
    readonly id: number;
    readonly stage: StreamStage;
    readonly end: StreamEnd;
    readonly dropped: number;
  }
  | { readonly kind: "report"; readonly request: number; readonly streams: StreamReport[] }
  | { readonly kind: "stopped" };
