/**
 * A program as one executable file without a compiled-in runtime: a POSIX shell header, then the
 * Deno binary and the program, each packed by gzip. The first start unpacks them into folders named
 * by their digests, later ones find them there, and either becomes the program by `exec`: arguments,
 * terminal, signals and exit code are the program's own. Programs packed around the same Deno binary
 * share one unpacked copy, under the name of each, by which `pidof` finds it.
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { headerText, type LauncherContent } from "./launcher_header.ts";

/** A file inside the launcher. */
export interface PackedFile {
  packed: Uint8Array;
  /** Length of what comes out, and its SHA-256 in hex. */
  plainBytes: number;
  digest: string;
}

interface LauncherParts {
  /** Name of the program, for messages and the folder. */
  name: string;
  /** All programs that are built around this runtime, `name` among them. */
  names: readonly string[];
  /** The Deno binary. */
  runtime: PackedFile;
  /** One JavaScript module with everything it needs. */
  program: PackedFile;
  /** Arguments of the runtime in front of the program's file, `run` first. */
  runtimeArguments: readonly string[];
  /** Set in the program's environment: `NAME=value`, what it is to know of how it was built. */
  build: string;
}

const NAME = /^[a-z][a-z0-9-]{0,63}$/;

/** Packs a file; `level` is gzip's, 9 for what is shipped. */
export function packFile(plain: Uint8Array, level: number): PackedFile {
  return {
    packed: gzipSync(plain, { level }),
    plainBytes: plain.byteLength,
    digest: sha256(plain),
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function contentOf(file: PackedFile): LauncherContent["runtime"] {
  return { ...file, packedBytes: file.packed.byteLength, packedDigest: sha256(file.packed) };
}

/** The bytes of the executable file. Throws RangeError for a name that is none. */
export function buildLauncher(parts: LauncherParts): Uint8Array {
  const wrong = [parts.name, ...parts.names].find((name) => !NAME.test(name));
  if (wrong !== undefined) throw new RangeError(`Cannot name a program '${wrong}'`);
  if (!parts.names.includes(parts.name)) throw new RangeError(`${parts.name} is not among names`);
  const content: LauncherContent = {
    ...parts,
    runtime: contentOf(parts.runtime),
    program: contentOf(parts.program),
  };
  const header = new TextEncoder().encode(headerText(content));
  const { packed: runtime } = parts.runtime, { packed: program } = parts.program;
  const file = new Uint8Array(header.byteLength + runtime.byteLength + program.byteLength);
  file.set(header, 0);
  file.set(runtime, header.byteLength);
  file.set(program, header.byteLength + runtime.byteLength);
  return file;
}
