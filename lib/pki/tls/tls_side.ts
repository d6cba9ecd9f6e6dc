/**
 * TLS of the control plane, by either of two means: OpenSSL's libssl in this process, or, where that is
 * missing, `node:tls` in a child process. What decides about a peer is the same code for both:
 * PeerRules here, the common name, usage and revocation where the exchange is.
 */
import type { DetachedTls } from "../../ffi/libssl/tls_connection.ts";
import type { PeerRules } from "./peer_rules.ts";

/** PEM texts. `caPem` may hold several authorities. */
export interface TlsCredentials {
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

/**
 * A TLS session over a TCP connection. Ends when the connection does, so whoever sets a limit to its
 * time closes it. Calls are made one after the other. All throw TlsError, HandshakeTooLongError,
 * Deno.errors of the connection; Deno.errors.UnexpectedEof when the peer left.
 */
export interface TlsChannel extends Disposable {
  readonly isClosed: boolean;
  /** Whether the peer has sent anything yet. */
  readonly hasHeard: boolean;
  handshake(): Promise<void>;
  /** The peer's certificate in DER; null when it has shown none. */
  peerCertificate(): Uint8Array<ArrayBuffer> | null;
  /** Of a handshake that is done: `TLSv1.3`, and the cipher behind it where it is known. */
  negotiated(): string;
  /** What the two sides have agreed on in the handshake (ALPN); empty for nothing. */
  protocol(): string;
  /** Gives session and connection away, where a protocol was agreed on. */
  detach(): DetachedTls;
  /** Null at the end of what the peer writes. */
  read(): Promise<Uint8Array<ArrayBuffer> | null>;
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Tells the peer that nothing more comes, by TLS and by TCP. */
  closeWrite(): Promise<void>;
  /** Closes at once; calls under way fail. */
  close(): void;
}

/** One side of connections that use the same credentials. Connections outlive it. */
export interface TlsSide extends AsyncDisposable {
  readonly rules: PeerRules;
  /** A client sends `serverName`, when the server has a name (RFC 6066, section 3). */
  over(tcp: Deno.TcpConn, serverName?: string): TlsChannel;
}

/**
 * @param protocol of the application (ALPN): asked for by a client, agreed to by a server that is
 * asked. Processes agree on none.
 * @throws Error when the credentials cannot be used; never shows a key.
 */
export type OpenTls = (
  role: "server" | "client",
  credentials: TlsCredentials,
  protocol?: string,
) => TlsSide;
