/**
 * What tests, demo and benchmarks need besides Deno, and how a Debian or Ubuntu machine gets it.
 *
 * This file: which package has which program.
 */

/** Debian's name of the package for each program we call. */
const PACKAGE_OF = {
  chromium: "chromium",
  curl: "curl",
  debootstrap: "debootstrap",
  dig: "bind9-dnsutils",
  "dpkg-deb": "dpkg",
  ethtool: "ethtool",
  fish: "fish",
  getent: "libc-bin",
  gzip: "gzip",
  ip: "iproute2",
  ip6tables: "iptables",
  iperf3: "iperf3",
  iptables: "iptables",
  lintian: "lintian",
  man: "man-db",
  mount: "mount",
  mptcpize: "mptcpize",
  nft: "nftables",
  nsenter: "util-linux",
  openssl: "openssl",
  ping: "iputils-ping",
  prometheus: "prometheus",
  promtool: "prometheus",
  ps: "procps",
  "qemu-aarch64-static": "qemu-user-static",
  setpriv: "util-linux",
  shellcheck: "shellcheck",
  sha256sum: "coreutils",
  socat: "socat",
  ss: "iproute2",
  sudo: "sudo",
  sysctl: "procps",
  "systemd-nspawn": "systemd-container",
  tcpdump: "tcpdump",
  tmux: "tmux",
  traceroute: "traceroute",
  unshare: "util-linux",
  zsh: "zsh",
} as const;

/** A program we know how to install. */
export type Tool = keyof typeof PACKAGE_OF;

/** What `deno task test` needs. */
export const TEST_TOOLS: readonly Tool[] = [
  "fish",
  "gzip",
  "ip",
  "ip6tables",
  "iperf3",
  "iptables",
  "man",
  "mount",
  "nft",
  "nsenter",
  "openssl",
  "ping",
  "ps",
  "setpriv",
  "shellcheck",
  "sysctl",
  "tmux",
  "unshare",
  "zsh",
];

/** The packages that hold `tools`, each once, in alphabetical order. */
export function packagesFor(tools: readonly Tool[]): string[] {
  return [...new Set(tools.map((tool) => PACKAGE_OF[tool]))].sort();
}

/** Debian's default PATH for users lacks the sbin folders where `ip` and `iptables` live. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/** `path` with the folders of system programs behind it where they are missing. */
export function withSystemFolders(path: string): string {
  const folders = path.split(":").filter((folder) => folder !== "");
  return [...folders, ...SYSTEM_FOLDERS.filter((folder) => !folders.includes(folder))].join(":");
}

/** The tools that no folder of `path` has as an executable file. */
export function missingTools(
  tools: readonly Tool[],
  path: string,
  isExecutable: (file: string) => boolean = isExecutableFile,
): Tool[] {
  const folders = withSystemFolders(path).split(":");
  return tools.filter((tool) => !folders.some((folder) => isExecutable(`${folder}/${tool}`)));
}

function isExecutableFile(file: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(file);
    return isFile && mode !== null && (mode & 0o111) !== 0;
  } catch {
    return false;
  }
}
