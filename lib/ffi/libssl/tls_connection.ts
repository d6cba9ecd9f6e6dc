import type { TlsSession } from "./tls_session.ts";

/** Thousands of connections wait with one each. */
const CHUNK_BYTES = 4 * 1024;
/** More than a handshake with a certificate of any size has. */
const HANDSHAKE_BYTES_MAX = 128 * 1024;

/** The peer sent more in its handshake than a handshake has. */
export class HandshakeTooLongError extends Error {
  override readonly name = "HandshakeTooLongError";
  constructor() {
    super(`Cannot go on with TLS: a handshake of more than ${HANDSHAKE_BYTES_MAX} bytes`);
  }
}

/** A connection after its handshake, of whoever has it: to be closed, and the session to be freed. */
export interface DetachedTls {
  readonly tcp: Deno.TcpConn;
  /** As TlsSession.release() has it. */
  readonly session: bigint;
}

/**
 * A TLS session over a TCP connection. Ends when the connection does, so whoever sets a limit to its
 * time closes it. Calls are made one after the other.
 */
export class TlsConnection implements Disposable {
  readonly #tcp: Deno.TcpConn;
  readonly #session: TlsSession;
  #isClosed = false;
  #hasHeard = false;

  constructor(tcp: Deno.TcpConn, session: TlsSession) {
    this.#tcp = tcp;
    this.#session = session;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether the peer has sent anything yet. */
  get hasHeard(): boolean {
    return this.#hasHeard;
  }

  /**
   * @throws TlsError, HandshakeTooLongError, Deno.errors of the connection; Deno.errors.UnexpectedEof
   * when the peer left.
   */
  async handshake(): Promise<void> {
    const chunk = new Uint8Array(CHUNK_BYTES);
    let received = 0;
    for (;;) {
      const isDone = await this.#flushAfter(() => this.#session.handshake());
      if (isDone) return;
      const length = await this.#tcp.read(chunk);
      if (length === null) throw new Deno.errors.UnexpectedEof("The peer left in the handshake");
      this.#refuseClosed();
      this.#hasHeard = true;
      received += length;
      if (received > HANDSHAKE_BYTES_MAX) throw new HandshakeTooLongError();
      this.#session.receive(chunk.subarray(0, length));
    }
  }

  /** The peer's certificate in DER; null when it has shown none. */
  peerCertificate(): Uint8Array<ArrayBuffer> | null {
    this.#refuseClosed();
    return this.#session.peerCertificate();
  }

  /** Version and cipher of a handshake that is done: `TLSv1.3 TLS_AES_256_GCM_SHA384`. */
  negotiated(): string {
    this.#refuseClosed();
    return this.#session.negotiated();
  }

  /** What the two sides have agreed on (ALPN); empty for nothing. */
  protocol(): string {
    this.#refuseClosed();
    return this.#session.protocol();
  }

  /** Gives both away; closed for whoever has this. Not while a call is under way. */
  detach(): DetachedTls {
    this.#refuseClosed();
    this.#isClosed = true;
    return { tcp: this.#tcp, session: this.#session.release() };
  }

  /** Null at the end of what the peer writes. @throws as handshake(). */
  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      const result = await this.#flushAfter(() => this.#session.read());
      if (result === "end") return null;
      if (result !== "later") return result;
      const length = await this.#tcp.read(chunk);
      if (length === null) throw new Deno.errors.UnexpectedEof("The peer left without a word");
      this.#refuseClosed();
      this.#session.receive(chunk.subarray(0, length));
    }
  }

  /** @throws as handshake(). */
  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#flushAfter(() => this.#session.write(bytes));
  }

  /** Tells the peer that nothing more comes, by TLS and by TCP. */
  async closeWrite(): Promise<void> {
    await this.#flushAfter(() => this.#session.endWriting());
    await this.#tcp.closeWrite();
  }

  /** Closes at once; calls under way fail. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#session[Symbol.dispose]();
    try {
      this.#tcp.close();
    } catch {
      // The runtime was faster.
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Sends what `step` has made, also when it failed: that is the alert that says why. */
  async #flushAfter<T>(step: () => T): Promise<T> {
    this.#refuseClosed();
    let result: T;
    try {
      result = step();
    } catch (error) {
      await this.#flush().catch(() => {}); // what failed first is what matters
      throw error;
    }
    await this.#flush();
    return result;
  }

  async #flush(): Promise<void> {
    for (let rest = this.#session.takeOutput(); rest !== null && rest.byteLength > 0;) {
      rest = rest.subarray(await this.#tcp.write(rest));
      this.#refuseClosed();
    }
  }

  #refuseClosed(): void {
    if (this.#isClosed) throw new Deno.errors.BadResource("The connection was closed");
  }
}
