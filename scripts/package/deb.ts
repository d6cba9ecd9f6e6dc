/** Debian packages, built by dpkg-deb. The same files and the same time make the same package. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { CompileError } from "../compile/deno_command.ts";
import type { Architecture } from "./runtime.ts";
import { type TreeFile, writeTree } from "./tree.ts";

export interface DebOptions {
  readonly root: string;
  readonly version: string;
  readonly architecture: Architecture;
  readonly files: readonly TreeFile[];
  /** Seconds since 1970 that all files bear. */
  readonly epoch: number;
}

const SCRIPTS = ["postinst", "prerm", "postrm"] as const;
const BYTES_PER_KIB = 1024;
const BUILD_LIMIT_MS = 300_000;
const NAME = "fluxify";
/** There is no list to write to; .invalid is nobody's (RFC 6761). */
const MAINTAINER = "Fluxify contributors <fluxify@packages.invalid>";

/**
 * OpenSSL carries the control plane; libraries and programs that are recommended make it faster or are
 * needed for single flags. See docs/operations.md, Installing.
 */
const RELATIONS = [
  "Depends: adduser, libc6 (>= 2.31), libssl3t64 | libssl3, iproute2, nftables | iptables",
  "Recommends: libzstd1, libdeflate0, iputils-ping",
  "Suggests: prometheus, conntrack, curl, systemd-resolved",
];

/** Writes the package into the folder `output`, and returns its file's name. @throws CompileError */
export async function buildDeb(output: string, options: DebOptions): Promise<string> {
  const { version, architecture, files, root, epoch } = options;
  const folder = await Deno.makeTempDir();
  try {
    await Deno.chmod(folder, 0o755);
    const all = [...files, debianChangelog(options)];
    await writeTree(folder, all);
    await writeTree(join(folder, "DEBIAN"), [
      ...textFiles(controlFile({ ...options, files: all })),
      ...await Promise.all(SCRIPTS.map(async (name) => ({
        path: name,
        content: await Deno.readFile(join(root, "packaging/debian", name)),
        mode: 0o755 as const,
      }))),
    ]);
    const name = `${NAME}_${version}_${architecture}.deb`;
    // The programs are packed already.
    const { success } = await new Deno.Command("dpkg-deb", {
      args: ["--root-owner-group", "-Zgzip", "-z1", "--build", folder, join(output, name)],
      env: { SOURCE_DATE_EPOCH: String(epoch) },
      stdout: "null",
      stderr: "inherit",
      signal: AbortSignal.timeout(BUILD_LIMIT_MS),
    }).output();
    if (!success) throw new CompileError("dpkg-deb failed");
    return name;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new CompileError("Cannot run dpkg-deb: install dpkg, or use --tar alone");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What dpkg's tools read; what has changed is in CHANGELOG.md.gz beside it. */
function debianChangelog({ version, epoch }: DebOptions): TreeFile {
  const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  const text = [
    `${NAME} (${version}) unstable; urgency=medium`,
    "",
    "  * See CHANGELOG.md.gz.",
    "",
    ` -- ${MAINTAINER}  ${date}`,
    "",
  ].join("\n");
  const content = gzipSync(new TextEncoder().encode(text), { level: 9 });
  return { path: `usr/share/doc/${NAME}/changelog.gz`, content, mode: 0o644 };
}

function textFiles(texts: Readonly<Record<string, string>>): TreeFile[] {
  return Object.entries(texts).map(([path, text]) => ({
    path,
    content: new TextEncoder().encode(text),
    mode: 0o644,
  }));
}

function controlFile({ version, architecture, files }: DebOptions): Record<string, string> {
  const bytes = files.reduce((sum, { content }) => sum + content.byteLength, 0);
  const control = [
    `Package: ${NAME}`,
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${Math.ceil(bytes / BYTES_PER_KIB)}`,
    ...RELATIONS,
    "Section: net",
    "Priority: optional",
    "Description: multipath VPN that uses several internet links as one",
    " A client spreads the traffic of its machine over fibre, DSL and mobile at",
    " once, to a server that has a public address, and goes on when a link is lost.",
    " Without a server it balances connections over several uplinks.",
    " .",
    " This package has both programs, their systemd units, manual pages and",
    " completions. Nothing runs before 'fluxify-server setup' or",
    " 'fluxify-client setup' was told to start it.",
    "",
  ];
  const conffiles = files.filter(({ path }) => path.startsWith("etc/"));
  return {
    control: control.join("\n"),
    conffiles: conffiles.map(({ path }) => `/${path}\n`).join(""),
    md5sums: files.map(({ path, content }) => `${md5(content)}  ${path}\n`).join(""),
  };
}

/** The format of dpkg: no protection against anybody. */
function md5(content: Uint8Array): string {
  return createHash("md5").update(content).digest("hex");
}
