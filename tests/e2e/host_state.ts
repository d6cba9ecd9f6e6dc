/** Everything of a machine's network configuration that the programs change, as one text. */

import type { Namespace } from "../netns/namespace.ts";

const COMMANDS = [
  "ip route show table all",
  "ip -6 route show table all",
  "ip rule",
  "ip -6 rule",
  "ip -o link",
  "ip -o address",
  "iptables-save",
  "ip6tables-save",
  "nft list tables",
  "sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding",
  "sysctl -a --pattern (forwarding|rp_filter|accept_ra|accept_redirects)$",
];

/** Comparable byte by byte: without packet counters and the time of the listing. */
export async function hostState(machine: Namespace): Promise<string> {
  const parts = await Promise.all(COMMANDS.map(async (command) => {
    const { stdout } = await machine.run(...command.split(" "));
    return `$ ${command}\n${withoutCounters(stdout)}`;
  }));
  return parts.join("\n");
}

function withoutCounters(text: string): string {
  return text.split("\n").filter((line) => !line.startsWith("# "))
    .map((line) => line.replace(/\[\d+:\d+\]/, "").trimEnd()).join("\n");
}

/** How many rules of the server's NAT there are, both families together. */
export async function masqueradeRules(machine: Namespace): Promise<number> {
  const texts = await Promise.all(
    ["iptables-save", "ip6tables-save"].map(async (command) => (await machine.run(command)).stdout),
  );
  return texts.join("\n").split("\n").filter((line) => line.includes("MASQUERADE")).length;
}
