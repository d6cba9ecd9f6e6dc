import { type CommandRunner, runChecked } from "../command/runner.ts";
import type { AddressFamily } from "../interface/address.ts";

/** A default route of the main table, in the words of `ip` that make it again. */
export interface SavedDefault {
  family: AddressFamily;
  words: readonly string[];
  /** Interfaces it leads over: several for a multipath route. */
  devices: readonly string[];
}

/** What `ip` shows of a route's state at the moment; it takes none of it back. */
const STATES = ["linkdown", "dead", "offload", "offload_failed", "trap", "notify"];
/** The kernel itself makes these again, or a program with a lease does. */
const RENEWED = /\bproto (?:ra|dhcp|kernel|redirect)\b/;

/** The default routes of the main table, exactly as they are, in the kernel's order. */
export async function saveDefaults(
  runner: CommandRunner,
  family: AddressFamily,
): Promise<SavedDefault[]> {
  const text = await runChecked(runner, ["ip", "-o", `-${family}`, "route", "show", "default"]);
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => parse(family, line));
}

/**
 * Those of `saved` on `device`, through one of `gateways` (those it had last), that went with their link and that nobody makes again: neither the
 * same route nor another default route of this interface is in `present`.
 */
export function lostDefaults(
  saved: readonly SavedDefault[],
  present: readonly SavedDefault[],
  device: string,
  gateways: ReadonlySet<string | undefined>,
): SavedDefault[] {
  if (present.some(({ devices }) => devices.includes(device))) return [];
  return saved.filter(({ devices, words }) =>
    devices.length === 1 && devices[0] === device && gateways.has(gatewayIn(words)) &&
    !RENEWED.test(words.join(" "))
  );
}

function gatewayIn(words: readonly string[]): string | undefined {
  const at = words.indexOf("via");
  return at < 0 ? undefined : words[words[at + 1] === "inet6" ? at + 2 : at + 1];
}

/** The `ip` command that makes the route again; it fails where the place is taken. */
export function remakeDefault({ family, words }: SavedDefault): string[] {
  return ["ip", `-${family}`, "route", "add", ...words];
}

function parse(family: AddressFamily, line: string): SavedDefault {
  const shown = line.replaceAll("\\", " ").trim().split(/\s+/);
  const words: string[] = [];
  for (let index = 0; index < shown.length; index++) {
    const word = shown[index]!;
    if (word === "expires") index++;
    else if (!STATES.includes(word)) words.push(word);
  }
  const devices = words.flatMap((word, index) => words[index - 1] === "dev" ? [word] : []);
  return { family, words, devices: [...new Set(devices)] };
}
