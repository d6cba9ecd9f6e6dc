/**
 * Port forwarding on a server: connections to a port of the machine itself go to a client, in a table
 * of nft of our own, or by rules of iptables where there is no nft. The client sees where they come
 * from. The guard of the tunnel (tunnel_guard.ts) lets pass what is redirected.
 */
import { checkInterfaceName } from "../links/network_interface.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { type AddressFamily, familyOf } from "../links/address.ts";
import type { Rule } from "./iptables.ts";
import { baseChain, type OwnTable } from "./own_table.ts";
import { applyTableOrRules } from "./table_or_rules.ts";

/** One port, for one family. */
export interface ForwardedPort {
  readonly protocol: "tcp" | "udp";
  /** On this machine. */
  readonly port: number;
  /** Inside the tunnel. */
  readonly toAddress: string;
  readonly toPort: number;
  /** Only from there, a prefix of the same family; null: from anywhere. */
  readonly from: string | null;
}

const FORWARD_TAG = "fluxify-port-forward";

/** The port forwardings in force, which may be changed while the server runs. */
export class PortForwards {
  readonly #journal: HostJournal;
  readonly #tun: string;
  #changes: ChangeId[] = [];

  constructor(journal: HostJournal, tun: string) {
    checkInterfaceName(tun);
    this.#journal = journal;
    this.#tun = tun;
  }

  /**
   * Puts these in force and no others; one call after the other. Connections that were forwarded
   * before go on; one that is asked for while the rules are changed may be refused. Undone by the
   * journal. Returns notices for people about what is not in force.
   */
  async set(ports: readonly ForwardedPort[]): Promise<string[]> {
    // First, for a rule of iptables that stays would be taken for the old one, and undone with it.
    for (let change = this.#changes.pop(); change !== undefined; change = this.#changes.pop()) {
      await this.#journal.undo(change);
    }
    if (ports.length === 0) return [];
    const { changes, without } = await applyTableOrRules(this.#journal, {
      table: forwardTable(this.#tun),
      chains: [forwardChain(this.#tun, ports)],
      rules: (family) => forwardRules(this.#tun, family, ports),
    });
    this.#changes = changes;
    return without
      .filter(({ family }) => ports.some(({ toAddress }) => familyOf(toAddress) === family))
      .map(({ family, reason }) => `cannot forward ports over IPv${family}: ${reason}`);
  }
}

/** One for each server on the machine. */
const forwardTable = (tun: string): OwnTable => ["inet", `fluxify_ports_${tun}`];

/** The chain of the table as nft reads it. */
export function forwardChain(tun: string, ports: readonly ForwardedPort[]): string {
  const rules = ports.map(({ protocol, port, toAddress, toPort, from }) => {
    const [kind, nfproto, to] = familyOf(toAddress) === 4
      ? ["ip", "ipv4", `${toAddress}:${toPort}`]
      : ["ip6", "ipv6", `[${toAddress}]:${toPort}`];
    return [
      ...[`iifname != "${tun}"`, `meta nfproto ${nfproto}`],
      ...from === null ? [] : [`${kind} saddr ${from}`],
      ...[`fib daddr type local ${protocol} dport ${port}`, `dnat ${kind} to ${to}`],
    ].join(" ");
  });
  return baseChain("prerouting", "nat hook prerouting priority -100; policy accept", rules);
}

/** For iptables, in the order they are added: the last one is on top. */
export function forwardRules(
  tun: string,
  family: AddressFamily,
  ports: readonly ForwardedPort[],
): Rule[] {
  return ports.filter(({ toAddress }) => familyOf(toAddress) === family)
    .map(({ protocol, port, toAddress, toPort, from }) => ({
      table: "nat",
      chain: "PREROUTING",
      place: "first",
      match: [
        ...["!", "-i", tun, "-p", protocol, "--dport", String(port)],
        ...from === null ? [] : ["-s", from],
        ...["-m", "addrtype", "--dst-type", "LOCAL"],
      ],
      tag: FORWARD_TAG,
      target: [
        ...["DNAT", "--to-destination"],
        family === 4 ? `${toAddress}:${toPort}` : `[${toAddress}]:${toPort}`,
      ],
    }));
}
