import { constants } from "node:crypto";
import net, { type AddressInfo } from "node:net";
import tls, { type TLSSocket } from "node:tls";
import { ConnectionTable } from "./connection_table.ts";
import { ControlJournal, type ControlStats } from "./control_journal.ts";
import type { ControlServer, ControlServerOptions } from "./control_server.ts";
import { type Answer, answerExchange } from "./exchange.ts";
import type { readPeerIdentity } from "./peer_certificate.ts";
import { checkServerCredentials, type ServerCredentials } from "./server_credentials.ts";
import { plainAddress, sourceOf } from "./source_address.ts";

/** Exchanges of proven clients in progress; each lasts `exchangeTimeoutMs` at most. */
const EXCHANGES_MAX = 1024;
/** More than a client needs that tries again while its last attempts hang on a dead link. */
const EXCHANGES_PER_CLIENT_MAX = 4;
/** What part of the handshakes in progress one source may have. */
const SOURCE_SHARE = 1 / 4;
/** How long a connection stays open for the peer to read the answer. */
const LINGER_MS = 1000;
/** The TLS layer closes for each of these without a word. */
const UNEXPLAINED = "the client's certificate is of another authority, out of date or not meant " +
  "for clients, or the peer went away";

interface Connection {
  readonly socket: net.Socket;
  readonly address: string;
  stage: "handshake" | "exchange";
  /** Why the server ended it, when it did. */
  endedBecause:
    | "the time was over"
    | "newer connections needed the room"
    | "it resumed a TLS session"
    | null;
}

/** Carries each connection through its stages: accepted, TLS handshake, exchange, answered, closed. */
export class Listener implements ControlServer {
  readonly #options: ControlServerOptions;
  readonly #readPeerIdentity: typeof readPeerIdentity;
  readonly #tcp: net.Server;
  readonly #tls: tls.Server;
  readonly #handshakes: ConnectionTable<Connection>;
  readonly #exchanges = new ConnectionTable<Connection>(EXCHANGES_MAX, EXCHANGES_PER_CLIENT_MAX);
  /** By remote address and port: all that a TLS socket and its TCP socket have in common. */
  readonly #connections = new Map<string, Connection>();
  readonly #journal: ControlJournal;
  /** Of the handshake that fails next, where the TLS layer gives one. */
  #tlsError: string | null = null;

