import { join } from "node:path";
import { exists } from "./secure_file.ts";

/** Where a server's authority lies when nobody says so: the first of them that holds one. */
export const PKI_FOLDERS = ["./pki", "/etc/fluxify/pki"] as const;

/**
 * The first of `folders` with a CA, or the first when none has one. Only root's programs look into
 * those of the system.
 */
export async function findPkiFolder(folders: readonly [string, ...string[]]): Promise<string> {
  for (const folder of folders) if (await exists(join(folder, "ca.pem"))) return folder;
  return folders[0];
}

/** The folders that a program of this user looks into. */
export function pkiFoldersFor(uid: number | null): readonly [string, ...string[]] {
  return uid === 0 ? PKI_FOLDERS : [PKI_FOLDERS[0]];
}
