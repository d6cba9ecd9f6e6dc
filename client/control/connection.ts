import { isIP } from "node:net";
import { openTls } from "../../lib/pki/tls/open_tls.ts";
import type { OpenTls, TlsChannel, TlsSide } from "../../lib/pki/tls/tls_side.ts";
import {
  type ControlAnswer,
  ControlMessageError,
  createResponseReader,
  parseResponse,
  unusable,
} from "../../lib/protocol/wire/control_message.ts";
import type { ClientCredentials } from "./client_credentials.ts";
import {
  explainClose,
  explainConnect,
  explainFailure,
  explainTimeout,
  place,
  type Stage,
  type Target,
} from "./connection_failure.ts";
import { abortedError, ControlError } from "./control_error.ts";
import { openTunnel, type ProxyTunnel, proxyUnreachable } from "./proxy_tunnel.ts";
import { checkServer } from "./server_identity.ts";

interface ConnectionTarget extends Target {
  readonly credentials: ClientCredentials;
  /** Where `address` and `port` are those of a proxy: what it is asked for. */
  readonly tunnel?: ProxyTunnel;
  readonly signal?: AbortSignal;
  /** Who carries out TLS; without it whatever this machine has. */
  readonly tls?: OpenTls;
  /** Told how far it has come. */
  readonly onStage?: (stage: Stage) => void;
  /** Told of version and cipher, once the server is known to be the right one. */
  readonly onSecured?: (negotiated: string) => void;
}

/**
 * Connects, sends `request`, half-closes and reads the answer, which may come before the server has
 * closed. The connection is closed when this settles. Only the authorities in the credentials are
 * trusted, never those of the system. Throws ControlError.
 */
export async function ask(
  target: ConnectionTarget,
  request: Uint8Array<ArrayBuffer>,
  timeoutMs: number,
): Promise<ControlAnswer> {
  const { signal } = target;
  if (signal?.aborted) throw abortedError();
  const attempt = new Attempt(target);
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  interrupted.catch(() => {}); // it may come when all is over
  const timer = setTimeout(
    () => reject(explainTimeout(attempt.stage, target, timeoutMs)),
    timeoutMs,
  );
  const onAbort = () => reject(abortedError());
  signal?.addEventListener("abort", onAbort, { once: true });
  const asked = attempt.ask(request);
  asked.catch(() => {}); // closing it makes it fail, whoever waits
  try {
    return await Promise.race([asked, interrupted]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    await attempt.close();
  }
}

/** One connection, and how far it came. */
class Attempt {
  #stage: Stage = "connecting";
  readonly #target: ConnectionTarget;
  readonly #giveUp = new AbortController();
  #side: TlsSide | null = null;
  #connection: TlsChannel | null = null;

  constructor(target: ConnectionTarget) {
    this.#target = target;
    target.onStage?.(this.#stage);
  }

  get stage(): Stage {
    return this.#stage;
  }

  #reach(stage: Stage): void {
    this.#stage = stage;
    this.#target.onStage?.(stage);
  }

  async ask(request: Uint8Array<ArrayBuffer>): Promise<ControlAnswer> {
    const tcp = await this.#connect();
    this.#reach("TLS handshake");
    const { server, credentials } = this.#target;
    const open = this.#target.tls ?? openTls;
    try {
      this.#side = open("client", credentials);
      // Server name indication is for names only (RFC 6066, section 3).
      this.#connection = this.#side.over(tcp, isIP(server) === 0 ? server : "");
    } catch (error) {
      tcp.close();
      throw error;
    }
    if (this.#giveUp.signal.aborted) this.close();
    const { rules } = this.#side;
    await this.#explained(this.#connection.handshake());
    await checkServer(this.#connection.peerCertificate(), rules, this.#target);
    this.#target.onSecured?.(this.#connection.negotiated());
    this.#reach("waiting for the answer");
    return await this.#exchange(this.#connection, request);
  }

  /** Ends it, whatever is under way. Resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.#giveUp.abort();
    this.#connection?.close();
    await this.#side?.[Symbol.asyncDispose]();
  }

  async #connect(): Promise<Deno.TcpConn> {
    const { address: hostname, port, tunnel } = this.#target;
    const { signal } = this.#giveUp;
    let tcp: Deno.TcpConn;
    try {
      tcp = await Deno.connect({ hostname, port, signal });
    } catch (error) {
      throw tunnel === undefined
        ? explainConnect(error, this.#target)
        : proxyUnreachable(error, tunnel);
    }
    if (tunnel !== undefined) {
      this.#reach("proxy");
      await openTunnel(tcp, tunnel, signal);
    }
    return tcp;
  }

  async #exchange(
    connection: TlsChannel,
    request: Uint8Array<ArrayBuffer>,
  ): Promise<ControlAnswer> {
    const reader = createResponseReader();
    let hasAnswered = false;
    // A server that refuses the client's certificate may have closed before all is written: what it
    // had to say about it comes with the next read.
    await this.#send(connection, request).catch(() => {});
    for (;;) {
      let chunk: Uint8Array | null;
      try {
        chunk = await connection.read();
      } catch (error) {
        throw hasAnswered ? cutShort(this.#target) : this.#explain(error);
      }
      if (chunk === null) {
        throw hasAnswered ? cutShort(this.#target) : explainClose(this.stage, this.#target);
      }
      hasAnswered = true;
      const result = reader.read(chunk);
      if (result.state === "incomplete") continue;
      try {
        if (result.state !== "complete") throw unusable("response", result.state);
        return parseResponse(result.object);
      } catch (error) {
        throw error instanceof ControlMessageError ? malformed(error) : error;
      }
    }
  }

  async #send(connection: TlsChannel, request: Uint8Array<ArrayBuffer>): Promise<void> {
    await connection.write(request);
    // Many proxies close both directions when one ends; the server answers what is complete.
    if (this.#target.tunnel === undefined) await connection.closeWrite();
  }

  async #explained<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  #explain(error: unknown): ControlError {
    return explainFailure(error, this.stage, this.#target);
  }
}

function malformed(error: ControlMessageError): ControlError {
  return new ControlError("malformed response", error.message, { retryable: false });
}

function cutShort(target: Target): ControlError {
  return new ControlError(
    "connection lost",
    `Lost the connection to ${place(target)} in the middle of the answer; try again`,
    { retryable: true },
  );
}
