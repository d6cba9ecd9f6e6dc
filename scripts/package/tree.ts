/** The files of a package, as they lie on a machine that has it. */
import { basename, dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { CompileError } from "../compile/deno_command.ts";

export interface TreeFile {
  /** Where it lies, without the slash in front. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly mode: 0o644 | 0o755;
}

const SHELLS = {
  bash: (name: string) => `usr/share/bash-completion/completions/${name}`,
  zsh: (name: string) => `usr/share/zsh/vendor-completions/_${name}`,
  fish: (name: string) => `usr/share/fish/vendor_completions.d/${name}.fish`,
} as const;
const DOCUMENTS = "usr/share/doc/fluxify";
const PROGRAM_NAMES = ["fluxify-server", "fluxify-client"] as const;

/** `programs` is the folder with the two programs, `root` that of the repository. */
export async function packageTree(root: string, programs: string): Promise<TreeFile[]> {
  const files: TreeFile[] = [];
  const add = (path: string, content: Uint8Array | string, mode: TreeFile["mode"] = 0o644) => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    files.push({ path, content: bytes, mode });
  };
  const addFrom = async (from: string, path: string) =>
    add(path, await Deno.readFile(join(root, from)));
  for (const name of PROGRAM_NAMES) {
    add(`usr/bin/${name}`, await Deno.readFile(join(programs, name)), 0o755);
    const page = await Deno.readFile(join(root, `docs/man/${name}.1`));
    add(`usr/share/man/man1/${name}.1.gz`, gzipSync(page, { level: 9 }));
  }
  for (const name of PROGRAM_NAMES) {
    for (const shell of ["bash", "zsh", "fish"] as const) {
      add(SHELLS[shell](name), await completionOf(root, name, shell));
    }
  }
  for (const unit of await namesIn(root, "packaging/systemd")) {
    await addFrom(`packaging/systemd/${unit}`, `usr/lib/systemd/system/${unit}`);
  }
  for (const example of await namesIn(root, "packaging/etc")) {
    await addFrom(`packaging/etc/${example}`, `etc/fluxify/${example}`);
  }
  const changelog = await Deno.readFile(join(root, "CHANGELOG.md"));
  add(`${DOCUMENTS}/CHANGELOG.md.gz`, gzipSync(changelog, { level: 9 }));
  add(`${DOCUMENTS}/copyright`, copyright(await Deno.readTextFile(join(root, "LICENSE"))));
  await addFrom("docs/operations.md", `${DOCUMENTS}/operations.md`);
  for (const name of ["control-socket", "security", "load-balance", "page", "user-interface"]) {
    await addFrom(`docs/${name}.md`, `${DOCUMENTS}/${name}.md`);
  }
  await addFrom("packaging/debian/lintian-overrides", "usr/share/lintian/overrides/fluxify");
  for (const folder of ["prometheus", "grafana", "openrc", "procd", "container"]) {
    for (const name of await namesIn(root, `packaging/${folder}`)) {
      await addFrom(`packaging/${folder}/${name}`, `${DOCUMENTS}/examples/${folder}/${name}`);
    }
  }
  return files.sort((one, other) => one.path < other.path ? -1 : 1);
}

/** Writes the files below `folder`. */
export async function writeTree(folder: string, files: readonly TreeFile[]): Promise<void> {
  for (const { path, content, mode } of files) {
    const file = join(folder, path);
    await Deno.mkdir(dirname(file), { recursive: true, mode: 0o755 });
    await Deno.writeFile(file, content, { mode });
    await Deno.chmod(file, mode);
  }
}

/** What the program itself prints. */
async function completionOf(root: string, name: string, shell: string): Promise<Uint8Array> {
  const entry = join(root, name.replace("fluxify-", ""), "main.ts");
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-lock", entry, "completion", shell],
    env: { DENO_NO_UPDATE_CHECK: "1" },
    stderr: "inherit",
  }).output();
  if (!success) throw new CompileError(`${name} completion ${shell} failed`);
  return stdout;
}

/** Those of `path`, by name. */
async function namesIn(root: string, path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(join(root, path))) {
    if (isFile) names.push(basename(name));
  }
  return names.sort();
}

/** https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ */
function copyright(license: string): string {
  const [, , holder = "", , ...text] = license.trimEnd().split("\n");
  return [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "Upstream-Name: Fluxify",
    "",
    "Files: *",
    `Copyright: ${holder.replace(/^Copyright \(c\) /, "")}`,
    "License: Expat",
    "Comment: Both programs hold the Deno runtime, under the same license, Copyright the Deno authors.",
    "         The server holds the client of NATS, Copyright The NATS Authors, under the Apache License",
    "         2.0: /usr/share/common-licenses/Apache-2.0.",
    "",
    "License: Expat",
    ...text.map((line) => line === "" ? " ." : ` ${line}`),
    "",
  ].join("\n");
}
