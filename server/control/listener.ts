import { messageOf } from "../../lib/ffi/error_text.ts";
import { TlsError } from "../../lib/ffi/libssl/tls_session.ts";
import { openTls } from "../../lib/pki/tls/open_tls.ts";
import type { OpenTls, TlsChannel, TlsSide } from "../../lib/pki/tls/tls_side.ts";
import { DATA_STREAM_PROTOCOL } from "../../lib/protocol/wire/stream_frame.ts";
import { ConnectionTable } from "./connection_table.ts";
import { ControlJournal, type ControlStats } from "./control_journal.ts";
import type { ControlServer, ControlServerOptions } from "./control_server.ts";
import { answerExchange } from "./exchange.ts";
import { KnownSources } from "./known_sources.ts";
import type { readPeerIdentity } from "./peer_certificate.ts";
import { badCertificate, revoked } from "./refusal.ts";
import { checkServerCredentials, type ServerCredentials } from "./server_credentials.ts";
import { networkOf, plainAddress, sourceOf } from "./source_address.ts";

/** Exchanges of proven clients in progress; each lasts `exchangeTimeoutMs` at most. */
const EXCHANGES_MAX = 1024;
/** More than a client needs that tries again while its last attempts hang on a dead link. */
const EXCHANGES_PER_CLIENT_MAX = 4;
/** What part of their handshakes one network of strangers, or one known source, may have. */
const OWNER_SHARE = 1 / 4;
/** What part is kept for sources from which a client was let in before. */
const KNOWN_SHARE = 1 / 8;
/** A handshake takes two round trips: a link that needs longer is of no use. */
const HANDSHAKE_TIMEOUT_MS = 5_000;
/** How long a connection stays open for the peer to read the answer. */
const LINGER_MS = 1_000;
/** After the kernel could not give a connection: out of descriptors, say. */
const ACCEPT_PAUSE_MS = 100;

interface Connection {
  readonly tcp: Deno.TcpConn;
  /** Null until there is a session: the connection may be closed before. */
  tls: TlsChannel | null;
  readonly address: string;
  /** Why the server ended it, when it did. */
  endedBecause: "the time was over" | "newer connections needed the room" | null;
  /** Resolves with null when it is closed, so that nobody waits on for a decision about it. */
  readonly closed: PromiseWithResolvers<null>;
}

