import { selectedProtocol } from "./alpn.ts";
import { takeError, textAt, type TlsLibrary } from "./libssl.ts";
import { certificateOf } from "./peer_certificate.ts";
import type { TlsContext } from "./tls_context.ts";

const SSL_ERROR_NONE = 0;
const SSL_ERROR_SSL = 1;
const SSL_ERROR_WANT_READ = 2;
const SSL_ERROR_ZERO_RETURN = 6;
const SSL_CTRL_SET_TLSEXT_HOSTNAME = 55;
const TLSEXT_NAMETYPE_HOST_NAME = 0n;
const X509_V_OK = 0;
const RECORD_BYTES_MAX = 16 * 1024 + 512;

/** TLS failed: the peer, or what is between, does not keep to it, or the certificate is not taken. */
export class TlsError extends Error {
  override readonly name = "TlsError";
  constructor(
    /** In OpenSSL's words: "certificate has expired", "wrong version number". */
    readonly reason: string,
    /** X509_V_ERR of <openssl/x509_vfy.h> when the peer's certificate was refused here, else 0. */
    readonly verifyCode: number,
  ) {
    super(`Cannot go on with TLS: ${reason}`);
  }
}

/**
 * One side of a TLS connection (SSL), without a socket: what the peer sent goes in by `receive`, what
 * it shall get comes out by `takeOutput` and must be sent after every call, also one that threw: it
 * may hold the alert that tells the peer why. Holds the bytes of one record and of the handshake at
 * most, as long as the caller reads what it receives.
 */
export class TlsSession implements Disposable {
  readonly #library: TlsLibrary;
  readonly #input: Deno.PointerValue;
  readonly #output: Deno.PointerValue;
  #ssl: Deno.PointerValue;

  /**
   * `serverName` is sent by a client, when the server has a name (RFC 6066, section 3).
   * @throws Error when libssl has no memory.
   */
  constructor(context: TlsContext, serverName = "") {
    const { ssl, crypto } = this.#library = context.library;
    this.#ssl = ssl.SSL_new(context.pointer);
    this.#input = crypto.BIO_new(crypto.BIO_s_mem());
    this.#output = crypto.BIO_new(crypto.BIO_s_mem());
    if (this.#ssl === null || this.#input === null || this.#output === null) {
      if (this.#ssl !== null) ssl.SSL_free(this.#ssl);
      for (const bio of [this.#input, this.#output]) if (bio !== null) crypto.BIO_free(bio);
      throw new Error("Cannot start a TLS session: libssl has no memory");
    }
    // From here on freeing the session frees both.
    ssl.SSL_set_bio(this.#ssl, this.#input, this.#output);
    if (context.role === "server") ssl.SSL_set_accept_state(this.#ssl);
    else ssl.SSL_set_connect_state(this.#ssl);
    if (serverName !== "") {
      const name = new TextEncoder().encode(`${serverName}\0`);
      const type = TLSEXT_NAMETYPE_HOST_NAME;
      ssl.SSL_ctrl(this.#ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, type, name);
    }
  }

  /** Takes bytes of the peer. */
  receive(bytes: Uint8Array<ArrayBuffer>): void {
    this.#begin();
    this.#library.crypto.BIO_write(this.#input, bytes, bytes.byteLength);
  }

  /** What is to be sent to the peer; null for nothing. */
  takeOutput(): Uint8Array<ArrayBuffer> | null {
    this.#begin();
    const { crypto } = this.#library;
    const length = Number(crypto.BIO_ctrl_pending(this.#output));
    if (length === 0) return null;
    const bytes = new Uint8Array(length);
    crypto.BIO_read(this.#output, bytes, length);
    return bytes;
  }

  /** Goes on with the handshake. Says whether it is done. @throws TlsError. */
  handshake(): boolean {
    const { ssl } = this.#begin();
    const result = ssl.SSL_do_handshake(this.#ssl);
    if (result === 1) return true;
    const error = ssl.SSL_get_error(this.#ssl, result);
    if (error === SSL_ERROR_WANT_READ) return false;
    throw this.#failure(error);
  }

  /** The next bytes of the peer's message; "later" when they have not come, "end" after the last. @throws TlsError. */
  read(): Uint8Array<ArrayBuffer> | "later" | "end" {
    const { ssl } = this.#begin();
    const buffer = new Uint8Array(RECORD_BYTES_MAX);
    const length = ssl.SSL_read(this.#ssl, buffer, buffer.byteLength);
    if (length > 0) return buffer.subarray(0, length);
    const error = ssl.SSL_get_error(this.#ssl, length);
    if (error === SSL_ERROR_WANT_READ) return "later";
    if (error === SSL_ERROR_ZERO_RETURN) return "end";
    throw this.#failure(error);
  }

  /** @throws TlsError. */
  write(bytes: Uint8Array<ArrayBuffer>): void {
    const { ssl } = this.#begin();
    if (bytes.byteLength === 0) return;
    const result = ssl.SSL_write(this.#ssl, bytes, bytes.byteLength);
    if (result > 0) return;
    throw this.#failure(ssl.SSL_get_error(this.#ssl, result));
  }

  /** Tells the peer that nothing more will be written; what it writes can still be read. */
  endWriting(): void {
    this.#begin().ssl.SSL_shutdown(this.#ssl);
  }

  /** The peer's certificate in DER; null when it has shown none. */
  peerCertificate(): Uint8Array<ArrayBuffer> | null {
    return certificateOf(this.#begin(), this.#ssl);
  }

  /** Version and cipher of a handshake that is done: `TLSv1.3 TLS_AES_256_GCM_SHA384`. */
  negotiated(): string {
    const { ssl } = this.#begin();
    const cipher = ssl.SSL_get_current_cipher(this.#ssl);
    const name = cipher === null ? "" : textAt(ssl.SSL_CIPHER_get_name(cipher));
    return `${textAt(ssl.SSL_get_version(this.#ssl))} ${name}`.trim();
  }

  /** What the two sides have agreed on (ALPN), in a handshake that is done; empty for nothing. */
  protocol(): string {
    this.#begin();
    return selectedProtocol(this.#library, this.#ssl);
  }

  /**
   * Gives the session away: its address, for a TlsStream of any thread of this process, which has to
   * free it. Nothing can be done with it here any more.
   */
  release(): bigint {
    this.#begin();
    const address = BigInt(Deno.UnsafePointer.value(this.#ssl));
    this.#ssl = null;
    return address;
  }

  /** Wipes the keys. */
  [Symbol.dispose](): void {
    if (this.#ssl !== null) this.#library.ssl.SSL_free(this.#ssl);
    this.#ssl = null;
  }

  /** Before each call: the queue of errors holds those of this one alone. */
  #begin(): TlsLibrary {
    if (this.#ssl === null) throw new Error("Cannot use a TLS session that was freed");
    this.#library.crypto.ERR_clear_error();
    return this.#library;
  }

  #failure(error: number): TlsError {
    const { ssl, crypto } = this.#library;
    const verifyCode = Number(ssl.SSL_get_verify_result(this.#ssl));
    const reason = takeError(this.#library);
    if (verifyCode !== X509_V_OK && /certificate verify failed/.test(reason)) {
      const words = textAt(crypto.X509_verify_cert_error_string(BigInt(verifyCode)));
      return new TlsError(words, verifyCode);
    }
    if (error === SSL_ERROR_SSL || error === SSL_ERROR_NONE) {
      return new TlsError(reason || "unknown error", 0);
    }
    return new TlsError(reason || "the connection ended in the middle", 0);
  }
}
