/**
 * What the user has chosen on the start screen, and what a key or a click makes of it. Nothing here
 * reads the machine: what it found is in FormFacts.
 */
import { type OptionRow } from "../../../lib/cli/option_table.ts";
import { MODE_KEY, type Settings } from "../../config/settings.ts";
import { isHidden, type MachineLink } from "./machine_link.ts";

const LINKS_MIN = 2;

/** What the machine, the PKI directory and the options say. */
export interface FormFacts {
  /** Null: still being read. */
  readonly links: readonly MachineLink[] | null;
  readonly linksError: string | null;
  readonly certificate: CertificateFacts;
  /** By link, as the server or a page sees it; `...` while it is asked. */
  readonly externalAddresses: ReadonlyMap<string, string>;
  /** The options that the settings panel shows. */
  readonly options: readonly OptionRow[];
}

export interface CertificateFacts {
  /** Names of the bundles there are to choose from. */
  readonly choices: readonly string[];
  readonly state:
    | { readonly kind: "reading" }
    | { readonly kind: "good"; readonly text: string }
    | { readonly kind: "bad"; readonly text: string };
}

/** Where the keys go. In the order of Tab. */
export const FOCUS_ORDER = [
  "mode",
  "server",
  "certificate",
  "links",
  "start",
  "settings",
  "diagnose",
  "quit",
] as const;
export type Focus = typeof FOCUS_ORDER[number];

export interface FormState {
  readonly settings: Settings;
  readonly focus: Focus;
  /** The link or setting the cursor is on. */
  readonly row: number;
  readonly shows: "likely links" | "all links";
  readonly view: "form" | "settings" | "help" | "asking to quit";
  /** The text of a setting that is being changed, or null. */
  readonly edited: string | null;
  /** What went wrong, or what was done; null for nothing. */
  readonly message: { readonly kind: "error" | "note"; readonly text: string } | null;
}

export type FormTarget =
  | { readonly kind: "focus"; readonly focus: Focus }
  | { readonly kind: "mode"; readonly mode: "bonding" | "load-balance" }
  | { readonly kind: "link"; readonly name: string }
  | { readonly kind: "setting"; readonly name: string }
  | { readonly kind: "show links" }
  | { readonly kind: "back" }
  | { readonly kind: "quit"; readonly answer: "yes" | "no" };

export type FormInput =
  | { readonly kind: "key"; readonly key: string; readonly text: string }
  | { readonly kind: "click"; readonly target: FormTarget };

/** What is to be done besides drawing. */
export type FormAction = "start" | "diagnose" | "quit";

export interface FormStep {
  readonly state: FormState;
  readonly action?: FormAction;
}

export function initialForm(settings: Settings): FormState {
  return {
    settings: settings.has(MODE_KEY) ? settings : new Map([...settings, [MODE_KEY, "bonding"]]),
    focus: settings.has("server") || isBalancing(settings) ? "links" : "server",
    row: 0,
    shows: "likely links",
    view: "form",
    edited: null,
    message: null,
  };
}

export function isBalancing(settings: Settings): boolean {
  return settings.get(MODE_KEY) === "load-balance";
}

export function selectedLinks(settings: Settings): string[] {
  const names = settings.get("ifaces");
  return typeof names === "string" && names !== "" ? names.split(",") : [];
}

/** Those that are listed; chosen ones always. */
export function listedLinks(state: FormState, { links }: FormFacts): MachineLink[] {
  const selected = selectedLinks(state.settings);
  return (links ?? []).filter((link) =>
    state.shows === "all links" || !isHidden(link) || selected.includes(link.name)
  );
}

/** What is missing before it can start, the most important first. */
export function whatIsMissing({ settings }: FormState, facts: FormFacts): string[] {
  const missing: string[] = [];
  if (!isBalancing(settings)) {
    if (!settings.get("server")) missing.push("a server");
    if (facts.certificate.state.kind !== "good") missing.push("a client certificate");
  }
  const usable = (facts.links ?? []).filter(({ problem }) => problem === null)
    .map(({ name }) => name);
  const chosen = selectedLinks(settings).filter((name) => usable.includes(name));
  if (chosen.length < LINKS_MIN) missing.push(`${LINKS_MIN - chosen.length} more selected link`);
  return missing.map((text, index) =>
    index === missing.length - 1 && chosen.length === 0 && text.includes("more selected")
      ? "two selected links"
      : text
  );
}

/** A selected link that cannot be used any more is not selected, and why is said. */
export function followLinks(state: FormState, facts: FormFacts): FormState {
  if (facts.links === null) return state;
  const selected = selectedLinks(state.settings);
  const lost = selected.find((name) =>
    facts.links!.find((link) => link.name === name)?.problem !== null
  );
  if (lost === undefined) return state;
  const why = facts.links.find(({ name }) => name === lost)?.problem ?? "is gone";
  return {
    ...withLinks(state, selected.filter((name) => name !== lost)),
    message: { kind: "error", text: `${lost} ${why}, and is not selected any more` },
  };
}

export function withLinks(state: FormState, names: readonly string[]): FormState {
  return withText(state, "ifaces", names.join(","));
}

export function textOf({ settings }: FormState, key: string): string {
  const value = settings.get(key);
  return typeof value === "string" ? value : "";
}

/** An empty text is what is built in. */
export function withText(state: FormState, key: string, text: string): FormState {
  return withSetting(state, key, text === "" ? undefined : text);
}

export function withSetting(
  state: FormState,
  key: string,
  value: string | true | undefined,
): FormState {
  const settings = new Map(state.settings);
  if (value === undefined) settings.delete(key);
  else settings.set(key, value);
  // The addresses and weights belong to the links that were named with them.
  if (key === "ifaces") { for (const name of ["ips", "weights"]) settings.delete(name); }
  return { ...state, settings };
}
