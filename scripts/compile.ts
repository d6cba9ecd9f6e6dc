/**
 * `deno task compile`: builds bin/fluxify-server and bin/fluxify-client, a single file each. Where
 * the runtime that `deno compile` embeds cannot be downloaded, the same file is built around the
 * Deno binary at hand. `--check` builds into a temporary folder and keeps nothing; `--packed` builds
 * around the Deno binary without asking the network.
 */
import { join, resolve } from "node:path";
import { checkTypes, compile, pack, packRuntime, type Program } from "./compile/build.ts";
import { CompileError } from "./compile/deno_command.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const PROGRAMS: readonly Program[] = [
  { name: "fluxify-server", entry: "server/main.ts" },
  { name: "fluxify-client", entry: "client/main.ts" },
];
const PROBE_LIMIT_MS = 10_000;
const SHIPPED_LEVEL = 9;

/** Whether the runtime for `deno compile` can be had; a silent host counts as none. */
export async function canDownloadRuntime(url: string, limitMs: number): Promise<boolean> {
  try {
    const response = await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(limitMs) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

function runtimeUrl(): string {
  const { deno } = Deno.version;
  return `https://dl.deno.land/release/v${deno}/denort-${Deno.build.target}.zip`;
}

/** Compiles every program as far as that works offline, and throws the result away. */
async function check(): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const program of PROGRAMS) {
      await compile(ROOT, program, join(folder, program.name), Deno.execPath());
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function build(way: "as the network allows" | "packed"): Promise<void> {
  const folder = join(ROOT, "bin");
  await Deno.mkdir(folder, { recursive: true });
  if (way !== "packed" && await canDownloadRuntime(runtimeUrl(), PROBE_LIMIT_MS)) {
    for (const program of PROGRAMS) await compile(ROOT, program, join(folder, program.name));
    return;
  }
  console.error("building around the Deno binary: dl.deno.land was not asked or did not answer");
  const runtime = await packRuntime(SHIPPED_LEVEL);
  for (const program of PROGRAMS) await pack(ROOT, program, join(folder, program.name), runtime);
}

async function main(argv: readonly string[]): Promise<void> {
  const unknown = argv.find((argument) => argument !== "--check" && argument !== "--packed");
  if (unknown !== undefined) {
    throw new CompileError(`--check and --packed are known, not ${unknown}`);
  }
  await checkTypes(ROOT, PROGRAMS);
  if (argv.includes("--check")) await check();
  else await build(argv.includes("--packed") ? "packed" : "as the network allows");
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    console.error(`compile: ${error.message}`);
    Deno.exit(1);
  }
}
