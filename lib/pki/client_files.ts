import { join } from "node:path";
import type { Certificate } from "./certificate.ts";
import { isStoredClientName } from "./client_name.ts";
import { PkiError } from "./pki_error.ts";
import { readError } from "./secure_file.ts";
import { readCertificates, type ServerTree } from "./server_tree.ts";

/** A certificate in `clients/`. */
interface ClientFile {
  /** The common name, which the server goes by; the file's name where there is none. */
  name: string;
  path: string;
  /** Null: the file cannot be read, or is none. */
  certificate: Certificate | null;
}

/**
 * Reads the certificates in `clients/`, sorted by name, of one name the oldest first. Other programs
 * call the file as they like: the Go server adds the time of issue (`alice-20261128-065001.pem`).
 * @throws {PkiError} "unreadable" when the folder is
 */
export async function readClientFiles(tree: ServerTree): Promise<ClientFile[]> {
  const files: ClientFile[] = [];
  for (const stem of await stems(tree.clients)) {
    const path = join(tree.clients, `${stem}.pem`);
    const certificate = await readIfGood(path);
    files.push({ name: certificate?.commonName || stem, path, certificate });
  }
  return files.sort((one, other) => compare(one.name, other.name) || startOf(one) - startOf(other));
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
