import { dirname, join } from "node:path";
import {
  allowsUsage,
  type Certificate,
  isIssuedBy,
  parseCertificates,
  requireCurrent,
} from "./certificate.ts";
import { parsePem, type PemBlock } from "./pem.ts";
import { PkiError } from "./pki_error.ts";
import { findPrivateKey, keyMatches, type PrivateKey } from "./private_key.ts";
import { exists, looseModeNotice, readError, readSmallFile } from "./secure_file.ts";
import { joinPem, readCa, readPrivateKey } from "./server_tree.ts";

/** What a client needs for mutual TLS. */
export interface ClientCredentials {
  /** The name by which the server knows this client. */
  commonName: string;
  certPem: string;
  /** PKCS#8, PKCS#1 or SEC 1, as the file has it. */
  keyPem: string;
  caPem: string;
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

const BUNDLE_SUFFIX = ".bundle";
const LISTED_MAX = 20;

/**
 * Loads and checks the client's certificate, key and CA. `certPath` is a bundle, or `NAME.pem` with
 * `NAME-key.pem` beside it and `ca.pem` beside it, one directory up, or in `pkiDirectory`. Without
 * `certPath` it is the only `*.bundle` in `pkiDirectory`.
 * @throws {PkiError} for each thing that is wrong with a file
 */
export async function loadClientCredentials(
  pkiDirectory: string,
  certPath: string | undefined,
  now: Date,
): Promise<ClientCredentials> {
  const source = certPath ?? await findBundle(pkiDirectory);
  const blocks = parsePem(await readSmallFile(source), source);
  const keyInFile = findPrivateKey(blocks, source);
  const parts = keyInFile !== undefined || source.endsWith(BUNDLE_SUFFIX)
    ? splitBundle(blocks, keyInFile, source)
    : await gatherFiles(blocks, source, pkiDirectory);
  requireUsable(parts, now);
  const notice = await looseModeNotice(parts.key.path);
  return {
    commonName: parts.leaf.commonName,
    certPem: parts.leaf.pem,
    keyPem: parts.key.pem,
    caPem: joinPem(parts.authorities),
    notAfter: parts.leaf.notAfter,
    source,
    notices: notice === null ? [] : [notice],
  };
}

async function findBundle(directory: string): Promise<string> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(directory)) names.push(entry.name);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw readError(directory, cause);
  }
  const visible = names.filter((name) => !name.startsWith(".")).sort();
  const bundles = visible.filter((name) => name.endsWith(BUNDLE_SUFFIX));
  const [only, ...others] = bundles;
  if (only !== undefined && others.length === 0) return join(directory, only);
  if (only !== undefined) {
    throw new PkiError(
      "several bundles",
      directory,
      `Cannot choose a client certificate: ${directory} holds ${
        enumerate(bundles)
      }; say which with -cert FILE`,
    );
  }
  const pairs = visible.filter((name) =>
    name.endsWith(".pem") && visible.includes(keyFileOf(name))
  );
  const remedy = pairs.length > 0
    ? `it holds ${enumerate(pairs)}: say which with -cert FILE`
    : `make one on the server with "fluxify-server cert new NAME", copy NAME.bundle there, or say where it is with -cert FILE`;
  throw new PkiError(
    "no bundle",
    directory,
    `Cannot find a client certificate: there is no *.bundle file in ${directory}; ${remedy}`,
  );
}

function splitBundle(
  blocks: readonly PemBlock[],
  key: PrivateKey | undefined,
  path: string,
): Parts {
  const certificates = parseCertificates(blocks, path);
  const leaf = certificates.find((certificate) =>
    key === undefined ? !certificate.x509.ca : keyMatches(key, certificate)
  );
  const authorities = certificates.filter((each) => each !== leaf && each.x509.ca);
  const strangers = certificates.filter((each) => each !== leaf && !each.x509.ca);
  if (key !== undefined && leaf === undefined && strangers.length > 0) {
    throw mismatch(path, path);
  }
  const missing = [
    leaf === undefined ? "the client certificate" : null,
    key === undefined ? "the private key" : null,
    authorities.length === 0 ? "the CA certificate" : null,
  ].filter((part) => part !== null);
  if (leaf === undefined || key === undefined || missing.length > 0) {
    throw new PkiError(
      "incomplete bundle",
      path,
      `Cannot use ${path}: it lacks ${
        missing.join(" and ")
      }; copy the whole NAME.bundle from the server again`,
    );
  }
  return { leaf, key, authorities };
}

async function gatherFiles(
  blocks: readonly PemBlock[],
  path: string,
  pkiDirectory: string,
): Promise<Parts> {
  const [leaf] = parseCertificates(blocks, path);
  if (leaf === undefined) {
    const found = blocks.map((block) => block.label).join(", ");
    throw new PkiError(
      "damaged",
      path,
      `Cannot use ${path}: it holds no certificate but ${found}; name the client's certificate or bundle with -cert`,
    );
  }
  if (leaf.x509.ca) {
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
  const caPath = await findCa(path, pkiDirectory);
  return { leaf, key: await readPrivateKey(keyPath), authorities: await readCa(caPath) };
}

async function findCa(certPath: string, pkiDirectory: string): Promise<string> {
  const directory = dirname(certPath);
  const places = new Set([directory, dirname(directory), pkiDirectory]);
  const candidates = [...places].map((place) => join(place, "ca.pem"));
  for (const path of candidates) if (await exists(path)) return path;
  throw new PkiError(
    "not found",
    candidates[0]!,
    `Cannot find the CA of ${certPath}: there is no ${
      candidates.join(" nor ")
    }; copy the server's ca.pem there, or use the client's bundle`,
  );
}

function requireUsable({ leaf, key, authorities }: Parts, now: Date): void {
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
}

function mismatch(keyPath: string, certPath: string): PkiError {
  return new PkiError(
    "key mismatch",
    keyPath,
    `Cannot use ${certPath}: the key in ${keyPath} is not its key; copy certificate and key (or the bundle) from the server again`,
  );
}

/** `NAME-key.pem` for `NAME.pem`. */
function keyFileOf(certPath: string): string {
  return certPath.replace(/\.(pem|crt)$/, "") + "-key.pem";
}

function enumerate(names: string[]): string {
  const listed = names.slice(0, LISTED_MAX).join(", ");
  const more = names.length - LISTED_MAX;
  return more > 0 ? `${listed} and ${more} more` : listed;
}