/** Carries each connection through its stages: accepted, TLS handshake, exchange, answered, closed. */
export class Listener implements ControlServer {
  readonly #options: ControlServerOptions;
  readonly #readPeerIdentity: typeof readPeerIdentity;
  readonly #strangers: ConnectionTable<Connection>;
  readonly #known: ConnectionTable<Connection>;
  readonly #knownSources = new KnownSources();
  readonly #exchanges = new ConnectionTable<Connection>(EXCHANGES_MAX, EXCHANGES_PER_CLIENT_MAX);
  readonly #connections = new Map<Connection, Promise<void>>();
  readonly #journal: ControlJournal;
  readonly #openTls: OpenTls;
  #tlsSide: TlsSide;
  /** Those of former credentials that have not ended. */
  readonly #ending = new Set<Promise<void>>();
  /** One, or one for each IP family where the machine keeps them apart. */
  #tcp: readonly Deno.TcpListener[] = [];
  #accepting: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: ControlServerOptions, readIdentity: typeof readPeerIdentity) {
    this.#options = options;
    this.#readPeerIdentity = readIdentity;
    this.#journal = new ControlJournal((event) => options.log(event));
    const { handshakesMax } = options;
    const share = (part: number) => Math.max(1, Math.floor(handshakesMax * part));
    this.#strangers = new ConnectionTable(handshakesMax, share(OWNER_SHARE));
    this.#known = new ConnectionTable(share(KNOWN_SHARE), share(KNOWN_SHARE * OWNER_SHARE));
    this.#openTls = options.tls ?? openTls;
    this.#tlsSide = this.#openSide(options);
  }

  get port(): number {
    const [tcp] = this.#tcp;
    if (tcp === undefined) throw new Error("Cannot tell the port of a server that does not listen");
    return portOf(tcp);
  }

  get stats(): Readonly<ControlStats> {
    return this.#journal.stats;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** @throws Error that says why the port cannot be had. */
  listen(port: number, hostname?: string): void {
    try {
      this.#tcp = hostname === undefined
        ? listenEverywhere(port)
        : [Deno.listen({ port, hostname })];
    } catch (error) {
      throw listenError(error, port, hostname);
    }
    this.#accepting = Promise.all(this.#tcp.map((tcp) => this.#accept(tcp)));
  }

  replaceCredentials(credentials: ServerCredentials): void {
    checkServerCredentials(credentials);
    const before = this.#tlsSide;
    this.#tlsSide = this.#openSide(credentials);
    const ended = this.#endSide(before).finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }

  #openSide(credentials: ServerCredentials): TlsSide {
    const { dataStreams } = this.#options;
    return this.#openTls("server", credentials, dataStreams && DATA_STREAM_PROTOCOL);
  }

  async #endSide(side: TlsSide): Promise<void> {
    await side[Symbol.asyncDispose]();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const tcp of this.#tcp) tcp.close();
    await this.#accepting;
    for (const connection of this.#connections.keys()) close(connection);
    await Promise.all(this.#connections.values());
    await Promise.all([this.#endSide(this.#tlsSide), ...this.#ending]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    for (;;) {
      let tcp: Deno.TcpConn;
      try {
        tcp = await listener.accept();
      } catch (error) {
        if (this.#isClosed) return;
        this.#journal.failed("accept", messageOf(error), now());
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
        continue;
      }
      this.#journal.stats.accepted++;
      const address = plainAddress((tcp.remoteAddr as Deno.NetAddr).hostname);
      const closed = Promise.withResolvers<null>();
      const connection: Connection = { tcp, tls: null, address, endedBecause: null, closed };
      // It may be over before it is in the table, as without memory: so it is removed from outside.
      const served = this.#serve(connection).finally(() => this.#connections.delete(connection));
      this.#connections.set(connection, served);
    }
  }

  /** Never rejects. */
  async #serve(connection: Connection): Promise<void> {
    const { address } = connection;
    const { exchangeTimeoutMs } = this.#options;
    const isOver = () => end(connection, "the time was over");
    const step = setTimeout(isOver, Math.min(HANDSHAKE_TIMEOUT_MS, exchangeTimeoutMs));
    const whole = setTimeout(isOver, exchangeTimeoutMs);
    const source = sourceOf(address);
    const isKnown = this.#knownSources.has(source);
    const handshakes = isKnown ? this.#known : this.#strangers;
    makeRoom(handshakes.add(connection, isKnown ? source : networkOf(address)));
    try {
      const { rules } = this.#tlsSide;
      const tls = connection.tls = this.#tlsSide.over(connection.tcp);
      try {
        await tls.handshake();
        rules.check(tls.peerCertificate());
      } catch (error) {
        if (connection.endedBecause === null && !tls.hasHeard && hasLeft(error)) {
          return this.#journal.leftSilently(address, now());
        }
        const reason = connection.endedBecause ?? describe(error);
        return this.#journal.handshakeFailed(address, reason, now());
      } finally {
        handshakes.remove(connection);
        clearTimeout(step);
      }
      if (tls.protocol() === DATA_STREAM_PROTOCOL) this.#handOver(connection, tls);
      else await this.#exchange(connection, tls, source);
    } catch (error) {
      this.#journal.failed("grant", messageOf(error), now());
    } finally {
      clearTimeout(step);
      clearTimeout(whole);
      handshakes.remove(connection);
      this.#exchanges.remove(connection);
      this.#countEnd(connection);
      close(connection);
    }
  }

  /** What comes is records of the data plane: nothing of it is read here. */
  #handOver({ tcp, address }: Connection, tls: TlsChannel): void {
    const { dataStreams, isRevoked } = this.#options;
    const identity = this.#readPeerIdentity(tls.peerCertificate()!);
    if ("problem" in identity) {
      return this.#journal.refused(badCertificate(identity.problem), null, address, now());
    }
    const { commonName, serialHex } = identity;
    if (isRevoked(serialHex)) {
      return this.#journal.refused(revoked(commonName), commonName, address, now());
    }
    const remote = tcp.remoteAddr as Deno.NetAddr;
    dataStreams!.take(tls.detach(), identity, remote);
  }

  /** The peer has proved that it has the key of a certificate that our authority signed. */
  async #exchange(connection: Connection, tls: TlsChannel, source: string): Promise<void> {
    const certificate = tls.peerCertificate();
    if (certificate === null) return;
    const identity = this.#readPeerIdentity(certificate);
    const commonName = "problem" in identity ? null : identity.commonName;
    makeRoom(this.#exchanges.add(connection, commonName ?? ""));
    const answering = answerExchange(tls, identity, connection.address, this.#options);
    const answer = await Promise.race([answering, connection.closed.promise]);
    if (answer === null || tls.isClosed) {
      // A decision that comes too late may still hold a session key.
      answering.then((late) => late?.bytes.fill(0));
      return;
    }
    const { outcome, fault, bytes } = answer;
    if (fault !== null) this.#journal.failed("grant", fault, now());
    if (outcome.kind === "granted") {
      this.#knownSources.add(source);
      this.#journal.granted(outcome.peer, now());
    } else if (outcome.kind === "status") {
      this.#knownSources.add(source);
    } else this.#journal.refused(outcome, commonName, connection.address, now());
    const linger = setTimeout(() => close(connection), LINGER_MS);
    try {
      await tls.write(bytes);
      await tls.closeWrite();
      // What the peer goes on sending is thrown away: closing would reset the connection before it
      // has read the answer.
      while (await tls.read() !== null);
    } catch {
      // It has the answer, or it has gone.
    } finally {
      bytes.fill(0); // they may hold a session key
      clearTimeout(linger);
    }
  }

  #countEnd({ endedBecause }: Connection): void {
    if (endedBecause === "the time was over") this.#journal.stats.timedOut++;
    if (endedBecause === "newer connections needed the room") this.#journal.stats.evicted++;
  }
}

function now(): number {
  return performance.now();
}

function end(connection: Connection, because: NonNullable<Connection["endedBecause"]>): void {
  connection.endedBecause ??= because;
  close(connection);
}

function makeRoom(evicted: Connection | null): void {
  if (evicted !== null) end(evicted, "newer connections needed the room");
}

function close({ tcp, tls, closed }: Connection): void {
  closed.resolve(null);
  if (tls !== null) return tls.close();
  try {
    tcp.close();
  } catch {
    // It was closed before.
  }
}

function hasLeft(error: unknown): boolean {
  return error instanceof Deno.errors.UnexpectedEof ||
    error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
}

/** Why a handshake failed, for the operator; holds no text of the peer. */
function describe(error: unknown): string {
  if (!(error instanceof TlsError)) {
    return hasLeft(error) ? "the peer went away" : messageOf(error);
  }
  const { reason, verifyCode } = error;
  if (verifyCode !== 0) return `the client's certificate is refused: ${reason}`;
  if (/did not return a certificate/.test(reason)) return "the peer has shown no certificate";
  return `the peer does not speak TLS as a client does: ${reason}`;
}

/** Every address of the machine, IPv4 and IPv6. */
function listenEverywhere(port: number): Deno.TcpListener[] {
  let ipv6: Deno.TcpListener;
  try {
    ipv6 = Deno.listen({ port, hostname: "::" });
  } catch (error) {
    const hasNoIpv6 = error instanceof Deno.errors.AddrNotAvailable ||
      /not supported/i.test(messageOf(error));
    if (!hasNoIpv6) throw error;
    return [Deno.listen({ port, hostname: "0.0.0.0" })];
  }
  if (!keepsFamiliesApart()) return [ipv6];
  try {
    return [ipv6, Deno.listen({ port: portOf(ipv6), hostname: "0.0.0.0" })];
  } catch (error) {
    ipv6.close();
    throw error;
  }
}

/** Whether a socket for IPv6 takes no IPv4: Deno cannot say so for one socket. */
function keepsFamiliesApart(): boolean {
  try {
    return Deno.readTextFileSync("/proc/sys/net/ipv6/bindv6only").trim() === "1";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function portOf(tcp: Deno.TcpListener): number {
  return (tcp.addr as Deno.NetAddr).port;
}

function listenError(error: unknown, port: number, hostname?: string): Error {
  const place = `TCP port ${port} of ${hostname ?? "every address"}`;
  const cause = error instanceof Deno.errors.AddrInUse
    ? "another program uses it; stop that program or choose another port with -ctrl"
    : error instanceof Deno.errors.PermissionDenied
    ? "this user may not; run as root or choose a port from 1024 with -ctrl"
    : error instanceof Deno.errors.AddrNotAvailable
    ? "this machine does not have that address"
    : messageOf(error);
  return new Error(`Cannot listen on ${place}: ${cause}`);
}
