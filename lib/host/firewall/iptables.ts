import { MissingProgramError } from "../command/runner.ts";
import type { AddressFamily } from "../links/address.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";

/**
 * There are two, which do not see each other's rules: one keeps them in nft, the older one in tables
 * of its own. `iptables` is the one that update-alternatives chose, and may be the other tomorrow.
 */
export type IptablesVariant = "iptables" | "iptables-nft" | "iptables-legacy";
export type IptablesProgram = IptablesVariant | "ip6tables" | "ip6tables-nft" | "ip6tables-legacy";

interface MasqueradeOptions {
  tun: string;
  subnet: string;
  /** Any interface but the tunnel when empty. */
  egress: readonly string[];
}

export interface Rule {
  table: "nat" | "filter" | "mangle";
  chain: "PREROUTING" | "OUTPUT" | "POSTROUTING" | "FORWARD";
  /** First in FORWARD, before a firewall's own drops; last where only the match counts. */
  place: "first" | "last";
  match: readonly string[];
  /** The comment by which people, and we, know the rule. */
  tag: string;
  /** What follows `-j`. */
  target: readonly string[];
}

/** The comment on every rule of the server. */
export const SERVER_TAG = "fluxify";
/** Seconds to wait for another program that holds the tables. */
const LOCK_WAIT = ["-w", "5"];

/** What `iptables` is on this machine. */
interface Iptables {
  /** By a name that goes on meaning the same, so that it undoes what it did; where there is one. */
  variant: IptablesVariant;
  keepsRulesIn: "nft" | "tables of its own";
}

export async function identifyIptables(journal: HostJournal): Promise<Iptables> {
  // Such as "iptables v1.8.9 (nf_tables)"; before 1.8 there was the older one alone.
  const version = await versionOf(journal, "iptables");
  const isNft = version.includes("(nf_tables)");
  const exact = isNft ? "iptables-nft" : "iptables-legacy";
  const isThere = version !== "" && await versionOf(journal, exact) === version;
  return {
    variant: isThere ? exact : "iptables",
    keepsRulesIn: isNft ? "nft" : "tables of its own",
  };
}

/** Empty without the program. */
async function versionOf(journal: HostJournal, program: IptablesProgram): Promise<string> {
  try {
    return (await journal.runner.run([program, "-V"])).stdout;
  } catch (error) {
    if (error instanceof MissingProgramError) return "";
    throw error;
  }
}

export function programFor(variant: IptablesVariant, family: AddressFamily): IptablesProgram {
  return family === 4 ? variant : variant.replace("ip", "ip6") as IptablesProgram;
}

/** Adds what is missing. When a rule is refused, those added before it are taken away again. */
export async function addIptablesRules(
  journal: HostJournal,
  program: IptablesProgram,
  options: MasqueradeOptions,
): Promise<void> {
  await addRules(journal, program, [...masqueradeRules(options), ...forwardRules(options)]);
}

/** As above, for any rules. A chain or table that a rule brings into being goes with it. */
export async function addRules(
  journal: HostJournal,
  program: IptablesProgram,
  rules: readonly Rule[],
): Promise<void> {
  const added: ChangeId[] = [];
  const apply = async (change: Parameters<HostJournal["apply"]>[0]) => {
    const id = await journal.apply(change);
    if (id !== null) added.push(id);
  };
  try {
    const chains = await presentChains(journal, program);
    for (const rule of rules) {
      if (await isPresent(journal, program, rule)) continue;
      const { table, chain } = rule;
      if (chains !== null && !chains.has(`${table} ${chain}`)) {
        await apply({ kind: "table", program, table, chain });
        chains.add(`${table} ${chain}`);
      }
      await apply({
        kind: "command",
        argv: command(program, rule, rule.place === "first" ? "-I" : "-A"),
        undo: command(program, rule, "-D"),
      });
    }
  } catch (error) {
    for (const id of added.reverse()) await journal.undo(id);
    throw error;
  }
}

function masqueradeRules({ tun, subnet, egress }: MasqueradeOptions): Rule[] {
  const ways = egress.length === 0 ? [["!", "-o", tun]] : egress.map((name) => ["-o", name]);
  return ways.map((way) => ({
    table: "nat",
    chain: "POSTROUTING",
    place: "last",
    match: ["-s", subnet, ...way],
    tag: SERVER_TAG,
    target: ["MASQUERADE"],
  }));
}

/** In the order they are added: FORWARD ends up with the last of them on top. */
export function forwardRules({ tun, subnet }: Omit<MasqueradeOptions, "egress">): Rule[] {
  return [
    {
      table: "filter",
      chain: "FORWARD",
      place: "first",
      // Answers, and what the machine itself redirects to a client: nobody else gets at them.
      match: [
        ...["-o", tun, "-d", subnet],
        ...["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED,DNAT"],
      ],
      tag: SERVER_TAG,
      target: ["ACCEPT"],
    },
    {
      table: "filter",
      chain: "FORWARD",
      place: "first",
      // Not what goes from one client to another: that is for the machine's firewall to decide.
      match: ["-i", tun, "!", "-o", tun, "-s", subnet],
      tag: SERVER_TAG,
      target: ["ACCEPT"],
    },
  ];
}

function command(program: IptablesProgram, rule: Rule, verb: "-C" | "-A" | "-I" | "-D"): string[] {
  const { table, chain, match, tag, target } = rule;
  const place = verb === "-I" ? ["1"] : [];
  const what = [...match, "-m", "comment", "--comment", tag, "-j", ...target];
  return [program, ...LOCK_WAIT, "-t", table, verb, chain, ...place, ...what];
}

async function isPresent(
  journal: HostJournal,
  program: IptablesProgram,
  rule: Rule,
): Promise<boolean> {
  return (await journal.runner.run(command(program, rule, "-C"))).code === 0;
}

/** The chains there are, as "table chain". Null when that cannot be told: then none is removed. */
export async function presentChains(
  journal: HostJournal,
  program: IptablesProgram,
): Promise<Set<string> | null> {
  const result = await journal.runner.run([`${program}-save`]).catch(() => null);
  if (result?.code !== 0) return null;
  const chains = new Set<string>();
  let table = "";
  for (const line of result.stdout.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1).trim();
    const chain = /^:(\S+) /.exec(line)?.[1];
    if (chain !== undefined) chains.add(`${table} ${chain}`);
  }
  return chains;
}
