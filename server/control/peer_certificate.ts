import { Buffer } from "node:buffer";
import "reflect-metadata";
import { X509Certificate } from "@peculiar/x509";
import { isFor } from "../../lib/pki/tls/certificate_usage.ts";

/**
 * What a client's certificate says about the client, read after TLS has verified its chain, dates
 * and signature.
 */
export interface PeerIdentity {
  /** The client's name in everything the server keeps. */
  readonly commonName: string;
  /** Lower-case hex, two digits a byte, without leading zero bytes. */
  readonly serialHex: string;
  /** When the certificate ends, in milliseconds since 1970. */
  readonly notAfterMs: number;
}

/** ub-common-name of RFC 5280, appendix A.1; the characters are safe in logs and in file names. */
const COMMON_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9 ._@-]{0,62}[A-Za-z0-9._@-])?$/;

/**
 * Reads the identity from a DER certificate. Returns a sentence that says why it names no client
 * when it has no CN, several CNs, a CN with other characters, or lacks the clientAuth usage, which
 * TLS lets pass when the certificate has no extended key usage at all.
 */
export function readPeerIdentity(der: Uint8Array): PeerIdentity | { readonly problem: string } {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(new Uint8Array(der));
  } catch {
    return { problem: "the certificate cannot be read" };
  }
  const names = certificate.subjectName.getField("CN");
  const [commonName] = names;
  if (commonName === undefined) return { problem: "the certificate has no common name (CN)" };
  if (names.length > 1) return { problem: "the certificate has more than one common name (CN)" };
  if (!COMMON_NAME.test(commonName)) {
    return {
      problem: "the common name (CN) of the certificate may hold only 1 to 64 letters, digits, " +
        "spaces and . _ @ -, must start with a letter, a digit or _ and not end with a space",
    };
  }
  if (!isFor(certificate, "client")) {
    return { problem: "the certificate lacks the extended key usage clientAuth" };
  }
  return {
    commonName,
    serialHex: normalSerialHex(certificate.serialNumber),
    notAfterMs: certificate.notAfter.getTime(),
  };
}

function normalSerialHex(hex: string): string {
  const even = hex.length % 2 === 0 ? hex : `0${hex}`;
  const bytes = Buffer.from(even, "hex");
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  return bytes.subarray(start).toString("hex");
}
