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
import { type Applied, applyTableOrRules } from "./table_or_rules.ts";

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

/** What is not in force, and why, for people. */
interface NotForwarded {
  readonly family: AddressFamily;
  readonly notice: string;
}

/** The port forwardings in force, which may be changed while the server runs. */
export class PortForwards {
  readonly #journal: HostJournal;
  readonly #tun: string;
  /** Rules of iptables, the table of nft, or nothing. */
  #how: Applied["how"] | "nothing" = "nothing";
  #changes: ChangeId[] = [];

  constructor(journal: HostJournal, tun: string) {
    checkInterfaceName(tun);
    this.#journal = journal;
    this.#tun = tun;
  }

  /**
   * Puts these in force and no others; one call after the other. Connections that were forwarded
   * before go on. Undone by the journal. @throws CommandError when the earlier ones cannot be taken
   * away: they are in force then, and the next call tries again.
   */
  async set(ports: readonly ForwardedPort[]): Promise<NotForwarded[]> {
    // A table takes the place of an earlier one in one step. Rules go first: one that stayed would be
    // taken for the old one, and undone with it.
    if (ports.length === 0 || this.#how === "rules") await this.#undo(0);
    if (ports.length === 0) return [];
    const { how, changes, without } = await applyTableOrRules(this.#journal, {
      table: forwardTable(this.#tun),
      chains: [forwardChain(this.#tun, ports)],
      rules: (family) => forwardRules(this.#tun, family, ports),
    });
    const before = this.#changes;
    this.#how = how;
    this.#changes = changes;
    if (how === "rules") {
      this.#changes = [...changes, ...before];
      await this.#undo(changes.length);
    }
    return without
      .filter(({ family }) => ports.some(({ toAddress }) => familyOf(toAddress) === family))
      .map(({ family, reason }) => ({
        family,
        notice: `cannot forward ports over IPv${family}: ${reason}`,
      }));
  }

  /** Leaves the first `kept`; what could not be undone is still on the list. */
  async #undo(kept: number): Promise<void> {
    while (this.#changes.length > kept) {
      await this.#journal.undo(this.#changes.at(-1)!);
      this.#changes.pop();
    }
    if (kept === 0) this.#how = "nothing";
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
