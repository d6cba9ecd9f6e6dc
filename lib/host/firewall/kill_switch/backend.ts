import { runChecked } from "../../command/runner.ts";
import type { AddressFamily } from "../../links/address.ts";
import type { ChangeId, HostJournal } from "../../journal/host_journal.ts";
import {
  identifyIptables,
  type IptablesProgram,
  type IptablesVariant,
  presentChains,
  programFor,
} from "../iptables.ts";
import type { PermittedTraffic } from "./permitted_traffic.ts";
import {
  CHAINS,
  chainText,
  IPTABLES_TABLE,
  jumpTo,
  type KillSwitchChain,
} from "./iptables_chains.ts";
import { NFT_TABLE, nftTable } from "./nft_table.ts";

/** What others have done to the rules; what is before them decides first. */
export type Tampering = "removed" | "changed" | "preceded";

/** How the rules get into the kernel. */
export interface Backend {
  /** As a lasting change, in the place of the rules that may be there. Throws CommandError. */
  install(permitted: PermittedTraffic, handover: string): Promise<void>;
  /** Replaces what `install` put there, in one step. Throws CommandError, the old rules in force. */
  replace(permitted: PermittedTraffic): Promise<void>;
  /** Null while the rules are as they were made. Throws CommandError. */
  tampering(): Promise<Tampering | null>;
}

/** One table of nft, for both families. */
export class NftBackend implements Backend {
  #asMade: string | null = null;

  constructor(readonly journal: HostJournal) {}

  async install(permitted: PermittedTraffic, handover: string): Promise<void> {
    await this.journal.apply({
      kind: "command",
      argv: ["nft", "-f", "-"],
      input: nftTable(permitted),
      undo: ["nft", "delete", "table", ...NFT_TABLE],
      handover,
    });
    // It is in force: that it cannot be listed now is no reason for the caller to do without it.
    this.#asMade = await this.#list().catch(() => null);
  }

  async replace(permitted: PermittedTraffic): Promise<void> {
    await runChecked(this.journal.runner, ["nft", "-f", "-"], { input: nftTable(permitted) });
    this.#asMade = await this.#list();
  }

  async tampering(): Promise<Tampering | null> {
    const listing = await this.#list();
    if (listing === null) return "removed";
    return listing === this.#asMade ? null : "changed";
  }

  /** Null without the table. */
  async #list(): Promise<string | null> {
    const { code, stdout } = await this.journal.runner.run(["nft", "list", "table", ...NFT_TABLE]);
    return code === 0 ? stdout : null;
  }
}

/** Chains of our own in iptables and ip6tables. */
export class IptablesBackend implements Backend {
  #variant: IptablesVariant = "iptables";
  #families: AddressFamily[] = [];
  readonly #asMade = new Map<AddressFamily, string>();

  constructor(readonly journal: HostJournal) {}

  async install(permitted: PermittedTraffic, handover: string): Promise<void> {
    this.#variant = (await identifyIptables(this.journal)).variant;
    const families: AddressFamily[] = await this.#hasIpv6() ? [4, 6] : [4];
    const done: ChangeId[] = [];
    const isTakeover = this.journal.lasting.length > 0;
    try {
      for (const family of families) {
        // Read once: with the first chain, all those of its table seem to be there.
        const present = await presentChains(this.journal, this.#program(family));
        for (const chain of CHAINS) {
          await this.#installChain(family, chain, present, permitted, handover, done);
        }
      }
      this.#families = families;
      // What was there already may have been preceded since.
      if (isTakeover) await this.replace(permitted);
      for (const family of families) this.#asMade.set(family, ownRules(await this.#list(family)));
    } catch (error) {
      // What was taken over stays in force, and its undo would be the same.
      if (!isTakeover) { for (const id of done.reverse()) await this.journal.undo(id); }
      throw error;
    }
  }

  async replace(permitted: PermittedTraffic): Promise<void> {
    for (const family of this.#families) {
      const rules = await this.#list(family);
      for (const chain of CHAINS) {
        const jumps = rules.filter((rule) => rule === jumpTo(chain)).length;
        const input = chainText(chain, family, permitted, jumps);
        await runChecked(this.journal.runner, this.#restore(family), { input });
      }
      this.#asMade.set(family, ownRules(await this.#list(family)));
    }
  }

  async tampering(): Promise<Tampering | null> {
    const found = new Set<Tampering>();
    for (const family of this.#families) {
      const rules = await this.#list(family);
      if (ownRules(rules) !== this.#asMade.get(family)) found.add("changed");
      for (const chain of CHAINS) {
        const first = rules.find((rule) => rule.startsWith(`-A ${chain.from} `));
        if (first === jumpTo(chain)) continue;
        found.add(rules.includes(jumpTo(chain)) ? "preceded" : "removed");
      }
    }
    return (["removed", "changed", "preceded"] as const).find((deed) => found.has(deed)) ?? null;
  }

  /** Three changes, undone backwards: the jump, the rules, the chain. Each may be there already. */
  async #installChain(
    family: AddressFamily,
    chain: KillSwitchChain,
    present: ReadonlySet<string> | null,
    permitted: PermittedTraffic,
    handover: string,
    done: ChangeId[],
  ): Promise<void> {
    const { name, from } = chain;
    const runs = async (argv: string[]) => (await this.journal.runner.run(argv)).code === 0;
    const apply = async (argv: string[], undo: string[], input?: string) => {
      const id = await this.journal.apply({ kind: "command", argv, undo, input, handover });
      if (id !== null) done.push(id);
    };
    if (present?.has(`${IPTABLES_TABLE} ${from}`) === false) {
      const table = { program: this.#program(family), table: IPTABLES_TABLE, chain: from };
      const id = await this.journal.apply({ kind: "table", ...table, handover });
      if (id !== null) done.push(id);
    }
    const command = (...words: string[]) => this.#command(family, ...words);
    const list = command("-S", name);
    await apply(await runs(list) ? list : command("-N", name), command("-X", name));
    const input = chainText(chain, family, permitted);
    await apply(this.#restore(family), command("-F", name), input);
    const check = command("-C", from, "-j", name);
    const jump = await runs(check) ? check : command("-I", from, "1", "-j", name);
    await apply(jump, command("-D", from, "-j", name));
  }

  #program(family: AddressFamily): IptablesProgram {
    return programFor(this.#variant, family);
  }

  #command(family: AddressFamily, ...words: string[]): string[] {
    return [this.#program(family), "-w", "5", "-t", IPTABLES_TABLE, ...words];
  }

  #restore(family: AddressFamily): string[] {
    return [`${this.#program(family)}-restore`, "-w", "5", "--noflush"];
  }

  /** The table's rules, one each, in their order. */
  async #list(family: AddressFamily): Promise<string[]> {
    const listing = await runChecked(this.journal.runner, this.#command(family, "-S"));
    return listing.split("\n").map((line) => line.trim());
  }

  async #hasIpv6(): Promise<boolean> {
    return await this.journal.sysctl.read("net/ipv6/conf/all/disable_ipv6") !== null;
  }
}

function ownRules(rules: readonly string[]): string {
  return rules.filter((rule) => CHAINS.some(({ name }) => rule.startsWith(`-A ${name} `)))
    .join("\n");
}
