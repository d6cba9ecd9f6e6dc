/** The same files as a tar.gz, for systems without dpkg: to be unpacked below / or anywhere else. */
import { join } from "node:path";
import { CompileError } from "../compile/deno_command.ts";
import type { DebOptions } from "./deb.ts";
import { writeTree } from "./tree.ts";

const LIMIT_MS = 300_000;

/** Writes it into the folder `output`, and returns its file's name. @throws CompileError */
export async function buildArchive(
  output: string,
  { version, architecture, files, epoch }: Omit<DebOptions, "root">,
): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    const top = `fluxify-${version}-linux-${architecture}`;
    await writeTree(join(folder, top), files);
    const name = `${top}.tar.gz`;
    const args = ["--sort=name", `--mtime=@${epoch}`, "--owner=0", "--group=0", "--numeric-owner"];
    args.push("--mode=u=rwX,go=rX", "-C", folder, "-I", "gzip -n -6");
    args.push("-cf", join(output, name), top);
    const signal = AbortSignal.timeout(LIMIT_MS);
    const { success } = await new Deno.Command("tar", { args, signal, stderr: "inherit" }).output();
    if (!success) throw new CompileError("tar failed");
    return name;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
