/** A program ran and failed, took too long or said too much. `code` is null when it was stopped. */
export class CommandError extends Error {
  override name = "CommandError";

  constructor(
    readonly argv: readonly string[],
    readonly code: number | null,
    readonly stderr: string,
    reason?: string,
  ) {
    const cause = reason ?? firstLine(stderr) ?? "no message";
    const status = code === null ? "stopped" : `exit code ${code}`;
    super(`Command "${argv.join(" ")}" failed (${status}): ${cause}`);
  }
}

const DEBIAN_PACKAGES: Record<string, string> = {
  ip: "iproute2",
  iptables: "iptables",
  ip6tables: "iptables",
  "iptables-legacy": "iptables",
  "ip6tables-legacy": "iptables",
  "iptables-save": "iptables",
  "ip6tables-save": "iptables",
  nft: "nftables",
  ping: "iputils-ping",
  curl: "curl",
  sysctl: "procps",
};

/** The program is not installed. The message names the Debian package that has it. */
export class MissingProgramError extends Error {
  override name = "MissingProgramError";

  constructor(readonly program: string) {
    const debianPackage = DEBIAN_PACKAGES[program];
    const remedy = debianPackage === undefined
      ? "install it or add its directory to PATH"
      : `install it, on Debian or Ubuntu with "apt-get install ${debianPackage}"`;
    super(`Cannot find the program "${program}": ${remedy}`);
  }
}

function firstLine(text: string): string | undefined {
  return text.split("\n").map((line) => line.trim()).find((line) => line !== "");
}
