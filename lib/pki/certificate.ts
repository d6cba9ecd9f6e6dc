import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import type { PemBlock } from "./pem.ts";
import { PkiError } from "./pki_error.ts";

/** A certificate and what the rest of the program asks about it. */
export interface Certificate {
  path: string;
  pem: string;
  x509: X509Certificate;
  /** "" when the subject has none, or several. */
  commonName: string;
  /** As {@link normalizeSerial} writes it. */
  serial: string;
  notBefore: Date;
  notAfter: Date;
}

/** id-kp-serverAuth and id-kp-clientAuth, RFC 5280 section 4.2.1.12 (DER with tag and length). */
const USAGE_OIDS = {
  serverAuth: Buffer.from("06082b06010505070301", "hex"),
  clientAuth: Buffer.from("06082b06010505070302", "hex"),
};
type Usage = keyof typeof USAGE_OIDS;
/** id-ce-extKeyUsage and anyExtendedKeyUsage. */
const EXTENDED_KEY_USAGE_OID = Buffer.from("0603551d25", "hex");
const ANY_USAGE_OID = Buffer.from("0604551d2500", "hex");

/**
 * All certificates among `blocks`, in the order of the file.
 * @throws {PkiError} "damaged" when one cannot be decoded
 */
export function parseCertificates(blocks: readonly PemBlock[], path: string): Certificate[] {
  return blocks
    .filter((block) => block.label === "CERTIFICATE")
    .map((block) => parseCertificate(block.text, path));
}

/** As {@link parseCertificates}, but a file without a certificate is refused as "damaged". */
export function requireCertificates(
  blocks: readonly PemBlock[],
  path: string,
): [Certificate, ...Certificate[]] {
  const [first, ...rest] = parseCertificates(blocks, path);
  if (first !== undefined) return [first, ...rest];
  const found = blocks.map((block) => block.label).join(", ");
  throw new PkiError(
    "damaged",
    path,
    `Cannot use ${path}: it holds no certificate but ${found}; put the certificate file there`,
  );
}

/** Whether the CA `issuer` signed `certificate`. */
export function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  try {
    return certificate.x509.checkIssued(issuer.x509) &&
      certificate.x509.verify(issuer.x509.publicKey);
  } catch {
    return false;
  }
}

/**
 * Whether the extended key usage allows `usage`. A certificate without that extension may be used
 * for anything. An OID is one run of bytes in DER, so it is found without decoding the rest.
 */
export function allowsUsage(certificate: Certificate, usage: Usage): boolean {
  const der = Buffer.from(certificate.x509.raw);
  if (!der.includes(EXTENDED_KEY_USAGE_OID)) return true;
  return der.includes(USAGE_OIDS[usage]) || der.includes(ANY_USAGE_OID);
}

/**
 * Refuses a certificate outside its lifetime; `remedy` ends the sentence for an expired one.
 * @throws {PkiError} "expired" or "not yet valid"
 */
export function requireCurrent(certificate: Certificate, now: Date, remedy: string): void {
  const { path, notBefore, notAfter } = certificate;
  if (now > notAfter) {
    throw new PkiError(
      "expired",
      path,
      `Cannot use the certificate in ${path}: it expired on ${formatDate(notAfter)} and this ` +
        `machine's clock says ${formatDate(now)}; if that is right, ${remedy}`,
    );
  }
  if (now < notBefore) {
    throw new PkiError(
      "not yet valid",
      path,
      `Cannot use the certificate in ${path}: it is valid from ${
        formatDate(notBefore)
      } and this machine's clock says ${formatDate(now)}; set the clock`,
    );
  }
}

/** Upper-case hexadecimal without leading zeros, so that every source of a serial compares equal. */
export function normalizeSerial(serialHex: string): string {
  return serialHex.toUpperCase().replace(/^0+(?=.)/, "");
}

/** `2026-11-22 15:17 UTC`. */
export function formatDate(date: Date): string {
  return date.toISOString().slice(0, 16).replace("T", " ") + " UTC";
}

function parseCertificate(pem: string, path: string): Certificate {
  try {
    const x509 = new X509Certificate(pem);
    const names = x509.toLegacyObject().subject.CN as unknown;
    return {
      path,
      pem,
      x509,
      commonName: typeof names === "string" ? names : "",
      serial: normalizeSerial(x509.serialNumber),
      notBefore: new Date(x509.validFrom),
      notAfter: new Date(x509.validTo),
    };
  } catch (cause) {
    throw new PkiError(
      "damaged",
      path,
      `Cannot use ${path}: a certificate in it is damaged; copy the file again from its source`,
      { cause },
    );
  }
}
