/**
 * What goes beside the tunnel by its name: sets of the addresses that names were said to have, for as
 * long as programs may remember that, and marks for the connections that begin to them. A connection
 * stays where it began, whatever the sets have later. A table of nft of our own, for both families.
 */
import type { HostJournal } from "../journal/host_journal.ts";
import { runChecked } from "../command/runner.ts";
import { type AddressFamily, FAMILIES, familyOf } from "../links/address.ts";
import { checkInterfaceName } from "../links/network_interface.ts";
import { SerialQueue } from "../serial_queue.ts";
import { applyOwnTable, baseChain, type OwnTable } from "./own_table.ts";
import { BESIDE_MARK } from "./traffic_mark.ts";

/** Programs remember answers for longer than they should; each time it is told again it begins anew. */
const KEPT_MS = 3_600_000;
/** An address that was told within so long is not written again; somebody may have emptied the sets. */
const FRESH_MS = 60_000;
/** Of each family: beyond that nft refuses more, until some are forgotten. */
const ADDRESSES_MAX = 16_384;
/** After the connection is known, before the routes of what is sent are looked up anew. */
const PRIORITY = -150;
const SET = { 4: "names4", 6: "names6" } as const;

export class NamedTable {
  readonly #journal: HostJournal;
  readonly #tun: string;
  readonly #table: OwnTable;
  /** By address, when it was written last. */
  readonly #written = new Map<string, number>();
  readonly #queue = new SerialQueue();
  readonly #writeNext = this.#queue.shared(() => this.#write());
  #waiting = new Set<string>();

  /** Throws InterfaceError for a name no rule can have. */
  constructor(journal: HostJournal, tun: string) {
    this.#journal = journal;
    this.#tun = checkInterfaceName(tun);
    this.#table = ["inet", `fluxify_names_${tun}`];
  }

  /** @throws CommandError where nft refuses it, MissingProgramError without nft. */
  async enable(): Promise<void> {
    await applyOwnTable(this.#journal, this.#table, chains(this.#tun));
  }

  /** Resolves when the addresses are in force. @throws CommandError where nft refuses them. */
  async add(addresses: readonly string[], nowMs: number): Promise<void> {
    const isFresh = (address: string) =>
      nowMs - (this.#written.get(address) ?? -Infinity) < FRESH_MS;
    const news = addresses.filter((address) => !isFresh(address));
    if (news.length === 0) return;
    for (const address of news) this.#waiting.add(address);
    await this.#writeNext();
    for (const address of news) this.#note(address, nowMs);
  }

  #note(address: string, nowMs: number): void {
    this.#written.delete(address);
    this.#written.set(address, nowMs);
    for (const [oldest, atMs] of this.#written) {
      if (nowMs - atMs < KEPT_MS && this.#written.size <= 2 * ADDRESSES_MAX) break;
      this.#written.delete(oldest);
    }
  }

  async #write(): Promise<void> {
    const addresses = [...this.#waiting];
    this.#waiting = new Set();
    const input = FAMILIES.flatMap((family) => {
      const own = addresses.filter((address) => familyOf(address) === family);
      return own.length === 0 ? [] : this.#renewal(family, own);
    }).join("\n");
    if (input === "") return;
    await runChecked(this.#journal.runner, ["nft", "-f", "-"], { input: `${input}\n` });
  }

  /** One that is there keeps its time unless it is taken out first, and to be that it has to be there. */
  #renewal(family: AddressFamily, addresses: readonly string[]): string[] {
    const set = `${this.#table.join(" ")} ${SET[family]}`;
    const plain = `{ ${addresses.join(", ")} }`;
    const timed = addresses.map((address) => `${address} timeout ${KEPT_MS / 1000}s`).join(", ");
    return [
      `add element ${set} ${plain}`,
      `delete element ${set} ${plain}`,
      `add element ${set} { ${timed} }`,
    ];
  }
}

function chains(tun: string): string[] {
  const bit = `0x${BESIDE_MARK.value.toString(16)}`;
  const begins = (family: AddressFamily) =>
    `ct state new ${family === 4 ? "ip" : "ip6"} daddr @${
      SET[family]
    } ct mark set ct mark or ${bit}`;
  const goesOn =
    `ct direction original ct mark and ${bit} == ${bit} meta mark set meta mark or ${bit}`;
  const isForwarded = `iifname != { "lo", "${tun}" } fib daddr type != local`;
  return [
    ...FAMILIES.map((family) => setText(family)),
    baseChain("output", `route hook output priority ${PRIORITY}; policy accept`, [
      ...FAMILIES.map(begins),
      goesOn,
    ]),
    baseChain("prerouting", `filter hook prerouting priority ${PRIORITY}; policy accept`, [
      ...FAMILIES.map((family) => `${isForwarded} ${begins(family)}`),
      `${isForwarded} ${goesOn}`,
    ]),
  ];
}

function setText(family: AddressFamily): string {
  return [
    `  set ${SET[family]} {`,
    `    type ipv${family}_addr;`,
    `    flags timeout;`,
    `    timeout ${KEPT_MS / 1000}s;`,
    `    size ${ADDRESSES_MAX};`,
    "  }",
  ].join("\n");
}
