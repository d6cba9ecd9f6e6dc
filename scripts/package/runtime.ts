/** The Deno binary that packages of another architecture than ours are built around: it comes from npm. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { CompileError } from "../compile/deno_command.ts";

/** As Debian calls them. */
export const ARCHITECTURES = ["amd64", "arm64"] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

const NPM_NAMES: Readonly<Record<Architecture, string>> = {
  amd64: "@deno/linux-x64-glibc",
  arm64: "@deno/linux-arm64-glibc",
};
/** What the registry tells of the archives of that version: a different archive is refused. */
const INTEGRITY: Readonly<Record<string, Readonly<Record<Architecture, string>>>> = {
  "2.9.6": {
    amd64:
      "sha512-3md4TKLCuzsLDmfOoC5KN7NAZaxSVkMgm64vg6foD00JBADCpYS2/5QqXfzgnP5ZQz3iLP9vBQJtEgc116OAoQ==",
    arm64:
      "sha512-poqhoH9B3nYloigEMPT5t8HY+wBeiuea1An5Q7fqgJzP0SYmWsoS/oUnWO/pEiA4ofzIBy1Elt/in58xKtxEoQ==",
  },
};
const OWN_ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  x86_64: "amd64",
  aarch64: "arm64",
};
const DOWNLOAD_LIMIT_MS = 300_000;

/** That of this machine. @throws CompileError for one without packages. */
export function ownArchitecture(): Architecture {
  const own = OWN_ARCHITECTURES[Deno.build.arch];
  if (own !== undefined) return own;
  throw new CompileError(`there is no package for ${Deno.build.arch}`);
}

/**
 * The path of the Deno binary of this version for `architecture`, below `folder`.
 * @throws CompileError that says what to do.
 */
export async function runtimeFor(architecture: Architecture, folder: string): Promise<string> {
  const { deno: version } = Deno.version;
  const integrity = INTEGRITY[version]?.[architecture];
  if (integrity === undefined) {
    throw new CompileError(
      `the digest of Deno ${version} for ${architecture} is not known: add what ` +
        `'npm view ${NPM_NAMES[architecture]}@${version} dist.integrity' says to ` +
        "scripts/package/runtime.ts",
    );
  }
  const name = `${NPM_NAMES[architecture]}@${version}`;
  const packed = await run("npm", ["pack", "--silent", "--pack-destination", folder, name], folder);
  const archive = join(folder, packed.trim().split("\n").at(-1) ?? "");
  const digest = createHash("sha512").update(await Deno.readFile(archive)).digest("base64");
  if (`sha512-${digest}` !== integrity) {
    throw new CompileError(`${name} is not the one this source knows: its digest is ${digest}`);
  }
  const place = join(folder, architecture);
  await Deno.mkdir(place, { recursive: true });
  await run("tar", ["-xzf", archive, "-C", place, "--strip-components=1"], folder);
  await Deno.remove(archive);
  for (const candidate of ["deno", "bin/deno"]) {
    const path = join(place, candidate);
    if ((await Deno.stat(path).catch(() => null))?.isFile) return path;
  }
  throw new CompileError(`${name} holds no program called deno`);
}

/** @throws CompileError */
async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const signal = AbortSignal.timeout(DOWNLOAD_LIMIT_MS);
  const { success, stdout } = await new Deno.Command(command, {
    args: [...args],
    cwd,
    signal,
    stderr: "inherit",
  }).output();
  if (!success) throw new CompileError(`${command} ${args[0]} failed`);
  return new TextDecoder().decode(stdout);
}
