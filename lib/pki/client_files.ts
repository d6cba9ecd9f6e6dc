import { join } from "node:path";
import { BACKDATE_MS } from "./authority.ts";
import type { Certificate } from "./certificate.ts";
import { isStoredClientName } from "./client_name.ts";
import { PkiError } from "./pki_error.ts";
import { exists, readError } from "./secure_file.ts";
import { clientFiles, readCertificates, type ServerTree } from "./server_tree.ts";

/** A certificate in `clients/`. */
interface ClientFile {
  /** The common name, which the server goes by; the file's name where there is none. */
  name: string;
  path: string;
  /** Null: the file cannot be read, or is none. */
  certificate: Certificate | null;
  /** When the certificate was made, see {@link createdAt}; null without one. */
  createdAt: Date | null;
}

/** Of a copy that tells when it was made: `alice-20261128-065001`. */
const STAMPED = /^(.+)-\d{8}-\d{6}$/;

/** Where a copy of the certificate lies that was made for `name` at `now`, in UTC. */
export function stampedPath(tree: ServerTree, name: string, now: Date): string {
  const [day, time] = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").split("T");
  return join(tree.clients, `${name}-${day}-${time}.pem`);
}

/** The copies of `certificate` that were kept of the client `name`. */
export async function stampedCopies(
  tree: ServerTree,
  name: string,
  certificate: Certificate,
): Promise<string[]> {
  const copies: string[] = [];
  for (const stem of await stems(tree.clients)) {
    if (STAMPED.exec(stem)?.[1] !== name) continue;
    const path = join(tree.clients, `${stem}.pem`);
    const found = await readIfGood(path);
    if (found?.x509.fingerprint256 === certificate.x509.fingerprint256) copies.push(path);
  }
  return copies;
}

/**
 * The files that are there of all certificates of the client `name`: of each certificate its key and
 * bundle, and then the certificate. Where no certificate has that name, those whose file has it.
 */
export async function filesOfClient(tree: ServerTree, name: string): Promise<string[]> {
  const own: string[] = [];
  for (const stem of await stems(tree.clients)) {
    const certificate = await readIfGood(clientFiles(tree, stem).cert);
    if ((certificate?.commonName || stem) === name) own.push(stem);
  }
  const files: string[] = [];
  for (const stem of own.length === 0 ? [name] : own) {
    const { cert, key, bundle } = clientFiles(tree, stem);
    // The certificate last: what was begun can be done again while it is there.
    for (const path of [key, bundle, cert]) if (await exists(path)) files.push(path);
  }
  return files;
}

/**
 * When a certificate was made. Ours are valid from an hour before, so that a client whose clock is
 * behind may use them at once; those of other programs need not be, and then the file tells.
 */
export async function createdAt({ path, notBefore }: Certificate): Promise<Date> {
  const latest = notBefore.getTime() + BACKDATE_MS;
  // A file that has gone since it was read tells nothing more.
  const written = (await Deno.stat(path).catch(() => null))?.mtime?.getTime() ?? latest;
  return new Date(Math.max(notBefore.getTime(), Math.min(latest, written)));
}

/**
 * Reads the certificates in `clients/`, sorted by name, of one name the oldest first, a certificate
 * that lies there several times once. Other programs call the file as they like: the Go server adds
 * the time of issue (`alice-20261128-065001.pem`), as we do for a copy.
 * @throws {PkiError} "unreadable" when the folder is
 */
export async function readClientFiles(tree: ServerTree): Promise<ClientFile[]> {
  const files = new Map<string, ClientFile>();
  for (const stem of await stems(tree.clients)) {
    const path = join(tree.clients, `${stem}.pem`);
    const certificate = await readIfGood(path);
    const name = certificate?.commonName || stem;
    const identity = certificate?.x509.fingerprint256 ?? path;
    if (files.has(identity) && stem !== name) continue;
    const created = certificate === null ? null : await createdAt(certificate);
    files.set(identity, { name, path, certificate, createdAt: created });
  }
  return [...files.values()].sort((one, other) =>
    compare(one.name, other.name) || startOf(one) - startOf(other)
  );
}

async function stems(directory: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir(directory)) {
      const stem = entry.name.replace(/\.pem$/, "");
      if (stem !== entry.name && isStoredClientName(stem)) found.push(stem);
    }
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw readError(directory, cause);
  }
  return found.sort();
}

async function readIfGood(path: string): Promise<Certificate | null> {
  try {
    return (await readCertificates(path))[0];
  } catch (error) {
    if (error instanceof PkiError) return null;
    throw error;
  }
}

function startOf({ certificate }: ClientFile): number {
  return certificate?.notBefore.getTime() ?? 0;
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
