/**
 * `deno task package`: Debian packages and tar.gz files of both programs with their units, manual
 * pages and completions, in bin/packages, with SHA256SUMS beside them. The same sources and the same
 * Deno make the same files.
 *
 *     deno task package                          for this machine's architecture
 *     deno task package -- --arch amd64,arm64    for others, too: their runtime comes from npm
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { VERSION } from "../lib/cli/version.ts";
import { PROGRAMS, SHIPPED_LEVEL, writeDigests } from "./compile.ts";
import { checkTypes, pack, packRuntime } from "./compile/build.ts";
import { CompileError } from "./compile/deno_command.ts";
import { buildArchive } from "./package/archive.ts";
import { buildDeb } from "./package/deb.ts";
import {
  type Architecture,
  ARCHITECTURES,
  ownArchitecture,
  runtimeFor,
} from "./package/runtime.ts";
import { packageTree } from "./package/tree.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const OUTPUT = "bin/packages";
const USAGE = `Usage: deno task package [-- [OPTION]...]

  --arch LIST      amd64, arm64; that of this machine unless given
  --version TEXT   the version of the package; ${VERSION} unless given
  --output FOLDER  ${OUTPUT} unless given
  --no-deb         the tar.gz alone
  --help           this text`;

interface Options {
  readonly architectures: readonly Architecture[];
  readonly version: string;
  readonly output: string;
  readonly hasDeb: boolean;
}

/** @throws CompileError */
export function parseOptions(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      arch: { type: "string", default: ownArchitecture() },
      version: { type: "string", default: VERSION },
      output: { type: "string", default: join(ROOT, OUTPUT) },
      "no-deb": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const architectures = values.arch.split(",").map((name) => {
    const known = ARCHITECTURES.find((one) => one === name);
    if (known === undefined) {
      throw new CompileError(`--arch knows ${ARCHITECTURES.join(" and ")}, not '${name}'`);
    }
    return known;
  });
  // What dpkg takes as the version of a package without a Debian revision.
  if (!/^[0-9][A-Za-z0-9.+~]*$/.test(values.version)) {
    throw new CompileError(`'${values.version}' is no version of a Debian package`);
  }
  const { version, output } = values;
  return { architectures, version, output: resolve(output), hasDeb: !values["no-deb"] };
}

/** When the commit was made, so that a package does not depend on when it was built. */
function sourceEpoch(): number {
  const given = Number(Deno.env.get("SOURCE_DATE_EPOCH"));
  if (Number.isSafeInteger(given) && given > 0) return given;
  const args = ["-C", ROOT, "log", "-1", "--format=%ct"];
  try {
    const { success, stdout } = new Deno.Command("git", { args, stderr: "null" }).outputSync();
    const epoch = Number(new TextDecoder().decode(stdout));
    if (success && epoch > 0) return epoch;
  } catch {
    // Without git, and outside a repository:
  }
  return 0;
}

async function buildFor(
  architecture: Architecture,
  folder: string,
  { version, output, hasDeb }: Options,
): Promise<string[]> {
  const path = architecture === ownArchitecture()
    ? Deno.execPath()
    : await runtimeFor(architecture, folder);
  const runtime = await packRuntime(SHIPPED_LEVEL, path);
  const programs = join(folder, `programs-${architecture}`);
  await Deno.mkdir(programs);
  const names = PROGRAMS.map(({ name }) => name);
  for (const program of PROGRAMS) {
    await pack(ROOT, program, join(programs, program.name), runtime, names);
  }
  const files = await packageTree(ROOT, programs);
  const options = { root: ROOT, version, architecture, files, epoch: sourceEpoch() };
  const made = [await buildArchive(output, options)];
  if (hasDeb) made.push(await buildDeb(output, options));
  return made;
}

async function main(): Promise<void> {
  const options = parseOptions(Deno.args);
  if (options === "help") return console.log(USAGE);
  await checkTypes(ROOT, PROGRAMS);
  await Deno.mkdir(options.output, { recursive: true });
  const folder = await Deno.makeTempDir();
  try {
    const made: string[] = [];
    for (const architecture of options.architectures) {
      made.push(...await buildFor(architecture, folder, options));
    }
    await writeDigests(options.output, made);
    for (const name of made) console.log(join(options.output, name));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    console.error(`package: ${error.message}`);
    Deno.exit(1);
  }
}
