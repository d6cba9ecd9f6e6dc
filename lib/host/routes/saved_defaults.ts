import { type NextHop, OWN_PROTOCOL } from "./gateway/routing_table.ts";
import { type CommandRunner, runForText } from "../command/runner.ts";
import type { AddressFamily } from "../links/address.ts";

/** A default route of the main table, in the words of `ip` that make it again. */
export interface SavedDefault {
  family: AddressFamily;
  words: readonly string[];
  metric: number;
  /** Several for a multipath route. */
  hops: readonly NextHop[];
}

/** What `ip` shows of a route's state at the moment; it takes none of it back. */
const STATES = ["linkdown", "dead", "offload", "offload_failed", "trap", "notify"];
/** The kernel itself makes these again, or a program with a lease does. */
const RENEWED = /\bproto (?:ra|dhcp|kernel|redirect)\b/;

/** The default routes of others in the main table, exactly as they are, in the kernel's order. */
export async function saveDefaults(
  runner: CommandRunner,
  family: AddressFamily,
): Promise<SavedDefault[]> {
  const text = await runForText(runner, ["ip", "-o", `-${family}`, "route", "show", "default"]);
  return text.split("\n").filter((line) => line.trim() !== "")
    .map((line) => parse(family, line))
    .filter(({ words }) => wordAfter(words, "proto") !== OWN_PROTOCOL);
}

/**
 * Those of `saved` over `device` alone, through one of `gateways` (those it had last), that went with
 * their link and that nobody makes again: neither the same route nor another default route of this
 * interface is in `present`.
 */
export function lostDefaults(
  saved: readonly SavedDefault[],
  present: readonly SavedDefault[],
  device: string,
  gateways: ReadonlySet<string | undefined>,
): SavedDefault[] {
  const isOver = ({ hops }: SavedDefault) => hops.length === 1 && hops[0]?.device === device;
  if (present.some(isOver)) return [];
  return saved.filter((route) =>
    isOver(route) && gateways.has(route.hops[0]?.gateway?.address) &&
    !RENEWED.test(route.words.join(" "))
  );
}

/**
 * The `ip` command that makes the route again. "add" fails where the place is taken; "append" puts it
 * behind another one of the same metric, of which IPv4 can have several.
 */
export function remakeDefault(
  { family, words }: SavedDefault,
  verb: "add" | "append" = "add",
): string[] {
  return ["ip", `-${family}`, "route", verb, ...words];
}

/** The `ip` command that deletes exactly this route. */
export function removeDefault({ family, words }: SavedDefault): string[] {
  const expires = words.indexOf("expires");
  const lasting = expires < 0 ? words : words.toSpliced(expires, 2);
  return ["ip", `-${family}`, "route", "del", ...lasting];
}

function parse(family: AddressFamily, line: string): SavedDefault {
  const shown = line.replaceAll("\\", " ").trim().split(/\s+/);
  const words: string[] = [];
  for (const word of shown) {
    // Shown as "expires 1787sec", read as "expires 1787".
    if (words.at(-1) === "expires") words.push(word.replace(/sec$/, ""));
    else if (!STATES.includes(word)) words.push(word);
  }
  const source = wordAfter(words, "src");
  const hops = words.join(" ").split(" nexthop ").flatMap((part) => hopIn(family, part.split(" ")))
    .map((hop) => source === undefined ? hop : { ...hop, source });
  const nexthop = wordAfter(words, "nhid");
  const metric = Number(wordAfter(words, "metric") ?? 0);
  return {
    family,
    // The kernel shows beside a next hop object what is in it, and refuses to be told both.
    words: nexthop === undefined ? words : withoutHops(words),
    metric,
    hops,
  };
}

function hopIn(family: AddressFamily, words: readonly string[]): NextHop[] {
  const device = wordAfter(words, "dev");
  if (device === undefined) return [];
  const isOther = wordAfter(words, "via") === "inet6";
  const address = isOther ? wordAfter(words, "inet6") : wordAfter(words, "via");
  return [{
    device,
    gateway: address === undefined
      ? undefined
      : { address, family: isOther ? 6 : family, onlink: words.includes("onlink") },
  }];
}

function withoutHops(words: readonly string[]): string[] {
  const first = words.indexOf("nexthop");
  const kept = first < 0 ? [...words] : words.slice(0, first);
  for (const key of ["via", "dev"]) {
    const at = kept.indexOf(key);
    if (at >= 0) kept.splice(at, kept[at + 1] === "inet6" ? 3 : 2);
  }
  return kept;
}

function wordAfter(words: readonly string[], key: string): string | undefined {
  const at = words.indexOf(key);
  return at < 0 ? undefined : words[at + 1];
}
