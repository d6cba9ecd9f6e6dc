import { createPrivateKey, X509Certificate } from "node:crypto";

/** PEM texts. `caPem` may hold several authorities. */
export interface ServerCredentials {
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

/**
 * Checks that the texts are what they should be and belong together: the TLS layer takes any text
 * and fails each handshake later. Throws an Error that says which of them is wrong; never shows a
 * key.
 */
export function checkServerCredentials(credentials: ServerCredentials): void {
  const authorities = splitCertificates(credentials.caPem).map((pem) =>
    readCertificate(pem, "the certificate of the authority")
  );
  if (authorities.length === 0) {
    throw new Error("Cannot use the certificate of the authority: it holds no PEM certificate");
  }
  const certificate = readCertificate(credentials.certPem, "the server certificate");
  let matches: boolean;
  try {
    matches = certificate.checkPrivateKey(createPrivateKey(credentials.keyPem));
  } catch {
    throw new Error("Cannot use the server key: it is not a private key in PEM");
  }
  if (!matches) throw new Error("Cannot use the server key: it belongs to another certificate");
  if (!authorities.some((authority) => certificate.verify(authority.publicKey))) {
    throw new Error("Cannot use the server certificate: the authority given has not signed it");
  }
}

function splitCertificates(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

function readCertificate(pem: string, what: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new Error(`Cannot use ${what}: it is not a certificate in PEM`);
  }
}
