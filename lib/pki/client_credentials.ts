import { dirname, join } from "node:path";
import {
  allowsUsage,
  type Certificate,
  isIssuedBy,
  parseCertificates,
  requireCurrent,
} from "./certificate.ts";
import { BUNDLE_SUFFIX, findClientCertificate, keyFileOf } from "./client_candidates.ts";
import { parsePem, type PemBlock } from "./pem.ts";
import { PkiError } from "./pki_error.ts";
import { findPrivateKey, keyMatches, type PrivateKey } from "./private_key.ts";
import { exists, looseModeNotice, readSmallFile } from "./secure_file.ts";
import { joinPem, readCa, readPrivateKey } from "./server_tree.ts";

/** What a client needs for mutual TLS. */
export interface ClientCredentials {
  /** The name by which the server knows this client. */
  commonName: string;
  certPem: string;
  /** PKCS#8, PKCS#1 or SEC 1, as the file has it. */
  keyPem: string;
  caPem: string;
  /** The common name of the authority that issued the certificate; "" when it has none. */
  caName: string;
  notAfter: Date;
  /** The file that the certificate came from. */
  source: string;
  /** Sentences for the operator, for example that others may read the key. */
  notices: string[];
}

interface Parts {
  leaf: Certificate;
  key: PrivateKey;
  authorities: Certificate[];
}

/**
 * Loads and checks the client's certificate, key and CA. `certPath` is a bundle of any order, or a
 * certificate whose key is in the file or in `NAME-key.pem` beside it, and whose CA is in the file
 * or in `ca.pem` beside it, one directory up, or in `pkiDirectory`. Without `certPath` it is the
 * only one in `pkiDirectory`.
 * @throws {PkiError} for each thing that is wrong with a file
 */
export async function loadClientCredentials(
  pkiDirectory: string,
  certPath: string | undefined,
  now: Date,
): Promise<ClientCredentials> {
  const source = certPath ?? await findClientCertificate(pkiDirectory);
  const blocks = parsePem(await readSmallFile(source), source);
  const keyInFile = findPrivateKey(blocks, source);
  const parts = keyInFile !== undefined || source.endsWith(BUNDLE_SUFFIX)
    ? await splitBundle(blocks, keyInFile, source, pkiDirectory)
    : await gatherFiles(blocks, source, pkiDirectory);
  const issuer = requireUsable(parts, now);
  const notice = await looseModeNotice(parts.key.path);
  return {
    commonName: parts.leaf.commonName,
    certPem: parts.leaf.pem,
    keyPem: parts.key.pem,
    caPem: joinPem(parts.authorities),
    caName: issuer.commonName,
    notAfter: parts.leaf.notAfter,
    source,
    notices: notice === null ? [] : [notice],
  };
}

/** `key` is the one in the file. */
async function splitBundle(
  blocks: readonly PemBlock[],
  key: PrivateKey | undefined,
  path: string,
  pkiDirectory: string,
): Promise<Parts> {
  const certificates = parseCertificates(blocks, path);
  const leaf = certificates.find((certificate) =>
    key === undefined ? !certificate.x509.ca : keyMatches(key, certificate)
  );
  const others = certificates.filter((each) => each !== leaf);
  if (key !== undefined && leaf === undefined && others.some((each) => !each.x509.ca)) {
    throw mismatch(path, path);
  }
  const inFile = others.filter((each) => each.x509.ca);
  const places = caPlaces(path, pkiDirectory);
  const caPath = inFile.length > 0 ? path : await firstPresent(places);
  const missing = [
    leaf === undefined ? "the client certificate" : null,
    key === undefined ? "the private key" : null,
    caPath === null ? `the CA certificate, and there is no ${places.join(" nor ")}` : null,
  ].filter((part) => part !== null);
  if (leaf === undefined || key === undefined || caPath === null) {
    throw new PkiError(
      "incomplete bundle",
      path,
      `Cannot use ${path}: it lacks ${
        missing.join(" and ")
      }; copy the whole NAME.bundle from the server again`,
    );
  }
  return { leaf, key, authorities: inFile.length > 0 ? inFile : await readCa(caPath) };
}

