/** The authority and the server's certificate as people are told of them. */
import { readCa, readCertificates, serverTree } from "../../lib/pki/server_tree.ts";

interface CertificateFacts {
  readonly path: string;
  readonly commonName: string;
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface AuthorityFacts {
  readonly ca: CertificateFacts;
  /** `names`: what clients may call the server by. */
  readonly server: CertificateFacts & { readonly names: readonly string[] };
}

/** @throws {PkiError} for what cannot be read */
export async function readAuthority(directory: string): Promise<AuthorityFacts> {
  const tree = serverTree(directory);
  const [ca] = await readCa(tree.ca);
  const [server] = await readCertificates(tree.server);
  const names = (server.x509.subjectAltName ?? "").split(", ")
    .map((name) => name.replace(/^(DNS|IP Address):/, "")).filter(Boolean);
  return { ca: factsOf(ca), server: { ...factsOf(server), names } };
}

function factsOf(
  { path, commonName, serial, notBefore, notAfter }: CertificateFacts,
): CertificateFacts {
  return { path, commonName, serial, notBefore, notAfter };
}
