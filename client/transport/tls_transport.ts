/**
 * The data plane inside TLS, as the client has it: one connection for each link and session, made over
 * the link alone, through a proxy where there is one. To the engine it is a path to a port of this
 * machine. A connection that is lost is made again, less and less often, and the path is down meanwhile.
 */
import { isIP } from "node:net";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { messageOf } from "../../lib/ffi/error_text.ts";
import type { Libc } from "../../lib/ffi/libc/libc.ts";
import { tlsLibrary } from "../../lib/ffi/libssl/libssl.ts";
import { TlsContext } from "../../lib/ffi/libssl/tls_context.ts";
import { LOOPBACK } from "../../lib/ffi/linux/socket.ts";
import type { LoopbackSocket } from "../../lib/ffi/linux/socket.ts";
import { type Engine, REPLACED_SESSION_MS } from "../../lib/net/engine.ts";
import type { StreamEnd, StreamStage } from "../../lib/net/relay/message.ts";
import { Relay } from "../../lib/net/relay/relay.ts";
import { tlsPathName } from "../../lib/status/bond_status.ts";
import { PeerRules } from "../../lib/pki/tls/peer_rules.ts";
import { connectRequest } from "../../lib/protocol/wire/http_connect.ts";
import { DATA_STREAM_PROTOCOL } from "../../lib/protocol/wire/stream_frame.ts";
import { backoffMs } from "../control/backoff.ts";
import type { ClientCredentials } from "../control/client_credentials.ts";
import { place, type Target } from "../control/connection_failure.ts";
import { checkServer } from "../control/server_identity.ts";
import type { ProxySetting } from "./proxy_setting.ts";
import { explainStreamEnd } from "./stream_failure.ts";

/** The server answers heartbeats every 2 s at the least. */
const SILENCE_MS_MAX = 8000;
const BACKOFF_MAX_MS = 30_000;
/** A connection that stood for so long makes the next failure the first. */
const STEADY_MS = 30_000;

const log = getLogger([LOG_CATEGORY, "client"]);

type PathEngine = Pick<Engine, "addPath" | "removePath">;

interface TlsTransportParts {
  readonly libc: Libc;
  /** The program's entry, which is the relay's, too. */
  readonly workerModule: URL;
  readonly credentials: ClientCredentials;
  /** The server's, of the control plane. */
  readonly port: number;
  readonly proxy: ProxySetting | null;
  /** "trial": UDP is silent, and the whole link may be dead; to say so is others' business. */
  readonly purpose: "trial" | "only way";
}

/** Where one connection goes. */
export interface TlsRoute {
  /** For people. */
  readonly link: string;
  readonly device: string;
  readonly source: string | null;
  /** The server's address, or the proxy's. */
  readonly address: string;
  /** The name or address that the server's certificate must be for. */
  readonly server: string;
  /** Why not by UDP, for people; missing or null: it was asked for. */
  readonly why?: string | null;
}

/** A path of a session, as the engine knows it. */
interface TlsPathSpec {
  readonly session: number;
  readonly id: number;
  readonly forbidsFragments: boolean;
}

