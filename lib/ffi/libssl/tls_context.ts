import { offeredProtocols, protocolSelection } from "./alpn.ts";
import { takeError, type TlsLibrary, tlsLibrary } from "./libssl.ts";

const SSL_CTRL_SET_SESS_CACHE_MODE = 44;
const SSL_CTRL_SET_MIN_PROTO_VERSION = 123;
const SSL_SESS_CACHE_OFF = 0n;
const TLS1_3_VERSION = 0x0304n;
const SSL_OP_NO_TICKET = 1n << 14n;
const SSL_VERIFY_PEER = 1;
const SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2;
/** Certificates between the peer's and the authority's. */
const INTERMEDIATES_MAX = 0;

/** PEM texts. `caPem` may hold several authorities. */
interface TlsCredentials {
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

/**
 * What the sessions of one side have in common (SSL_CTX): TLS 1.3 alone, an own certificate, and the
 * authorities that must have signed the peer's directly. Without session tickets and cache: each
 * connection shows its certificate. OpenSSL checks the peer's chain, dates and usage.
 *
 * Sessions keep what they need of a context that is freed.
 */
export class TlsContext implements Disposable {
  readonly library: TlsLibrary;
  readonly role: "server" | "client";
  #pointer: Deno.PointerValue;

  /**
   * @param protocol of the application (ALPN, RFC 7301): a client asks for it, a server agrees to it
   * where it is asked for; what asks for none is served all the same. Empty: none is agreed on.
   * @throws Error when the credentials cannot be used; never shows a key.
   */
  constructor(
    role: "server" | "client",
    { caPem, certPem, keyPem }: TlsCredentials,
    protocol = "",
  ) {
    this.role = role;
    const library = this.library = tlsLibrary();
    const { ssl, crypto } = library;
    crypto.ERR_clear_error();
    const method = role === "server" ? ssl.TLS_server_method() : ssl.TLS_client_method();
    this.#pointer = ssl.SSL_CTX_new(method);
    if (this.#pointer === null) throw new Error("Cannot start TLS: libssl has no memory");
    try {
      ssl.SSL_CTX_ctrl(this.#pointer, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_3_VERSION, null);
      ssl.SSL_CTX_ctrl(this.#pointer, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, null);
      ssl.SSL_CTX_set_options(this.#pointer, SSL_OP_NO_TICKET);
      ssl.SSL_CTX_set_num_tickets(this.#pointer, 0n);
      const mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
      ssl.SSL_CTX_set_verify(this.#pointer, mode, null);
      ssl.SSL_CTX_set_verify_depth(this.#pointer, INTERMEDIATES_MAX);
      this.#trust(caPem);
      this.#present(certPem, keyPem);
      if (protocol !== "") this.#agreeOn(protocol);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** @throws Error after it was freed. */
  get pointer(): Deno.PointerValue {
    if (this.#pointer === null) throw new Error("Cannot use a TLS context that was freed");
    return this.#pointer;
  }

  [Symbol.dispose](): void {
    if (this.#pointer !== null) this.library.ssl.SSL_CTX_free(this.#pointer);
    this.#pointer = null;
  }

  #agreeOn(protocol: string): void {
    const { ssl } = this.library;
    if (this.role === "server") {
      ssl.SSL_CTX_set_alpn_select_cb(this.#pointer, protocolSelection(protocol), null);
      return;
    }
    const offered = offeredProtocols(protocol);
    if (ssl.SSL_CTX_set_alpn_protos(this.#pointer, offered, offered.length) !== 0) {
      throw new Error("Cannot start TLS: libssl refuses the name of a protocol");
    }
  }

  #trust(caPem: string): void {
    const { ssl, crypto } = this.library;
    const store = ssl.SSL_CTX_get_cert_store(this.#pointer);
    let count = 0;
    for (const pem of certificatesIn(caPem)) {
      const certificate = this.#read(pem, "PEM_read_bio_X509", "the certificate of the authority");
      const isAdded = crypto.X509_STORE_add_cert(store, certificate) === 1 &&
        (this.role === "client" || ssl.SSL_CTX_add_client_CA(this.#pointer, certificate) === 1);
      crypto.X509_free(certificate);
      if (!isAdded) throw unusable("the certificate of the authority", takeError(this.library));
      count++;
    }
    if (count === 0) throw unusable("the certificate of the authority", "it holds none in PEM");
  }

  #present(certPem: string, keyPem: string): void {
    const { ssl, crypto } = this.library;
    const certificate = this.#read(certPem, "PEM_read_bio_X509", "the certificate");
    const isUsed = ssl.SSL_CTX_use_certificate(this.#pointer, certificate) === 1;
    crypto.X509_free(certificate);
    if (!isUsed) throw unusable("the certificate", takeError(this.library));
    const key = this.#read(keyPem, "PEM_read_bio_PrivateKey", "the private key");
    const fits = ssl.SSL_CTX_use_PrivateKey(this.#pointer, key) === 1 &&
      ssl.SSL_CTX_check_private_key(this.#pointer) === 1;
    crypto.EVP_PKEY_free(key);
    if (!fits) throw unusable("the private key", "it belongs to another certificate");
  }

  #read(
    pem: string,
    how: "PEM_read_bio_X509" | "PEM_read_bio_PrivateKey",
    what: string,
  ): Deno.PointerValue {
    const { crypto } = this.library;
    const bio = crypto.BIO_new(crypto.BIO_s_mem());
    if (bio === null) throw new Error("Cannot start TLS: libcrypto has no memory");
    const bytes = new TextEncoder().encode(pem);
    try {
      crypto.BIO_write(bio, bytes, bytes.byteLength);
      // An empty pass phrase, so that OpenSSL never asks for one on the terminal.
      const object = crypto[how](bio, null, null, new Uint8Array(1));
      if (object === null) throw unusable(what, takeError(this.library));
      return object;
    } finally {
      bytes.fill(0);
      crypto.BIO_free(bio);
    }
  }
}

function certificatesIn(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

function unusable(what: string, reason: string): Error {
  return new Error(`Cannot use ${what} for TLS: ${reason || "it is damaged"}`);
}
