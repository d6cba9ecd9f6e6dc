import { X509Certificate } from "node:crypto";
import { TlsError } from "../../ffi/libssl/tls_session.ts";

/** X509_V_ERR of <openssl/x509_vfy.h>. */
const NOT_YET_VALID = 9;
const EXPIRED = 10;
const NO_ISSUER = 20;

/** What every peer's certificate must be, whatever has carried out the handshake. */
export class PeerRules {
  readonly #authorities: readonly X509Certificate[];
  readonly #nowMs: () => number;

  /** @param caPem one or more certificates in PEM. @throws Error for anything else. */
  constructor(caPem: string, nowMs: () => number = Date.now) {
    const texts = caPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    this.#authorities = texts.map((pem) => new X509Certificate(pem));
    this.#nowMs = nowMs;
  }

  /**
   * Takes a certificate in DER that one of the authorities has signed itself, while both are valid.
   * Who has shown it has proved in the handshake that the key is his. @throws TlsError.
   */
  check(der: Uint8Array<ArrayBuffer> | null): void {
    if (der === null) throw new TlsError("peer did not return a certificate", 0);
    const certificate = new X509Certificate(der);
    const authority = this.#authorities.find((one) =>
      certificate.checkIssued(one) && certificate.verify(one.publicKey)
    );
    if (authority === undefined) throw new TlsError("unable to get issuer certificate", NO_ISSUER);
    for (const one of [certificate, authority]) this.#checkDates(one);
  }

  #checkDates({ validFrom, validTo }: X509Certificate): void {
    const nowMs = this.#nowMs();
    if (!(nowMs >= Date.parse(validFrom))) {
      throw new TlsError("certificate is not yet valid", NOT_YET_VALID);
    }
    if (!(nowMs <= Date.parse(validTo))) throw new TlsError("certificate has expired", EXPIRED);
  }
}
