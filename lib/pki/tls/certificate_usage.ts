import "reflect-metadata";
import { ExtendedKeyUsage, ExtendedKeyUsageExtension, X509Certificate } from "@peculiar/x509";

const USAGES = {
  server: ExtendedKeyUsage.serverAuth,
  client: ExtendedKeyUsage.clientAuth,
} as const;

/**
 * Whether a certificate says that it is for that role. TLS itself takes one that says nothing (RFC
 * 5280, section 4.2.1.12).
 */
export function isFor(certificate: X509Certificate, role: "server" | "client"): boolean {
  const usages = certificate.getExtension(ExtendedKeyUsageExtension)?.usages ?? [];
  return usages.includes(USAGES[role]);
}

/** The same of a certificate in DER. */
export function isCertificateFor(der: Uint8Array<ArrayBuffer>, role: "server" | "client"): boolean {
  return isFor(new X509Certificate(der), role);
}
