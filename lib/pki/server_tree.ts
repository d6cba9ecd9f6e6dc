import { join } from "node:path";
import { Authority } from "./authority.ts";
import { type Certificate, requireCertificates } from "./certificate.ts";
import { parsePem } from "./pem.ts";
import { PkiError } from "./pki_error.ts";
import { caKeyAlgorithm, type PrivateKey, requirePrivateKey } from "./private_key.ts";
import { RevocationList } from "./revocation_list.ts";
import { exists, readSmallFile } from "./secure_file.ts";

/** Where everything lies below the PKI directory of a server. */
export interface ServerTree {
  directory: string;
  ca: string;
  caKey: string;
  server: string;
  serverKey: string;
  /** The directory with `NAME.pem`, `NAME-key.pem` and `NAME.bundle` of each client. */
  clients: string;
  /** The list that the server obeys. */
  revoked: string;
  /** The same list as an X.509 CRL, for other programs. */
  crl: string;
}

export function serverTree(directory: string): ServerTree {
  return {
    directory,
    ca: join(directory, "ca.pem"),
    caKey: join(directory, "ca-key.pem"),
    server: join(directory, "server.pem"),
    serverKey: join(directory, "server-key.pem"),
    clients: join(directory, "clients"),
    revoked: join(directory, "revoked.json"),
    crl: join(directory, "revoked.pem"),
  };
}

/** Where the three files of the client `name` lie. */
export function clientFiles(tree: ServerTree, name: string) {
  return {
    cert: join(tree.clients, `${name}.pem`),
    key: join(tree.clients, `${name}-key.pem`),
    bundle: join(tree.clients, `${name}.bundle`),
  };
}

/**
 * Reads `ca.pem`. More CA certificates may follow the first one, which is the one that issues.
 * @throws {PkiError} "wrong usage" when it is not a CA's, "unsupported key", and what reading a
 * certificate throws
 */
export async function readCa(path: string): Promise<[Certificate, ...Certificate[]]> {
  const certificates = await readCertificates(path);
  for (const { x509, commonName } of certificates) {
    if (!x509.ca) {
      throw new PkiError(
        "wrong usage",
        path,
        `Cannot use ${path} as CA: the certificate of ${
          JSON.stringify(commonName)
        } in it is not a CA's; put the CA certificate there`,
      );
    }
    if (caKeyAlgorithm(x509.publicKey) === null) {
      throw new PkiError(
        "unsupported key",
        path,
        `Cannot use ${path} as CA: its key is neither RSA nor ECDSA P-256 or P-384; "fluxify-server -regen" makes a new CA, and every client needs a new bundle`,
      );
    }
  }
  return certificates;
}

export async function readCertificates(path: string): Promise<[Certificate, ...Certificate[]]> {
  return requireCertificates(parsePem(await readSmallFile(path), path), path);
}

/** The first certificate of the file, or null when there is no file. */
export async function readCertificateIfPresent(path: string): Promise<Certificate | null> {
  if (!await exists(path)) return null;
  return (await readCertificates(path))[0];
}

export async function readPrivateKey(path: string): Promise<PrivateKey> {
  return requirePrivateKey(parsePem(await readSmallFile(path), path), path);
}

/**
 * Takes up the CA with its key, which is in memory only while something is issued.
 * @throws {PkiError} "no CA key", and what {@link Authority.load} throws
 */
export async function loadAuthority(tree: ServerTree, now: Date): Promise<Authority> {
  if (!await exists(tree.caKey)) {
    throw new PkiError(
      "no CA key",
      tree.caKey,
      `Cannot issue certificates: ${tree.caKey} is missing; put the key of this CA there (mode 0600), or "fluxify-server -regen" makes a new CA`,
    );
  }
  const [ca] = await readCa(tree.ca);
  return await Authority.load(ca, await readPrivateKey(tree.caKey), now);
}

/**
 * Opens the tree's list of revocations. A CRL without the list means that the list was lost: going
 * on would let every revoked client in again.
 * @throws {PkiError} "not found", and what {@link RevocationList.open} throws
 */
export async function openRevocations({ revoked, crl }: ServerTree): Promise<RevocationList> {
  if (await exists(crl) && !await exists(revoked)) {
    throw new PkiError(
      "not found",
      revoked,
      `Cannot tell which certificates are revoked: ${revoked} is missing, though there is ${crl}; restore it from a backup, or remove ${crl} too if nothing was revoked`,
    );
  }
  return RevocationList.open(revoked);
}

export function joinPem(certificates: readonly Certificate[]): string {
  return certificates.map((certificate) => certificate.pem).join("");
}
