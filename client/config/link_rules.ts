/** `-rate` and `-link`: what a link may carry, and when it is used. */
import { Option } from "@commander-js/extra-typings";
import { UsageError } from "../../lib/cli/exit.ts";
import { parseList } from "../../lib/cli/list.ts";
import { type DownUp, parseDownUp, parseVolume } from "../../lib/cli/traffic_figures.ts";
import { GROUPS } from "../../lib/cli/tunnel_options.ts";

/** Of datagrams with their headers. */
export type LinkRate = DownUp;

/** When a link is used; what a metered one carries is counted. */
export type LinkUse =
  | { readonly kind: "always" }
  | { readonly kind: "backup" }
  /** `capBytes` a month; null: it is only counted. */
  | { readonly kind: "metered"; readonly capBytes: number | null };

/** By name of the link; null takes back what was prescribed for it. */
export type LinkRates = ReadonlyMap<string, LinkRate | null>;
export type LinkUses = ReadonlyMap<string, LinkUse>;

/** IFNAMSIZ, and a source address in parentheses. */
export const LINK_NAME_MAX = 64;
const RATE_FORM = "as in fiber=50/10mbit (down/up) or dsl=20mbit, with kbit, mbit or gbit";
const USE_FORM = "as in lte=backup, lte=metered,cap=20GB/month or lte=always";

export const rateOption = () =>
  new Option(
    "--rate <list>",
    "what links carry at most, down/up, as in fiber=50/10mbit,dsl=20mbit; the server keeps to it, too",
  )
    .helpGroup(GROUPS.links)
    .argParser(repeatable(parseRates));

export const linkOption = () =>
  new Option(
    "--link <list>",
    "links to use only while the others are full or down: lte=backup, or lte=metered,cap=20GB/month",
  )
    .helpGroup(GROUPS.links)
    .argParser(repeatable(parseUses));

/** An option that is given again adds to what it said before. */
function repeatable<T>(
  parse: (text: string) => ReadonlyMap<string, T>,
): (text: string, before: ReadonlyMap<string, T> | undefined) => ReadonlyMap<string, T> {
  return (text, before) => new Map([...before ?? [], ...parse(text)]);
}

/** Throws UsageError. `none` takes a limit back. */
export function parseRates(text: string): LinkRates {
  const rates = new Map<string, LinkRate | null>();
  for (const item of parseList("-rate", text, "refuse")) {
    const [name, value] = nameAndValue("-rate", item, RATE_FORM);
    if (rates.has(name)) throw new UsageError(`-rate names '${name}' twice`);
    rates.set(name, value === "none" ? null : parseDownUp(`-rate ${name}`, value, RATE_FORM));
  }
  return rates;
}

/** Throws UsageError. */
export function parseUses(text: string): LinkUses {
  const uses = new Map<string, LinkUse>();
  let last: string | null = null;
  for (const item of parseList("-link", text, "refuse")) {
    const [name, value] = nameAndValue("-link", item, USE_FORM);
    if (name === "cap") {
      if (last === null || uses.get(last)?.kind !== "metered") {
        throw new UsageError(`-link: cap= goes behind a metered link, ${USE_FORM}`);
      }
      uses.set(last, { kind: "metered", capBytes: parseVolume(`-link ${last}: cap`, value) });
      last = null;
      continue;
    }
    if (uses.has(name)) throw new UsageError(`-link names '${name}' twice`);
    if (value === "always" || value === "backup") uses.set(name, { kind: value });
    else if (value === "metered") uses.set(name, { kind: value, capBytes: null });
    else throw new UsageError(`-link ${name} must be backup, metered or always, not '${value}'`);
    last = name;
  }
  return uses;
}

/** A name may have `=` in it; a value has not. */
function nameAndValue(flag: string, item: string, form: string): [string, string] {
  const at = item.lastIndexOf("=");
  const name = item.slice(0, at).trim();
  if (at < 1 || name === "" || name.length > LINK_NAME_MAX) {
    throw new UsageError(`${flag} must be ${form}, not '${item}'`);
  }
  return [name, item.slice(at + 1).trim()];
}

/** Refuses names that no link has. `links` is empty as long as nobody knows which there are. */
export function refuseStrangers(
  flag: string,
  named: Iterable<string>,
  links: readonly string[],
): void {
  if (links.length === 0) return;
  for (const name of named) {
    if (links.includes(name)) continue;
    throw new UsageError(
      `${flag} names '${name}', which is no link; there are: ${links.join(", ")}`,
    );
  }
}

/** What the flags say of links. @throws UsageError for names that none of `links` has. */
export function linkRules(
  raw: { readonly rate?: LinkRates; readonly link?: LinkUses },
  links: readonly string[],
): { rates: LinkRates; uses: LinkUses } {
  const { rate: rates = new Map(), link: uses = new Map() } = raw;
  refuseStrangers("-rate", rates.keys(), links);
  refuseStrangers("-link", uses.keys(), links);
  return { rates, uses };
}