/** Why this machine cannot carry data inside TLS, or null. */
export function tlsObstacle(): string | null {
  try {
    tlsLibrary();
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

export class TlsTransport implements AsyncDisposable {
  readonly #parts: TlsTransportParts;
  readonly #relay: Relay;
  readonly #rules: PeerRules;
  readonly #paths = new Set<TlsPath>();
  #context: TlsContext | null = null;

  constructor(parts: TlsTransportParts) {
    this.#parts = parts;
    this.#relay = new Relay(parts.libc, parts.workerModule);
    this.#rules = new PeerRules(parts.credentials.caPem);
  }

  /** Makes a path of a session of `engine` that goes along `route`. @throws SyscallError, Error */
  open(engine: PathEngine, spec: TlsPathSpec, route: TlsRoute): TlsPath {
    const { port, proxy, purpose, credentials } = this.#parts;
    const context = this.#context ??= new TlsContext("client", credentials, DATA_STREAM_PROTOCOL);
    const path = new TlsPath({
      ...{ relay: this.#relay, rules: this.#rules, engine, port, proxy, purpose, spec, route },
      context: BigInt(Deno.UnsafePointer.value(context.pointer)),
      closed: () => this.#paths.delete(path),
    });
    this.#paths.add(path);
    return path;
  }

  /** Records that waited too long for a connection, or had no room, since the start. */
  dropped(): Promise<number> {
    return this.#relay.dropped();
  }

  /** To be called when the engine has stopped: what it said last is passed on. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const path of this.#paths) path.abandon();
    await this.#relay[Symbol.asyncDispose]();
    this.#context?.[Symbol.dispose]();
  }
}

interface TlsPathParts {
  readonly relay: Relay;
  readonly rules: PeerRules;
  readonly engine: PathEngine;
  readonly port: number;
  readonly proxy: ProxySetting | null;
  readonly purpose: "trial" | "only way";
  readonly context: bigint;
  readonly spec: TlsPathSpec;
  readonly route: TlsRoute;
  readonly closed: () => void;
}

export class TlsPath {
  readonly route: TlsRoute;
  readonly id: number;
  readonly #parts: TlsPathParts;
  readonly #socket: LoopbackSocket;
  /** The connection that stands or is being made; null between two of them. */
  #stream: number | null = null;
  #openedMs: number | null = null;
  #isTold = false;
  #failures = 0;
  #said = "";
  #retry: ReturnType<typeof setTimeout> | undefined;
  #later: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  /** @throws SyscallError */
  constructor(parts: TlsPathParts) {
    const { relay, engine, spec, route } = parts;
    this.#parts = parts;
    this.route = route;
    this.id = spec.id;
    this.#socket = relay.openSocket();
    try {
      const port = engine.addPath(spec.session, {
        id: spec.id,
        name: tlsPathName(route.link),
        device: "lo",
        server: LOOPBACK,
        port: this.#socket.port,
        forbidsFragments: spec.forbidsFragments,
      });
      if (port !== 0) relay.connectSocket(this.#socket, port);
    } catch (error) {
      relay.closeSocket(this.#socket);
      throw error;
    }
    this.#dial();
  }

  /** The server answers on the path: what a trial was for is known only now. */
  answered(): void {
    if (this.#openedMs !== null && !this.#isTold) this.#tell();
  }

  /** Its session was replaced: what is in flight still comes. */
  closeLater(): void {
    // What is not there yet is not made for a session that is over.
    clearTimeout(this.#retry);
    this.#later ??= setTimeout(() => this.close(), REPLACED_SESSION_MS);
  }

  /** Ends path and connection. */
  close(): void {
    if (this.#isClosed) return;
    const { relay, engine, spec, closed } = this.#parts;
    this.#isClosed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#later);
    engine.removePath(spec.session, spec.id);
    if (this.#stream === null) relay.closeSocket(this.#socket);
    else relay.close(this.#stream);
    closed();
  }

  /** The relay ends, and with it the connection. */
  abandon(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#later);
    if (this.#stream === null) this.#parts.relay.closeSocket(this.#socket);
  }

  get #target(): Target {
    const { route, port, proxy } = this.#parts;
    // Through a proxy nobody here knows the server's address.
    const address = proxy === null ? route.address : route.server;
    return { server: route.server, address, port };
  }

  #dial(): void {
    const { relay, route, port, proxy, context } = this.#parts;
    const head = proxy === null ? null : connectRequest(route.server, port, proxy.authorization);
    const dialled = relay.dial(
      {
        device: route.device,
        address: route.address,
        port: proxy?.port ?? port,
        source: route.source,
        proxy: head === null ? null : { head },
        context,
        serverName: isIP(route.server) === 0 ? route.server : "",
        silenceMsMax: SILENCE_MS_MAX,
      },
      this.#socket,
      {
        judge: (certificate) => void this.#judge(dialled, certificate),
        open: () => this.#opened(),
        ended: (end, stage) => this.#ended(end, stage),
      },
    );
    this.#stream = dialled;
  }

  /** Never rejects. */
  async #judge(stream: number, certificate: Uint8Array<ArrayBuffer>): Promise<void> {
    const { relay, rules } = this.#parts;
    try {
      await checkServer(certificate, rules, this.#target);
      if (!this.#isClosed && this.#stream === stream) relay.trust(stream);
    } catch (error) {
      this.#say(messageOf(error));
      relay.close(stream);
    }
  }

  #opened(): void {
    this.#openedMs = performance.now();
    this.#isTold = false;
    if (this.#parts.purpose === "only way") this.#tell();
    this.#said = "";
  }

  #tell(): void {
    const { route, proxy, purpose } = this.#parts;
    this.#isTold = true;
    const why = proxy !== null
      ? " through the proxy"
      : purpose === "trial" && route.why
      ? `, as ${route.why}`
      : "";
    log.info("link {link}: data goes inside TLS to {place}{why}", {
      ...{ link: route.link, place: place(this.#target), why },
    });
  }

  #ended(end: StreamEnd, stage: StreamStage): void {
    const { relay, proxy } = this.#parts;
    this.#stream = null;
    if (this.#isClosed) return relay.closeSocket(this.#socket);
    const stoodMs = this.#openedMs === null ? 0 : performance.now() - this.#openedMs;
    this.#openedMs = null;
    this.#failures = stoodMs >= STEADY_MS ? 1 : this.#failures + 1;
    // What was closed here has been told.
    if (end.kind !== "closed") {
      const isExpected = this.#parts.purpose === "trial" &&
        (end.kind === "unreachable" || end.kind === "timed out" || end.kind === "silent");
      this.#say(explainStreamEnd(end, stage, this.#target, proxy), isExpected ? "debug" : "warn");
    }
    if (this.#later !== undefined) return; // nobody needs it any more
    const waitMs = backoffMs(this.#failures, Math.random(), BACKOFF_MAX_MS);
    this.#retry = setTimeout(() => this.#dial(), waitMs);
  }

  /** The same again is for -v only. */
  #say(message: string, least: "debug" | "warn" = "warn"): void {
    const level = this.#said === message ? "debug" : least;
    this.#said = message;
    log[level]("link {link}: {message}; trying again", { link: this.#parts.route.link, message });
  }
}
