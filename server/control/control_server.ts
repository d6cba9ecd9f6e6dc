/**
 * The control plane of the server: clients prove who they are with their certificate, ask once, and
 * get the key of a session. Nobody is served whose certificate is missing, of another authority, out
 * of date, not meant for clients or revoked; the name in the certificate is the identity, whatever
 * the request says. Strangers cost a bounded number of connections, each for a bounded time, and a
 * bounded number of log lines. The exchange itself is section 1 of docs/protocol.md.
 */
import type { ControlResponse, ControlStatus } from "../../lib/protocol/wire/control_message.ts";
import type { OpenTls } from "../../lib/pki/tls/tls_side.ts";
import type { DataStreams } from "../transport/data_streams.ts";
import type { ControlEvent, ControlStats } from "./control_journal.ts";
import type { ControlPeer } from "./exchange.ts";
import { Listener } from "./listener.ts";
import { checkServerCredentials, type ServerCredentials } from "./server_credentials.ts";

export type { ControlEvent, ControlPeer };

export interface ControlServerOptions extends ServerCredentials {
  /** Address or name to listen on. Without it every address of the machine, IPv4 and IPv6. */
  readonly hostname?: string;
  /** TCP port; 0 lets the kernel choose. */
  readonly port: number;
  /** Asked with lower-case hex, two digits a byte, without leading zero bytes. */
  isRevoked(serialHex: string): boolean;
  /**
   * Makes or replaces the session of a client that has proved who it is. A refusal it returns goes
   * to the client; when it throws, the client is told to try again and the log gets the reason.
   */
  grant(peer: ControlPeer): Promise<ControlResponse> | ControlResponse;
  /** For who asks for it instead of a session; without it nothing is known. */
  status?(): Omit<ControlStatus, "kind">;
  log(event: ControlEvent): void;
  /** Takes the connections of clients that ask for the data plane inside TLS; without it there is none. */
  readonly dataStreams?: Pick<DataStreams, "take">;
  /** Handshakes in progress of all strangers; a quarter of them may come from one network. */
  readonly handshakesMax: number;
  /** From the accepted connection to its end. */
  readonly exchangeTimeoutMs: number;
  /** Who carries out TLS; without it whatever this machine has. */
  readonly tls?: OpenTls;
}

export interface ControlServer extends AsyncDisposable {
  readonly port: number;
  readonly stats: Readonly<ControlStats>;
  /** Connections that are open, in whatever stage. */
  readonly connections: number;
  /** Uses other certificates from the next connection on. Throws an Error when they do not fit. */
  replaceCredentials(credentials: ServerCredentials): void;
  /** Stops listening and closes every connection. */
  close(): Promise<void>;
}

/**
 * Listens and serves. Throws an Error when the credentials do not fit together or the port cannot be
 * had.
 */
export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  checkServerCredentials(options);
  // The certificate parser takes a tenth of a second to load: other commands do without it.
  const { readPeerIdentity } = await import("./peer_certificate.ts");
  const listener = new Listener(options, readPeerIdentity);
  try {
    listener.listen(options.port, options.hostname);
  } catch (error) {
    await listener.close();
    throw error;
  }
  return listener;
}
