import { join } from "node:path";
import { allowsUsage, type Certificate, parseCertificates } from "./certificate.ts";
import { parsePem } from "./pem.ts";
import { PkiError } from "./pki_error.ts";
import { findPrivateKey, keyMatches } from "./private_key.ts";
import { readError, readSmallFile } from "./secure_file.ts";

export const BUNDLE_SUFFIX = ".bundle";
const CERTIFICATE_FILE = /\.(pem|crt)$/;
/** Names under which no client's certificate lies: such a file is passed over when damaged. */
const SERVER_FILE = /^(ca|server)\b/;
const LISTED_MAX = 20;
/** Far more than anybody keeps there; it bounds what is read. */
const FILES_MAX = 256;

/**
 * The file in `directory` with the only client certificate there that has its key: a bundle, a
 * file with both, or `NAME.pem` with `NAME-key.pem`. Copies of one certificate count once, and the
 * bundle is taken. Certificates of a CA or of the server do not count.
 * @throws {PkiError} "no bundle", "several bundles", "unreadable"
 */
export async function findClientCertificate(directory: string): Promise<string> {
  const names = await visibleNames(directory);
  const isBundle = (name: string) => name.endsWith(BUNDLE_SUFFIX);
  const files = [
    ...names.filter(isBundle),
    ...names.filter((name) => CERTIFICATE_FILE.test(name)),
  ];
  const seen = new Set<string>();
  const candidates: string[] = [];
  for (const name of files) {
    const hasKeyFile = names.includes(keyFileOf(name));
    const content = await contentOf(join(directory, name), hasKeyFile);
    // What cannot be read is a candidate by its name: using it says what is wrong with it.
    const isCandidate = content === "unreadable"
      ? isBundle(name) || (hasKeyFile && !SERVER_FILE.test(name))
      : content !== "other" && !seen.has(content.fingerprint);
    if (!isCandidate) continue;
    candidates.push(name);
    if (typeof content === "object") seen.add(content.fingerprint);
  }
  return join(directory, theOnly(candidates.sort(), directory));
}

/** `NAME-key.pem` for `NAME.pem`. */
export function keyFileOf(certPath: string): string {
  return certPath.replace(CERTIFICATE_FILE, "") + "-key.pem";
}

async function visibleNames(directory: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(directory)) {
      if (!name.startsWith(".")) names.push(name);
    }
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw readError(directory, cause);
  }
  return names.sort().slice(0, FILES_MAX);
}

/** "other": it holds no client certificate, or one without its key. */
async function contentOf(
  path: string,
  hasKeyFile: boolean,
): Promise<{ fingerprint: string } | "other" | "unreadable"> {
  try {
    if (!await isFileOrMissing(path)) return "other";
    const blocks = parsePem(await readSmallFile(path), path);
    const key = findPrivateKey(blocks, path);
    const isClients = (certificate: Certificate) =>
      !certificate.x509.ca && allowsUsage(certificate, "clientAuth") &&
      (key === undefined ? hasKeyFile : keyMatches(key, certificate));
    const certificate = parseCertificates(blocks, path).find(isClients);
    if (certificate !== undefined) return { fingerprint: certificate.x509.fingerprint256 };
    return path.endsWith(BUNDLE_SUFFIX) ? "unreadable" : "other";
  } catch (error) {
    if (error instanceof PkiError) return "unreadable";
    throw error;
  }
}

/** A pipe or a device would be waited for. What a link should lead to and is missing, reading tells. */
async function isFileOrMissing(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return true;
    throw readError(path, cause);
  }
}

function theOnly(candidates: readonly string[], directory: string): string {
  const [only, ...others] = candidates;
  if (only === undefined) {
    throw new PkiError(
      "no bundle",
      directory,
      `Cannot find a client certificate: there is no client certificate with its key in ${directory}; make one on the server with "fluxify-server cert new NAME", copy NAME.bundle there, or say where it is with -cert FILE`,
    );
  }
  if (others.length === 0) return only;
  throw new PkiError(
    "several bundles",
    directory,
    `Cannot choose a client certificate: ${directory} holds ${
      enumerate(candidates)
    }; say which with -cert FILE`,
  );
}

function enumerate(names: readonly string[]): string {
  const listed = names.slice(0, LISTED_MAX).join(", ");
  const more = names.length - LISTED_MAX;
  return more > 0 ? `${listed} and ${more} more` : listed;
}
