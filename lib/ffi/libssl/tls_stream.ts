import { selectedProtocol } from "./alpn.ts";
import { takeError, textAt, type TlsLibrary, tlsLibrary } from "./libssl.ts";
import { certificateOf } from "./peer_certificate.ts";
import type { TlsContext } from "./tls_context.ts";

const SSL_ERROR_WANT_READ = 2;
const SSL_ERROR_WANT_WRITE = 3;
const SSL_ERROR_SYSCALL = 5;
const SSL_ERROR_ZERO_RETURN = 6;
const SSL_CTRL_MODE = 33;
const SSL_CTRL_SET_TLSEXT_HOSTNAME = 55;
const TLSEXT_NAMETYPE_HOST_NAME = 0n;
/** A write that is tried again may be told another address of the same bytes. */
const SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 2n;
/** Connections at rest keep no buffers. */
const SSL_MODE_RELEASE_BUFFERS = 16n;
const SSL_KEY_UPDATE_REQUESTED = 1;
/** Far below what AES-GCM carries under one key (RFC 8446, section 5.5: 2^24.5 full records). */
const RECORDS_PER_KEY = 2 ** 22;
const X509_V_OK = 0;

/** A call that has to wait for the socket, or failed for good. */
const TLS_WAITS_TO_READ = 0;
export const TLS_WAITS_TO_WRITE = -1;
export const TLS_ENDED = -2;

/**
 * A TLS session on a socket of its own that does not block. What cannot be done at once says what it
 * waits for. A session that has ended stays so, and `failure` says why.
 */
export class TlsStream implements Disposable {
  /** Why it has ended, in OpenSSL's words; empty: the peer has left, or nothing has ended it. */
  failure = "";
  readonly #library: TlsLibrary;
  #ssl: Deno.PointerValue;
  #written = 0;

  private constructor(library: TlsLibrary, session: Deno.PointerValue) {
    this.#library = library;
    this.#ssl = session;
    const mode = SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS;
    library.ssl.SSL_ctrl(session, SSL_CTRL_MODE, mode, null);
  }

  /** A client's, before its handshake. `serverName` is sent unless it is empty. @throws Error */
  static connect(context: TlsContext["pointer"], fd: number, serverName: string): TlsStream {
    const library = tlsLibrary();
    const { ssl } = library;
    const session = ssl.SSL_new(context);
    if (session === null) throw new Error("Cannot start a TLS session: libssl has no memory");
    ssl.SSL_set_connect_state(session);
    if (serverName !== "") {
      const name = new TextEncoder().encode(`${serverName}\0`);
      ssl.SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_HOST_NAME, name);
    }
    const stream = new TlsStream(library, session);
    stream.useSocket(fd);
    return stream;
  }

  /**
   * One whose handshake is done, as TlsSession.release() gave it away. What its peer has sent already
   * is to be read before it uses a socket.
   */
  static adopt(session: bigint): TlsStream {
    return new TlsStream(tlsLibrary(), Deno.UnsafePointer.create(session));
  }

  /** Reads from and writes to `fd` from now on, which stays the caller's. @throws Error */
  useSocket(fd: number): void {
    if (this.#library.ssl.SSL_set_fd(this.#ssl, fd) === 1) return;
    throw new Error("Cannot start a TLS session: libssl has no memory");
  }

  /** Goes on with the handshake: 1 when it is done, else one of TLS_. */
  handshake(): number {
    const { ssl, crypto } = this.#library;
    crypto.ERR_clear_error();
    const result = ssl.SSL_do_handshake(this.#ssl);
    return result === 1 ? 1 : this.#outcome(result);
  }

  /** Hot. Bytes read, 0 or less is one of TLS_. `length` is at least what a record holds. */
  read(address: bigint, length: number): number {
    const { ssl, crypto } = this.#library;
    crypto.ERR_clear_error();
    const result = ssl.SSL_read_at(this.#ssl, address, length);
    return result > 0 ? result : this.#outcome(result);
  }

  /**
   * Hot. Bytes written, which is all of them, or one of TLS_. What waits is to be written again, all of
   * it, before anything else. At most what one record holds.
   */
  write(address: bigint, length: number): number {
    const { ssl, crypto } = this.#library;
    crypto.ERR_clear_error();
    const result = ssl.SSL_write_at(this.#ssl, address, length);
    if (result <= 0) return this.#outcome(result);
    if (++this.#written % RECORDS_PER_KEY === 0) {
      ssl.SSL_key_update(this.#ssl, SSL_KEY_UPDATE_REQUESTED);
    }
    return result;
  }

  /** The peer's certificate in DER; null when it has shown none. */
  peerCertificate(): Uint8Array<ArrayBuffer> | null {
    return certificateOf(this.#library, this.#ssl);
  }

  /** What the two sides have agreed on (ALPN); empty for nothing. */
  protocol(): string {
    return selectedProtocol(this.#library, this.#ssl);
  }

  /** Tells the peer that nothing more comes, as far as the socket takes it, and wipes the keys. */
  [Symbol.dispose](): void {
    if (this.#ssl === null) return;
    const { ssl, crypto } = this.#library;
    crypto.ERR_clear_error();
    if (this.failure === "") ssl.SSL_shutdown(this.#ssl);
    ssl.SSL_free(this.#ssl);
    this.#ssl = null;
  }

  #outcome(result: number): number {
    const { ssl, crypto } = this.#library;
    const error = ssl.SSL_get_error(this.#ssl, result);
    if (error === SSL_ERROR_WANT_READ) return TLS_WAITS_TO_READ;
    if (error === SSL_ERROR_WANT_WRITE) return TLS_WAITS_TO_WRITE;
    if (error === SSL_ERROR_ZERO_RETURN) return TLS_ENDED;
    const verifyCode = Number(ssl.SSL_get_verify_result(this.#ssl));
    const reason = takeError(this.#library);
    if (verifyCode !== X509_V_OK) {
      this.failure = textAt(crypto.X509_verify_cert_error_string(BigInt(verifyCode)));
    } else if (error !== SSL_ERROR_SYSCALL || reason !== "") {
      this.failure = reason || "unknown error";
    } else this.failure = "the connection was cut";
    return TLS_ENDED;
  }
}
