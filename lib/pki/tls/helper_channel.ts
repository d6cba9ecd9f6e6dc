import { HandshakeTooLongError } from "../../ffi/libssl/tls_connection.ts";
import { TlsError } from "../../ffi/libssl/tls_session.ts";
import { FRAME } from "./helper_frame.ts";
import type { HelperListener, HelperProcess } from "./helper_process.ts";
import type { TlsChannel } from "./tls_side.ts";

const CHUNK_BYTES = 4 * 1024;
/** As much as a handshake has that libssl takes. */
const HANDSHAKE_BYTES_MAX = 128 * 1024;
/** More of what the peer has written is left in the socket until somebody reads. */
const UNREAD_CHUNKS_MAX = 16;

/** X509_V_ERR of <openssl/x509_vfy.h>, by what `node:tls` says of a peer's certificate. */
const VERIFY_CODES: readonly [RegExp, number][] = [
  [/NOT_YET_VALID|not yet valid/i, 9],
  [/EXPIRED|expired/i, 10],
  [/PURPOSE|purpose/i, 26],
  [/self-signed|verify the first|issuer|SELF_SIGNED|UNABLE_TO|CERT_|invalid peer certificate/i, 20],
];

/** A TLS session that a process carries out; the TCP connection stays here. */
export class HelperChannel implements TlsChannel, HelperListener {
  readonly #tcp: Deno.TcpConn;
  readonly #process: HelperProcess;
  readonly #id: number;
  readonly #role: "server" | "client";
  readonly #plain: Uint8Array<ArrayBuffer>[] = [];
  #peer: Uint8Array<ArrayBuffer> | null = null;
  #state: "handshake" | "open" | "ended" = "handshake";
  #failure: Error | null = null;
  #isClosed = false;
  #hasHeard = false;
  /** What is on its way to the peer. */
  #written: Promise<void> = Promise.resolve();
  #hasEndedWriting = false;
  #wake = Promise.withResolvers<void>();

  constructor(
    tcp: Deno.TcpConn,
    process: HelperProcess,
    role: "server" | "client",
    serverName: string,
  ) {
    this.#tcp = tcp;
    this.#role = role;
    this.#process = process;
    this.#id = process.open(this, serverName);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get hasHeard(): boolean {
    return this.#hasHeard;
  }

  async handshake(): Promise<void> {
    this.#pump();
    await this.#until(() => this.#state !== "handshake");
  }

  peerCertificate(): Uint8Array<ArrayBuffer> | null {
    return this.#peer;
  }

  /** The process takes no other version, and `node:tls` of the runtime does not tell the cipher. */
  negotiated(): string {
    return "TLSv1.3";
  }

  protocol(): string {
    return "";
  }

  detach(): never {
    throw new Error("Cannot give away a session of another process");
  }

  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    await this.#until(() => this.#plain.length > 0 || this.#state === "ended");
    const bytes = this.#plain.shift() ?? null;
    this.#changed();
    return bytes;
  }

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#refuseClosed();
    await this.#process.tell(this.#id, FRAME.plain, bytes);
  }

  async closeWrite(): Promise<void> {
    this.#refuseClosed();
    await this.#process.tell(this.#id, FRAME.plainEnd);
    // A server closes next, and must have sent all before. As a client, `node:tls` ends its own side
    // when the server does, so there is nothing to wait for.
    if (this.#role === "client") return;
    await this.#until(() => this.#hasEndedWriting);
    await this.#written;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#process.close(this.#id);
    try {
      this.#tcp.close();
    } catch {
      // The runtime was faster.
    }
    this.#changed();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** What the process tells. */
  take(kind: number, payload: Uint8Array<ArrayBuffer>): void {
    if (kind === FRAME.wire) this.#send(payload);
    else if (kind === FRAME.wireEnd) this.#endWriting();
    else if (kind === FRAME.secure) {
      this.#peer = payload.length > 0 ? payload : null;
      this.#state = "open";
    } else if (kind === FRAME.plain) this.#plain.push(payload);
    else if (kind === FRAME.plainEnd) this.#state = "ended";
    else if (kind === FRAME.failed) this.#failure ??= errorOf(new TextDecoder().decode(payload));
    else if (kind === FRAME.close) this.#over();
    this.#changed();
  }

  lost(): void {
    this.#failure ??= new Error("The process that speaks TLS has ended");
    this.#changed();
  }

  #over(): void {
    this.#hasEndedWriting = true;
    if (this.#state !== "ended") {
      this.#failure ??= new Deno.errors.UnexpectedEof("The peer left without a word");
    }
  }

  #send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#written = this.#written.then(async () => {
      for (let sent = 0; sent < bytes.length && !this.#isClosed;) {
        sent += await this.#tcp.write(bytes.subarray(sent));
      }
    }).catch((error) => this.#fail(error));
  }

  #endWriting(): void {
    this.#written = this.#written.then(() => this.#isClosed ? undefined : this.#tcp.closeWrite())
      .catch((error) => this.#fail(error));
    this.#hasEndedWriting = true;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#changed();
  }

  /** Hands over what the peer sends, until it ends, or is too much. Never rejects. */
  async #pump(): Promise<void> {
    const chunk = new Uint8Array(CHUNK_BYTES);
    let received = 0;
    try {
      for (;;) {
        const length = await this.#tcp.read(chunk);
        if (this.#isClosed) return;
        if (length === null) break;
        this.#hasHeard = true;
        received += length;
        if (this.#state === "handshake" && received > HANDSHAKE_BYTES_MAX) {
          return this.#fail(new HandshakeTooLongError());
        }
        await this.#process.tell(this.#id, FRAME.wire, chunk.subarray(0, length));
        while (this.#plain.length > UNREAD_CHUNKS_MAX && !this.#isClosed) await this.#wake.promise;
      }
      await this.#process.tell(this.#id, FRAME.wireEnd);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** @throws what has failed, unless `isDone` without it. */
  async #until(isDone: () => boolean): Promise<void> {
    for (;;) {
      this.#refuseClosed();
      if (isDone()) return;
      if (this.#failure !== null) {
        await this.#written; // the alert that says why
        throw this.#failure;
      }
      await this.#wake.promise;
    }
  }

  #changed(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  #refuseClosed(): void {
    if (this.#isClosed) throw new Deno.errors.BadResource("The connection was closed");
  }
}

/** `CODE words`, as the process tells it. */
function errorOf(text: string): Error {
  const reason = text.trim();
  if (/socket hang up|ECONNRESET/.test(reason)) {
    return new Deno.errors.UnexpectedEof("The peer left, or its certificate is refused");
  }
  if (/sent no certificates/.test(reason)) {
    return new TlsError("peer did not return a certificate", 0);
  }
  // "received fatal alert: BadCertificate" in the words of OpenSSL.
  const alert = /received fatal alert: (\w+)/.exec(reason)?.[1];
  if (alert !== undefined) {
    const words = alert.replace(/CA$/, " ca").replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
    return new TlsError(`alert ${words}`, 0);
  }
  const code = VERIFY_CODES.find(([words]) => words.test(reason))?.[1] ?? 0;
  return new TlsError(reason, code);
}