  constructor(options: ControlServerOptions, readIdentity: typeof readPeerIdentity) {
    this.#options = options;
    this.#readPeerIdentity = readIdentity;
    this.#journal = new ControlJournal((event) => options.log(event));
    const perSource = Math.max(1, Math.floor(options.handshakesMax * SOURCE_SHARE));
    this.#handshakes = new ConnectionTable(options.handshakesMax, perSource);
    this.#tls = tls.createServer(tlsOptions(options), (socket) => this.#onSecure(socket));
    this.#tls.on("tlsClientError", (error, socket) => {
      // A bare reset comes late, and says nothing.
      if ((error as NodeJS.ErrnoException).code !== "ECONNRESET") this.#tlsError = error.message;
      socket.destroy();
    });
    // A TCP server of our own, so that a peer that says nothing is counted and timed from the start.
    this.#tcp = net.createServer((socket) => this.#onAccept(socket));
  }

  get port(): number {
    return (this.#tcp.address() as AddressInfo).port;
  }

  get stats(): Readonly<ControlStats> {
    return this.#journal.stats;
  }

  get connections(): number {
    return this.#connections.size;
  }

  async listen(port: number, hostname?: string): Promise<void> {
    try {
      if (hostname !== undefined) await this.#listenOn(port, hostname);
      else await this.#listenOn(port, "::").catch((error) => this.#listenWithoutIpv6(port, error));
    } catch (error) {
      throw listenError(error as NodeJS.ErrnoException, port, hostname);
    }
    this.#tcp.on("error", (error) => this.#journal.failed("accept", error.message, now()));
  }

  replaceCredentials(credentials: ServerCredentials): void {
    checkServerCredentials(credentials);
    this.#tls.setSecureContext(tlsOptions(credentials));
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
    for (const connection of this.#connections.values()) connection.socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #listenOn(port: number, host: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#tcp.once("error", reject);
    this.#tcp.listen({ port, host, ipv6Only: false }, () => {
      this.#tcp.off("error", reject);
      resolve();
    });
    return promise.finally(() => this.#tcp.off("error", reject));
  }

  #listenWithoutIpv6(port: number, error: NodeJS.ErrnoException): Promise<void> {
    if (error.code !== "EAFNOSUPPORT" && error.code !== "EADDRNOTAVAIL") throw error;
    return this.#listenOn(port, "0.0.0.0");
  }

  #onAccept(socket: net.Socket): void {
    this.#journal.stats.accepted++;
    // What went wrong shows in how far the connection came; without a listener it would be fatal.
    socket.on("error", () => {});
    const key = connectionKey(socket);
    if (key === null) return void socket.destroy();
    this.#connections.get(key)?.socket.destroy();
    const address = plainAddress(socket.remoteAddress!);
    const connection: Connection = { socket, address, stage: "handshake", endedBecause: null };
    const deadline = setTimeout(
      () => this.#end(connection, "the time was over"),
      this.#options.exchangeTimeoutMs,
    );
    this.#connections.set(key, connection);
    socket.once("close", () => {
      clearTimeout(deadline);
      if (this.#connections.get(key) === connection) this.#connections.delete(key);
      this.#onClose(connection);
    });
    this.#makeRoom(this.#handshakes.add(connection, sourceOf(address)));
    this.#tls.emit("connection", socket);
  }

  #onSecure(socket: TLSSocket): void {
    const key = connectionKey(socket);
    const connection = key === null ? undefined : this.#connections.get(key);
    const certificate: Uint8Array | undefined = socket.getPeerCertificate()?.raw;
    if (connection === undefined || certificate === undefined || !socket.authorized) {
      return void socket.destroy();
    }
    if (socket.isSessionReused()) {
      // Resumption presents no certificate, so nothing has checked its dates and its chain again.
      this.#journal.stats.resumed++;
      return this.#end(connection, "it resumed a TLS session");
    }
    socket.on("error", () => {});
    // Not before: a peer that closes in the handshake must not stay until the time is over.
    socket.allowHalfOpen = true;
    this.#handshakes.remove(connection);
    connection.stage = "exchange";
    const identity = this.#readPeerIdentity(certificate);
    const commonName = "problem" in identity ? null : identity.commonName;
    this.#makeRoom(this.#exchanges.add(connection, commonName ?? ""));
    answerExchange(socket, identity, connection.address, this.#options).then((answer) => {
      if (answer !== null && !socket.destroyed) {
        this.#answer(connection, socket, commonName, answer);
      }
    });
  }

  #answer(
    connection: Connection,
    socket: TLSSocket,
    commonName: string | null,
    answer: Answer,
  ): void {
    const { outcome, fault, bytes } = answer;
    if (fault !== null) this.#journal.failed("grant", fault, now());
    if (outcome.kind === "granted") this.#journal.granted(outcome.peer);
    else this.#journal.refused(outcome, commonName, connection.address, now());
    // The bytes may hold a session key.
    socket.end(bytes, () => bytes.fill(0));
    const linger = setTimeout(() => connection.socket.destroy(), LINGER_MS);
    connection.socket.once("close", () => clearTimeout(linger));
  }

  #end(connection: Connection, because: NonNullable<Connection["endedBecause"]>): void {
    connection.endedBecause = because;
    connection.socket.destroy();
  }

  #makeRoom(evicted: Connection | null): void {
    if (evicted !== null) this.#end(evicted, "newer connections needed the room");
  }

  #onClose(connection: Connection): void {
    this.#handshakes.remove(connection);
    this.#exchanges.remove(connection);
    if (connection.endedBecause === "the time was over") this.#journal.stats.timedOut++;
    if (connection.endedBecause === "newer connections needed the room") {
      this.#journal.stats.evicted++;
    }
    if (connection.stage === "exchange") return;
    const reason = connection.endedBecause ?? this.#tlsError ?? UNEXPLAINED;
    this.#tlsError = null;
    this.#journal.handshakeFailed(connection.address, reason, now());
  }
}

function now(): number {
  return performance.now();
}

function tlsOptions({ caPem, certPem, keyPem }: ServerCredentials): tls.TlsOptions {
  return {
    ca: caPem,
    cert: certPem,
    key: keyPem,
    minVersion: "TLSv1.2",
    requestCert: true,
    rejectUnauthorized: true,
    // Asks for no session tickets. A runtime that sends them all the same meets isSessionReused().
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** Null when the peer has gone already. */
function connectionKey(socket: net.Socket): string | null {
  const { remoteAddress, remotePort } = socket;
  return remoteAddress === undefined ? null : `${remoteAddress} ${remotePort}`;
}

function listenError(error: NodeJS.ErrnoException, port: number, hostname?: string): Error {
  const place = `TCP port ${port} of ${hostname ?? "every address"}`;
  const causes: Record<string, string> = {
    EADDRINUSE: "another program uses it; stop that program or choose another port",
    EACCES: "this user may not; run as root or choose a port from 1024",
    EADDRNOTAVAIL: "this machine does not have that address",
    ENOTFOUND: "there is no such name",
  };
  return new Error(`Cannot listen on ${place}: ${causes[error.code ?? ""] ?? error.message}`);
}
