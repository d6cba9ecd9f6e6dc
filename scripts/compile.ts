/**
 * `deno task compile`: builds bin/fluxify-server and bin/fluxify-client, a single file each. Where
 * the runtime that `deno compile` embeds cannot be downloaded, the same file is built around the
 * Deno binary at hand. `--check` builds into a temporary folder and keeps nothing; `--packed` builds
 * around the Deno binary without asking the network. Beside the files is bin/SHA256SUMS for
 * `sha256sum -c`; the same sources and the same Deno make the same packed files.
 */
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { checkTypes, compile, pack, packRuntime, type Program } from "./compile/build.ts";
import { CompileError } from "./compile/deno_command.ts";

const ROOT = resolve(import.meta.dirname!, "..");
export const PROGRAMS: readonly Program[] = [
  { name: "fluxify-server", entry: "server/main.ts" },
  { name: "fluxify-client", entry: "client/main.ts" },
];
const PROBE_LIMIT_MS = 10_000;
export const SHIPPED_LEVEL = 9;

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

/** As sha256sum writes it: the digest of each of `names` in `folder`, to SHA256SUMS there. */
export async function writeDigests(folder: string, names: readonly string[]): Promise<void> {
  const lines = await Promise.all(names.map(async (name) => {
    const bytes = await Deno.readFile(join(folder, name));
    return `${createHash("sha256").update(bytes).digest("hex")}  ${name}\n`;
  }));
  await Deno.writeTextFile(join(folder, "SHA256SUMS"), lines.join(""));
}

async function build(way: "as the network allows" | "packed"): Promise<void> {
  const folder = join(ROOT, "bin");
  await Deno.mkdir(folder, { recursive: true });
  await buildPrograms(folder, way);
  await writeDigests(folder, PROGRAMS.map(({ name }) => name));
}

async function buildPrograms(
  folder: string,
  way: "as the network allows" | "packed",
): Promise<void> {
  if (way !== "packed" && await canDownloadRuntime(runtimeUrl(), PROBE_LIMIT_MS)) {
    for (const program of PROGRAMS) await compile(ROOT, program, join(folder, program.name));
    return;
  }
  console.error("building around the Deno binary of this machine: the programs work the same");
  const runtime = await packRuntime(SHIPPED_LEVEL);
  const names = PROGRAMS.map(({ name }) => name);
  for (const program of PROGRAMS) {
    await pack(ROOT, program, join(folder, program.name), runtime, names);
  }
}

async function main(argv: readonly string[]): Promise<void> {
  const unknown = argv.find((argument) => argument !== "--check" && argument !== "--packed");
  if (unknown !== undefined) {
    throw new CompileError(`--check and --packed are known, not ${unknown}`);
  }
  await checkTypes(ROOT, PROGRAMS);
  if (argv.includes("--check")) await check();
  else {
    await build(argv.includes("--packed") ? "packed" : "as the network allows");
    const files = PROGRAMS.map(({ name }) => `bin/${name}`).join(" and ");
    console.error(`made ${files}; 'sudo bin/fluxify-server setup' or docs/two-machines.md goes on`);
  }
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
