import type { ChangeId, HostJournal } from "../journal/host_journal.ts";

export type IptablesProgram = "iptables" | "ip6tables";

export interface MasqueradeOptions {
  tun: string;
  subnet: string;
  /** Any interface but the tunnel when empty. */
  egress: readonly string[];
}

interface Rule {
  table: "nat" | "filter";
  chain: "POSTROUTING" | "FORWARD";
  /** First in FORWARD, before a firewall's own drops; last where only the match counts. */
  place: "first" | "last";
  match: string[];
  target: "MASQUERADE" | "ACCEPT";
}

const TAG = ["-m", "comment", "--comment", "fluxify"];
/** Seconds to wait for another program that holds the tables. */
const LOCK_WAIT = ["-w", "5"];

/** Adds what is missing. When a rule is refused, those added before it are taken away again. */
export async function addIptablesRules(
  journal: HostJournal,
  program: IptablesProgram,
  options: MasqueradeOptions,
): Promise<void> {
  const added: ChangeId[] = [];
  const apply = async (change: Parameters<HostJournal["apply"]>[0]) => {
    const id = await journal.apply(change);
    if (id !== null) added.push(id);
  };
  try {
    const tables = await presentTables(journal, program);
    for (const rule of rulesFor(options)) {
      if (await isPresent(journal, program, rule)) continue;
      if (!tables.has(rule.table)) {
        await apply({ kind: "table", program, table: rule.table, chain: rule.chain });
        tables.add(rule.table);
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

/** In the order they are added: FORWARD ends up with the last of them on top. */
export function rulesFor({ tun, subnet, egress }: MasqueradeOptions): Rule[] {
  const ways = egress.length === 0 ? [["!", "-o", tun]] : egress.map((name) => ["-o", name]);
  return [
    ...ways.map((way): Rule => ({
      table: "nat",
      chain: "POSTROUTING",
      place: "last",
      match: ["-s", subnet, ...way],
      target: "MASQUERADE",
    })),
    {
      table: "filter",
      chain: "FORWARD",
      place: "first",
      // Answers, and what the machine itself redirects to a client: nobody else gets at them.
      match: [
        ...["-o", tun, "-d", subnet],
        ...["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED,DNAT"],
      ],
      target: "ACCEPT",
    },
    {
      table: "filter",
      chain: "FORWARD",
      place: "first",
      match: ["-i", tun, "-s", subnet],
      target: "ACCEPT",
    },
  ];
}

function command(program: IptablesProgram, rule: Rule, verb: "-C" | "-A" | "-I" | "-D"): string[] {
  const { table, chain, match, target } = rule;
  const place = verb === "-I" ? ["1"] : [];
  const what = [...match, ...TAG, "-j", target];
  return [program, ...LOCK_WAIT, "-t", table, verb, chain, ...place, ...what];
}

async function isPresent(
  journal: HostJournal,
  program: IptablesProgram,
  rule: Rule,
): Promise<boolean> {
  return (await journal.runner.run(command(program, rule, "-C"))).code === 0;
}

/** The tables that exist already. All, when that cannot be told: then none is removed later. */
async function presentTables(
  journal: HostJournal,
  program: IptablesProgram,
): Promise<Set<string>> {
  const result = await journal.runner.run([`${program}-save`]).catch(() => null);
  if (result?.code !== 0) return new Set(["nat", "filter"]);
  return new Set([...result.stdout.matchAll(/^\*(\w+)$/gm)].map((match) => match[1] ?? ""));
}
