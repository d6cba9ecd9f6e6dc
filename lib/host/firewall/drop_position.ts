/**
 * Where in a chain a rule must stand to be reached at all, and yet behind everything that an operator
 * has put there to be asked first.
 */

const DEPTH_MAX = 8;
/** A rule without a condition, as `iptables -S` prints it: a comment asks for nothing. */
const UNCONDITIONAL = /^-A (\S+)(?: -m comment --comment (?:"(?:[^"\\]|\\.)*"|\S+))? -[jg] (\S+)/;

/**
 * The number, from 1, of the first rule of `chain` that drops or rejects whatever comes to it, by
 * itself or in a chain that it goes to; null when there is none. `listing` is what `iptables -S`
 * prints of the whole table.
 */
export function firstDropOfAll(listing: string, chain: string): number | null {
  const rules = new Map<string, string[]>();
  for (const line of listing.split("\n")) {
    const name = /^-A (\S+)/.exec(line)?.[1];
    if (name === undefined) continue;
    const others = rules.get(name);
    if (others === undefined) rules.set(name, [line]);
    else others.push(line);
  }
  const index = (rules.get(chain) ?? []).findIndex((rule) => dropsAll(rule, rules, DEPTH_MAX));
  return index === -1 ? null : index + 1;
}

function dropsAll(rule: string, rules: ReadonlyMap<string, string[]>, depth: number): boolean {
  const target = UNCONDITIONAL.exec(rule)?.[2];
  if (target === undefined || depth === 0) return false;
  if (target === "DROP" || target === "REJECT") return true;
  return (rules.get(target) ?? []).some((inner) => dropsAll(inner, rules, depth - 1));
}
