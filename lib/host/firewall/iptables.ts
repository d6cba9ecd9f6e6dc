import { MissingProgramError } from "../command/runner.ts";
import type { AddressFamily } from "../links/address.ts";
import { firstDropOfAll } from "./drop_position.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";

/**
 * There are two, which do not see each other's rules: one keeps them in nft, the older one in tables
 * of its own. `iptables` is the one that update-alternatives chose, and may be the other tomorrow.
 */
export type IptablesVariant = "iptables" | "iptables-nft" | "iptables-legacy";
export type IptablesProgram = IptablesVariant | "ip6tables" | "ip6tables-nft" | "ip6tables-legacy";

interface ForwardOptions {
  tun: string;
  subnet: string;
  /** Not unless told. */
  clientsReachEachOther: boolean;
}

interface MasqueradeOptions extends ForwardOptions {
  /** Any interface but the tunnel when empty. */
  egress: readonly string[];
}

export interface Rule {
  table: "nat" | "filter" | "mangle" | "raw";
  chain: "PREROUTING" | "INPUT" | "OUTPUT" | "POSTROUTING" | "FORWARD";
  /**
   * "before what drops all" is the last place where a rule that accepts is reached: what an operator
   * has put there to be dropped stays dropped. "last" is where only the match counts.
   */
  place: "first" | "last" | "before what drops all";
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

/**
 * As above, for any rules. Returns the change that each rule is, null for one that was there. A chain or
 * table that a rule brings into being goes with it.
 */
export async function addRules(
  journal: HostJournal,
  program: IptablesProgram,
  rules: readonly Rule[],
): Promise<readonly (ChangeId | null)[]> {
  const added: ChangeId[] = [];
  const changes: (ChangeId | null)[] = [];
  const apply = async (change: Parameters<HostJournal["apply"]>[0]) => {
    const id = await journal.apply(change);
    if (id !== null) added.push(id);
    return id;
  };
  try {
    const chains = await presentChains(journal, program);
    for (const rule of rules) {
      if (await isPresent(journal, program, rule)) {
        changes.push(null);
        continue;
      }
      const { table, chain } = rule;
      if (chains !== null && !chains.has(`${table} ${chain}`)) {
        await apply({ kind: "table", program, table, chain });
        chains.add(`${table} ${chain}`);
      }
      // The chain may be another one by the time the rule is put back.
      const put = async () => command(program, rule, await positionOf(journal, program, rule));
      const change = await apply({
        kind: "command",
        argv: await put(),
        undo: command(program, rule, "-D"),
        check: command(program, rule, "-C"),
        again: put,
      });
      changes.push(change);
    }
    return changes;
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

export function forwardRules({ tun, subnet, clientsReachEachOther }: ForwardOptions): Rule[] {
  const accept = (match: readonly string[]): Rule => ({
    table: "filter",
    chain: "FORWARD",
    place: "before what drops all",
    match,
    tag: SERVER_TAG,
    target: ["ACCEPT"],
  });
  return [
    accept(["-i", tun, ...clientsReachEachOther ? [] : ["!", "-o", tun], "-s", subnet]),
    // Answers, and what the machine itself redirects to a client: nobody else gets at them.
    accept([
      ...["-o", tun, "-d", subnet],
      ...["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED,DNAT"],
    ]),
  ];
}

/** `position`: where to put the rule, from 1, or at the end. */
function command(
  program: IptablesProgram,
  rule: Rule,
  verb: "-C" | "-D" | { position: number | "at the end" },
): string[] {
  const { table, chain, match, tag, target } = rule;
  const what = [...match, "-m", "comment", "--comment", tag, "-j", ...target];
  const words = typeof verb === "string"
    ? [verb, chain]
    : verb.position === "at the end"
    ? ["-A", chain]
    : ["-I", chain, String(verb.position)];
  return [program, ...LOCK_WAIT, "-t", table, ...words, ...what];
}

async function positionOf(
  journal: HostJournal,
  program: IptablesProgram,
  { table, chain, place }: Rule,
): Promise<{ position: number | "at the end" }> {
  if (place === "first") return { position: 1 };
  if (place === "last") return { position: "at the end" };
  const { stdout } = await journal.runner.run([program, ...LOCK_WAIT, "-t", table, "-S"]);
  return { position: firstDropOfAll(stdout, chain) ?? "at the end" };
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
