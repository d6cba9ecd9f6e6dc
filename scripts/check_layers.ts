/**
 * Checks that imports point one way, that lib/protocol is pure, and a few habits a formatter does
 * not know. Prints each violation as `file:line: what`, and exits 1 when there is one.
 *
 *     client, server -> lib/status -> lib/net, lib/host, lib/pki, lib/cli -> lib/ffi -> lib/protocol
 */
import { join, relative, resolve, sep } from "node:path";
import { checkManifest, checkModule, type Violation } from "./check_layers/rules.ts";

const FOLDERS = ["client", "lib", "scripts", "server", "testing", "tests"];
const MODULE = /\.(?:[jt]sx?|m[jt]s)$/;

/** Checks the repository in the folder `root`. */
export function checkRepository(root: string): { files: number; violations: Violation[] } {
  const modules = FOLDERS.flatMap((folder) => walk(join(root, folder)));
  modules.push(...readFolder(root).filter((e) => e.isFile).map((e) => join(root, e.name)));
  const files = modules.filter((path) => MODULE.test(path)).sort();
  const violations = files.flatMap((path) =>
    checkModule(relative(root, path).replaceAll(sep, "/"), Deno.readTextFileSync(path))
  );
  violations.push(...checkManifest(Deno.readTextFileSync(join(root, "deno.json"))));
  return { files: files.length, violations };
}

function walk(folder: string): string[] {
  return readFolder(folder).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory ? walk(path) : entry.isFile ? [path] : [];
  });
}

function readFolder(folder: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(folder)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

if (import.meta.main) {
  const { files, violations } = checkRepository(resolve(import.meta.dirname!, ".."));
  for (const { file, line, message } of violations) console.log(`${file}:${line}: ${message}`);
  console.error(`layers: ${files} files, ${violations.length} violations`);
  if (violations.length > 0) Deno.exit(1);
}
