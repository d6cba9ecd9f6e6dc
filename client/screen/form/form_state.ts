/**
 * What the user has chosen on the start screen. What keys and clicks make of it is in
 * form_reaction.ts. Nothing here reads the machine: what it found is in FormFacts.
 */
import { type OptionRow } from "../../../lib/cli/option_table.ts";
import { readServerText, serversOf } from "../../config/server_setting.ts";
import { MODE_KEY, type Settings } from "../../config/settings.ts";
import { listLinks, type MachineLink } from "./machine_link.ts";
import { BONDED_LINKS_MIN } from "../../config/link_choice.ts";

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
  /** Why these settings cannot be taken, as their flags would say it; null when they can. */
  readonly whyRefused: (settings: Settings) => string | null;
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

export interface FormMessage {
  readonly kind: "error" | "note";
  readonly text: string;
  /**
   * What it is over with: "what is missing": once the machine has changed that; "the server": once
   * another server or certificate is chosen, whatever key is pressed. Else with the next key.
   */
  readonly about?: "what is missing" | "the server";
}

export interface FormState {
  readonly settings: Settings;
  readonly focus: Focus;
  /** The link or setting the cursor is on. */
  readonly row: number;
  readonly shows: "likely links" | "all links";
  readonly view: "form" | "settings" | "help" | "help of settings" | "asking to quit";
  /** What has been typed of the server or of a setting and is not taken yet; null for nothing. */
  readonly edited: string | null;
  /** What went wrong, or what was done; null for nothing. */
  readonly message: FormMessage | null;
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
    focus: serversOf(settings).length > 0 || isBalancing(settings) ? "links" : "server",
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

/** Those that are listed; chosen ones always, also when they are not there at the moment. */
export function listedLinks(state: FormState, { links }: FormFacts): MachineLink[] {
  return listLinks(links ?? [], links === null ? [] : selectedLinks(state.settings), state.shows);
}

/** The selected links that can be used now. One that cannot stays selected until it is back. */
export function usableLinks({ settings }: FormState, { links }: FormFacts): string[] {
  const usable = (links ?? []).filter(({ problem }) => problem === null).map(({ name }) => name);
  return selectedLinks(settings).filter((name) => usable.includes(name));
}

/** What is missing before it can start, the most important first. */
export function whatIsMissing(state: FormState, facts: FormFacts): string[] {
  const missing: string[] = [];
  const { settings } = withTypedServer(state);
  if (!isBalancing(settings)) {
    if (serversOf(settings).length === 0) missing.push("a server");
    else if (facts.whyRefused(settings) !== null) missing.push("a valid server name");
    if (facts.certificate.state.kind !== "good") missing.push("a client certificate");
  }
  const count = usableLinks(state, facts).length;
  if (count === 0) missing.push("two selected links");
  else if (count < BONDED_LINKS_MIN) missing.push(`${BONDED_LINKS_MIN - count} more selected link`);
  return missing;
}

/** What was said is not said any more once the machine has changed what it is about. */
export function followFacts(state: FormState, before: FormFacts, after: FormFacts): FormState {
  const about = state.message?.about;
  switch (about) {
    case undefined:
      return state;
    case "what is missing": {
      const isSame = String(whatIsMissing(state, before)) === String(whatIsMissing(state, after));
      return isSame ? state : { ...state, message: null };
    }
    case "the server": {
      const [old, now] = [before.certificate.state, after.certificate.state];
      const isOther = now.kind === "good" && old.kind !== "reading" &&
        (old.kind !== "good" || old.text !== now.text);
      return isOther ? { ...state, message: null } : state;
    }
    default:
      return about satisfies never;
  }
}

/** With the next key goes what was said, but for what the server has said. */
export function calmed<State extends FormState>(state: State): State {
  return state.message?.about === "the server" ? state : { ...state, message: null };
}

/** What the server has said is over where these settings are others. */
const SERVER_KEYS = ["server", "servers", "ctrl", "cert", "pki", MODE_KEY];

/** The message of the server goes with the server and the certificate it was about. */
export function followSettings(state: FormState, before: Settings): FormState {
  if (state.message?.about !== "the server") return state;
  const isSame = SERVER_KEYS.every((key) => state.settings.get(key) === before.get(key));
  return isSame ? state : { ...state, message: null };
}

/** Whether letters are text of the server's name, and no commands. */
export function isTypingServer({ focus, settings, view }: FormState): boolean {
  return view === "form" && focus === "server" && !isBalancing(settings);
}

/** The server that is being typed is taken, with the port of the control plane behind it. */
export function withTypedServer(state: FormState): FormState {
  if (state.edited === null || state.view === "settings") return state;
  const { key, value, port } = readServerText(state.edited);
  const settings = new Map(state.settings);
  for (const one of ["server", "servers"]) settings.delete(one);
  const named = withText({ ...state, settings, edited: null }, key, value);
  return port === null ? named : withText(named, "ctrl", port);
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
  // One is given, or the other.
  if (key === "servers" && value !== undefined) settings.delete("server");
  if (key === "server" && value !== undefined) settings.delete("servers");
  // The addresses and weights belong to the links that were named with them.
  if (key === "ifaces") { for (const name of ["ips", "weights"]) settings.delete(name); }
  return { ...state, settings };
}
