/** Whether the certificate that a server has shown is that of the server that was asked for. */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { PeerRules } from "../../lib/pki/tls/peer_rules.ts";
import {
  explainFailure,
  type Target,
  untrustedServer,
  wrongServerName,
} from "./connection_failure.ts";

/**
 * Takes a certificate in DER that the authority of the bundle has signed for the server of that name
 * or address, and for servers at all. Whoever has shown it has proved in the handshake that the key is
 * his. @throws ControlError
 */
export async function checkServer(
  der: Uint8Array<ArrayBuffer> | null,
  rules: PeerRules,
  target: Target,
): Promise<void> {
  try {
    rules.check(der);
  } catch (error) {
    throw explainFailure(error, "TLS handshake", target);
  }
  if (der === null) throw untrustedServer(target, "other authority");
  const certificate = new X509Certificate(der);
  // The certificate parser takes a tenth of a second to load: who is not answered does without it.
  const { isCertificateFor } = await import("../../lib/pki/tls/certificate_usage.ts");
  if (!isCertificateFor(der, "server")) throw untrustedServer(target, "not for servers");
  const { server } = target;
  const isFor = isIP(server) === 0 ? certificate.checkHost(server) : certificate.checkIP(server);
  if (isFor === undefined) throw wrongServerName(target, certificate.subjectAltName ?? "");
}
