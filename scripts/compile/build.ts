import { withRequire } from "./bundle_require.ts";
import { join } from "node:path";
import { BUILD_VARIABLE, readCommit, writeBuildInfo } from "../../lib/cli/build_info.ts";
import { CompileError, runDeno } from "./deno_command.ts";
import { buildLauncher, type PackedFile, packFile } from "./launcher.ts";

/** A program to build: its entry, from the root of the repository, and the name of its file. */
export interface Program {
  name: string;
  entry: string;
}

/**
 * Exact permissions refuse /dev/net/tun, /proc and /sys, which the programs need, and FFI is full
 * access anyway.
 */
const PERMISSIONS = ["--no-prompt", "--allow-all"];
const STEP_LIMIT_MS = 180_000;
const EXECUTABLE = 0o755;

/** Checks types and lock file: neither compile nor bundle does. */
export async function checkTypes(root: string, programs: readonly Program[]): Promise<void> {
  await runDeno(["check", "--frozen", ...programs.map((p) => p.entry)], root, STEP_LIMIT_MS);
}

/**
 * Builds `output` by `deno compile`. `denort` is a runtime to embed in place of the one that Deno
 * downloads: with the deno binary the result checks the graph and the lock file, and does not run.
 */
export async function compile(
  root: string,
  program: Program,
  output: string,
  denort?: string,
): Promise<void> {
  const args = ["compile", "--frozen", "--no-check", "--no-code-cache", "--exclude-unused-npm"];
  const env: Record<string, string> = denort === undefined ? {} : { DENORT_BIN: denort };
  const folder = await Deno.makeTempDir();
  try {
    const built = join(folder, "env");
    await Deno.writeTextFile(built, `${buildVariable(root, "compiled").replace("=", '="')}"\n`);
    args.push(...PERMISSIONS, `--env-file=${built}`, "-o", output, program.entry);
    await runDeno(args, root, STEP_LIMIT_MS, env);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Builds `output` as a launcher around `runtime`, which the programs `names` share. */
export async function pack(
  root: string,
  program: Program,
  output: string,
  runtime: PackedFile,
  names: readonly string[],
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const bundle = join(folder, "program.js");
    const args = ["bundle", "--quiet", "--frozen", "--platform", "deno", "--minify"];
    await runDeno([...args, "-o", bundle, program.entry], root, STEP_LIMIT_MS);
    const text = withRequire(await Deno.readTextFile(bundle));
    const file = buildLauncher({
      name: program.name,
      names,
      runtime,
      program: packFile(new TextEncoder().encode(text), 9),
      runtimeArguments: await runtimeArguments(root),
      build: buildVariable(root, "packed"),
    });
    await replaceFile(output, file);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The Deno binary that runs us, unless another is named, packed; `level` is gzip's. */
export async function packRuntime(level: number, path = Deno.execPath()): Promise<PackedFile> {
  return packFile(await Deno.readFile(path), level);
}

/** The unpacked program runs without its deno.json, so its unstable features become flags. */
async function runtimeArguments(root: string): Promise<string[]> {
  const manifest = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
  const unstable: string[] = manifest.unstable ?? [];
  const isolation = ["--quiet", "--no-config", "--no-lock", "--no-npm", "--no-remote"];
  isolation.push("--cached-only", "--no-code-cache");
  return ["run", ...isolation, ...PERMISSIONS, ...unstable.map((name) => `--unstable-${name}`)];
}

function buildVariable(root: string, form: "compiled" | "packed"): string {
  const written = writeBuildInfo({ form, commit: readCommit(root) });
  return `${BUILD_VARIABLE}=${written}`;
}

/** By a rename: a program that is running keeps its old file, and no one starts half a file. */
async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.new-${Deno.pid}`;
  try {
    await Deno.writeFile(temporary, bytes, { mode: EXECUTABLE });
    await Deno.chmod(temporary, EXECUTABLE);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw new CompileError(`Cannot write ${path}`, { cause: error });
  }
}