async function gatherFiles(
  blocks: readonly PemBlock[],
  path: string,
  pkiDirectory: string,
): Promise<Parts> {
  const certificates = parseCertificates(blocks, path);
  const leaf = certificates.find((each) => !each.x509.ca);
  if (certificates.length === 0) {
    const found = blocks.map((block) => block.label).join(", ");
    throw new PkiError(
      "damaged",
      path,
      `Cannot use ${path}: it holds no certificate but ${found}; name the client's certificate or bundle with -cert`,
    );
  }
  if (leaf === undefined) {
    throw new PkiError(
      "wrong usage",
      path,
      `Cannot use ${path}: it is the certificate of a CA; name the client's certificate or bundle with -cert`,
    );
  }
  const keyPath = keyFileOf(path);
  if (!await exists(keyPath)) {
    throw new PkiError(
      "not found",
      keyPath,
      `Cannot find the key of ${path}: there is no ${keyPath}; copy it there, or use the client's bundle`,
    );
  }
  const inFile = certificates.filter((each) => each.x509.ca);
  const authorities = inFile.length > 0 ? inFile : await readCa(await findCa(path, pkiDirectory));
  return { leaf, key: await readPrivateKey(keyPath), authorities };
}

/** Where `ca.pem` may lie for the certificate in `certPath`. */
function caPlaces(certPath: string, pkiDirectory: string): string[] {
  const directory = dirname(certPath);
  return [...new Set([directory, dirname(directory), pkiDirectory])]
    .map((place) => join(place, "ca.pem"));
}

async function firstPresent(paths: readonly string[]): Promise<string | null> {
  for (const path of paths) if (await exists(path)) return path;
  return null;
}

async function findCa(certPath: string, pkiDirectory: string): Promise<string> {
  const places = caPlaces(certPath, pkiDirectory);
  const found = await firstPresent(places);
  if (found !== null) return found;
  throw new PkiError(
    "not found",
    places[0]!,
    `Cannot find the CA of ${certPath}: there is no ${
      places.join(" nor ")
    }; copy the server's ca.pem there, or use the client's bundle`,
  );
}

/** Returns the authority that issued the certificate. */
function requireUsable({ leaf, key, authorities }: Parts, now: Date): Certificate {
  const { path, commonName } = leaf;
  if (!keyMatches(key, leaf)) throw mismatch(key.path, path);
  const issuer = authorities.find((authority) => isIssuedBy(leaf, authority));
  if (issuer === undefined) {
    throw new PkiError(
      "foreign CA",
      path,
      `Cannot use ${path}: it was not issued by the CA in ${
        authorities[0]!.path
      }; copy certificate, key and ca.pem (or the bundle) of one server again`,
    );
  }
  if (commonName === "" || !allowsUsage(leaf, "clientAuth")) {
    const what = commonName === ""
      ? "names no client (no common name)"
      : "is not meant for clients (no clientAuth usage)";
    throw new PkiError(
      "wrong usage",
      path,
      `Cannot use ${path}: the certificate ${what}; make one with "fluxify-server cert new NAME"`,
    );
  }
  requireCurrent(
    leaf,
    now,
    `on the server run "fluxify-server cert revoke ${commonName}" and "fluxify-server cert new ${commonName}", then copy the new bundle here`,
  );
  requireCurrent(
    issuer,
    now,
    `the server needs a new CA ("fluxify-server -regen") and this client a new bundle`,
  );
  return issuer;
}

function mismatch(keyPath: string, certPath: string): PkiError {
  return new PkiError(
    "key mismatch",
    keyPath,
    `Cannot use ${certPath}: the key in ${keyPath} is not its key; copy certificate and key (or the bundle) from the server again`,
  );
}
