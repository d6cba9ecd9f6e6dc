import { tlsLibrary } from "../../ffi/libssl/libssl.ts";
import { TlsConnection } from "../../ffi/libssl/tls_connection.ts";
import { TlsContext } from "../../ffi/libssl/tls_context.ts";
import { TlsSession } from "../../ffi/libssl/tls_session.ts";
import { HelperChannel } from "./helper_channel.ts";
import { helperCommand } from "./helper_command.ts";
import { HelperProcess } from "./helper_process.ts";
import { PeerRules } from "./peer_rules.ts";
import type { OpenTls, TlsChannel, TlsCredentials, TlsSide } from "./tls_side.ts";

/** `node:tls` keeps about 40 KB of each connection: a process grows by 40 MB, and is replaced. */
const CONNECTIONS_PER_HELPER = 1000;
/** One that cannot live is not started again and again. */
const START_EVERY_MS = 500;

/** Why TLS is left to a process, in words for people; null where libssl carries it out. */
export function tlsNotice(load: () => unknown = tlsLibrary): string | null {
  try {
    load();
    return null;
  } catch (error) {
    return `${(error as Error).message}; until then a process of its own speaks TLS, more slowly`;
  }
}

/** TLS by libssl where that can be loaded, else by processes. */
export const openTls: OpenTls = (role, credentials, protocol) =>
  tlsNotice() === null
    ? new LibsslSide(role, credentials, protocol)
    : openHelperTls()(role, credentials);

/** TLS by processes that `command` starts, each for so many connections. */
export function openHelperTls(
  command: readonly string[] = helperCommand(),
  connectionsPerHelper = CONNECTIONS_PER_HELPER,
): OpenTls {
  return (role, credentials) => new HelperSide(command, connectionsPerHelper, role, credentials);
}

class LibsslSide implements TlsSide {
  readonly rules: PeerRules;
  readonly #context: TlsContext;

  constructor(role: "server" | "client", credentials: TlsCredentials, protocol?: string) {
    this.#context = new TlsContext(role, credentials, protocol);
    this.rules = new PeerRules(credentials.caPem);
  }

  over(tcp: Deno.TcpConn, serverName = ""): TlsChannel {
    return new TlsConnection(tcp, new TlsSession(this.#context, serverName));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#context[Symbol.dispose]();
    return Promise.resolve();
  }
}

class HelperSide implements TlsSide {
  readonly rules: PeerRules;
  readonly #command: readonly string[];
  readonly #connectionsMax: number;
  readonly #role: "server" | "client";
  readonly #credentials: TlsCredentials;
  readonly #retired = new Set<Promise<void>>();
  #current: HelperProcess | null = null;
  #startedMs = -Infinity;

  constructor(
    command: readonly string[],
    connectionsMax: number,
    role: "server" | "client",
    credentials: TlsCredentials,
  ) {
    this.#command = command;
    this.#connectionsMax = connectionsMax;
    this.#role = role;
    this.#credentials = credentials;
    this.rules = new PeerRules(credentials.caPem);
  }

  over(tcp: Deno.TcpConn, serverName = ""): TlsChannel {
    return new HelperChannel(tcp, this.#helper(), this.#role, serverName);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#retire();
    await Promise.all(this.#retired);
  }

  /** @throws Error when there is none. */
  #helper(): HelperProcess {
    const current = this.#current;
    if (current !== null && !current.isOver && current.served < this.#connectionsMax) {
      return current;
    }
    const hasServed = current !== null && current.served >= this.#connectionsMax;
    const nowMs = performance.now();
    if (!hasServed && nowMs - this.#startedMs < START_EVERY_MS) {
      throw new Error("Cannot speak TLS: the process for it has ended");
    }
    this.#retire();
    this.#startedMs = nowMs;
    const { caPem, certPem, keyPem } = this.#credentials;
    const settings = { role: this.#role, caPem, certPem, keyPem };
    return this.#current = new HelperProcess(this.#command, settings);
  }

  #retire(): void {
    if (this.#current === null) return;
    const retired = this.#current.retire().finally(() => this.#retired.delete(retired));
    this.#retired.add(retired);
    this.#current = null;
  }
}
