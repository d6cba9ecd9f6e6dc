import { runChecked } from "../command/runner.ts";
import type { AddressFamily } from "../interface/address.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { type IptablesProgram, presentChains } from "../nat/iptables.ts";
import type { Allowance } from "./allowance.ts";
import { CHAINS, chainText, IPTABLES_TABLE, type KillSwitchChain } from "./iptables_chains.ts";
import { NFT_TABLE, nftTable } from "./nft_table.ts";

/** How the rules get into the kernel. */
export interface Backend {
  /** As a lasting change, in the place of the rules that may be there. Throws CommandError. */
  install(allowance: Allowance, handover: string): Promise<void>;
  /** Replaces what `install` put there, in one step. Throws CommandError, the old rules in force. */
  replace(allowance: Allowance): Promise<void>;
  /** Whether it is still there: `nft flush ruleset` and its like remove it. */
  isInForce(): Promise<boolean>;
}

/** One table of nft, for both families. */
export class NftBackend implements Backend {
  constructor(readonly journal: HostJournal) {}

  async install(allowance: Allowance, handover: string): Promise<void> {
    await this.journal.apply({
      kind: "command",
      argv: ["nft", "-f", "-"],
      input: nftTable(allowance),
      undo: ["nft", "delete", "table", ...NFT_TABLE],
      handover,
    });
  }

  async replace(allowance: Allowance): Promise<void> {
    await runChecked(this.journal.runner, ["nft", "-f", "-"], { input: nftTable(allowance) });
  }

  async isInForce(): Promise<boolean> {
    const { runner } = this.journal;
    return (await runner.run(["nft", "list", "table", ...NFT_TABLE])).code === 0;
  }
}

/** Chains of our own in iptables and ip6tables. */
export class IptablesBackend implements Backend {
  #families: AddressFamily[] = [];

  constructor(readonly journal: HostJournal) {}

  async install(allowance: Allowance, handover: string): Promise<void> {
    const families: AddressFamily[] = await this.#hasIpv6() ? [4, 6] : [4];
    const done: ChangeId[] = [];
    const isTakeover = this.journal.lasting.length > 0;
    try {
      for (const family of families) {
        // Read once: with the first chain, all those of its table seem to be there.
        const present = await presentChains(this.journal, programOf(family));
        for (const chain of CHAINS) {
          await this.#installChain(family, chain, present, allowance, handover, done);
        }
      }
    } catch (error) {
      // What was taken over stays in force, and its undo would be the same.
      if (!isTakeover) { for (const id of done.reverse()) await this.journal.undo(id); }
      throw error;
    }
    this.#families = families;
  }

  async replace(allowance: Allowance): Promise<void> {
    for (const family of this.#families) {
      for (const chain of CHAINS) {
        const { runner } = this.journal;
        const input = chainText(chain, family, allowance);
        await runChecked(runner, restoreCommand(family), { input });
        const { check, add } = jumpCommands(family, chain);
        if ((await runner.run(check)).code !== 0) await runChecked(runner, add);
      }
    }
  }

  async isInForce(): Promise<boolean> {
    for (const family of this.#families) {
      const rules = await runChecked(this.journal.runner, command(family, "-S"));
      const lines = new Set(rules.split("\n").map((line) => line.trim()));
      for (const { name, from } of CHAINS) {
        if (!lines.has(`-A ${from} -j ${name}`) || !lines.has(`-A ${name} -j DROP`)) return false;
      }
    }
    return true;
  }

  /** Three changes, undone backwards: the jump, the rules, the chain. Each may be there already. */
  async #installChain(
    family: AddressFamily,
    chain: KillSwitchChain,
    present: ReadonlySet<string> | null,
    allowance: Allowance,
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
      const table = { program: programOf(family), table: IPTABLES_TABLE, chain: from };
      const id = await this.journal.apply({ kind: "table", ...table, handover });
      if (id !== null) done.push(id);
    }
    const list = command(family, "-S", name);
    await apply(
      await runs(list) ? list : command(family, "-N", name),
      command(family, "-X", name),
    );
    const input = chainText(chain, family, allowance);
    await apply(restoreCommand(family), command(family, "-F", name), input);
    const { check, add, remove } = jumpCommands(family, chain);
    await apply(await runs(check) ? check : add, remove);
  }

  async #hasIpv6(): Promise<boolean> {
    return await this.journal.sysctl.read("net/ipv6/conf/all/disable_ipv6") !== null;
  }
}

function programOf(family: AddressFamily): IptablesProgram {
  return family === 4 ? "iptables" : "ip6tables";
}

function command(family: AddressFamily, ...words: string[]): string[] {
  return [programOf(family), "-w", "5", "-t", IPTABLES_TABLE, ...words];
}

function jumpCommands(family: AddressFamily, { name, from }: KillSwitchChain) {
  return {
    check: command(family, "-C", from, "-j", name),
    add: command(family, "-I", from, "1", "-j", name),
    remove: command(family, "-D", from, "-j", name),
  };
}

function restoreCommand(family: AddressFamily): string[] {
  return [`${programOf(family)}-restore`, "-w", "5", "--noflush"];
}
