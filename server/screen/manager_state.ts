/**
 * What the user does on the certificate manager, and what a key or a click makes of it. Nothing here
 * reads or writes the certificates: what there is, is in ManagerFacts.
 */
import { rowAfter } from "../../lib/cli/screen/list_cursor.ts";
import { requireNewClientName } from "../../lib/pki/client_name.ts";
import type { ClientDetails } from "../../lib/pki/client_registry.ts";
import { PkiError } from "../../lib/pki/pki_error.ts";
import type { SeenClient } from "../certificates/seen_client.ts";
import type { Prescribed } from "../../lib/status/server_status.ts";
import type { AuthorityFacts } from "../certificates/authority_facts.ts";

export interface ManagerFacts {
  readonly directory: string;
  readonly clients: readonly SeenClient[];
  /** Null: there is none yet, or it cannot be read, as `problem` says. */
  readonly authority: AuthorityFacts | null;
  readonly problem: string | null;
  /** Of the client that is shown or selected; null for none. */
  readonly details: ClientDetails | null;
  /** What is prescribed for the client that is shown; null: nothing. */
  readonly prescribed: Prescribed | null;
  /** The bundle of the client that is shown, as lines of a QR code; null where it does not fit. */
  readonly qrCode: readonly string[] | null;
}

/** "open": it is being typed; "at work": it was taken, and what comes of it is awaited. */
type Entry = { readonly text: string; readonly state: "open" | "at work" };

type AskedAction = "revoke" | "renew" | "new" | "delete" | "revoke and delete";

type ManagerView =
  | { readonly name: "list" }
  | { readonly name: "help" }
  | { readonly name: "asking to quit" }
  | { readonly name: "new" | "regenerate" } & Entry
  | {
    readonly name: "asking";
    /**
     * "new": another certificate for a client whose own is revoked. "delete": the files of one that
     * is not in use; "revoke and delete": of one that is.
     */
    readonly action: AskedAction;
    readonly client: string;
  }
  | {
    readonly name: "show";
    readonly client: string;
    readonly as: "text" | "QR code";
    /** The first line that is shown. */
    readonly first: number;
  };

export interface ManagerState {
  readonly view: ManagerView;
  readonly row: number;
  readonly message: ManagerMessage | null;
}

interface ManagerMessage {
  readonly kind: "error" | "note";
  /** Sentences, each on a line of its own. */
  readonly lines: readonly string[];
}

export const INITIAL_MANAGER: ManagerState = { view: { name: "list" }, row: 0, message: null };
/** To be typed before the authority is replaced. */
export const REGENERATE_WORD = "REGENERATE";
/** Longer than any name that is taken, so that a longer one is refused rather than cut. */
const TEXT_LENGTH_MAX = 80;
/** More than the details of a client come to. */
const SHOWN_LINES_MAX = 200;

const BUTTONS = [
  "new",
  "show",
  "revoke",
  "renew",
  "delete",
  "regenerate",
  "refresh",
  "quit",
] as const;
export type ManagerButton = typeof BUTTONS[number];

export type ManagerTarget =
  | { readonly kind: "row"; readonly row: number }
  | { readonly kind: "button"; readonly button: ManagerButton }
  | { readonly kind: "answer"; readonly answer: "yes" | "no" };

type ManagerInput =
  | { readonly kind: "key"; readonly key: string; readonly text: string }
  | { readonly kind: "click"; readonly target: ManagerTarget };

export type ManagerAction =
  | { readonly kind: AskedAction | "show"; readonly client: string }
  | { readonly kind: "regenerate" | "refresh" | "quit" };

interface ManagerStep {
  readonly state: ManagerState;
  readonly action?: ManagerAction;
}

const KEYS: Readonly<Record<string, ManagerButton>> = {
  n: "new",
  enter: "show",
  s: "show",
  r: "revoke",
  w: "renew",
  d: "delete",
  delete: "delete",
  g: "regenerate",
  f5: "refresh",
  q: "quit",
  escape: "quit",
  "ctrl+c": "quit",
};

export function reactManager(
  state: ManagerState,
  input: ManagerInput,
  facts: ManagerFacts,
): ManagerStep {
  const { view } = state;
  // What is under way is waited for.
  if ("state" in view && view.state === "at work") return { state };
  if (input.kind === "click") {
    const { target } = input;
    switch (target.kind) {
      case "row":
        return { state: { ...state, row: target.row, message: null } };
      case "button":
        return pressed({ ...state, message: null }, target.button, facts);
      case "answer":
        return answered(state, target.answer);
      default:
        return target satisfies never;
    }
  }
  const { key, text } = input;
  const back: ManagerStep = { state: { ...state, view: { name: "list" } } };
  switch (view.name) {
    case "asking to quit":
      if (["y", "Y", "enter", "ctrl+c"].includes(key)) return answered(state, "yes");
      return ["n", "N", "escape", "q"].includes(key) ? answered(state, "no") : { state };
    case "asking":
      if (key === "y" || key === "Y") return answered(state, "yes");
      return ["n", "N", "escape", "ctrl+c", "q"].includes(key) ? answered(state, "no") : { state };
    case "new":
    case "regenerate": {
      if (key === "escape" || key === "ctrl+c") return { state: { ...back.state, message: null } };
      if (key === "enter") return entered(state, view, facts);
      const edited = edit(view.text, key, text);
      return { state: { ...state, view: { ...view, text: edited }, message: null } };
    }
    case "show":
      if (["escape", "q", "enter", "ctrl+c"].includes(key)) return back;
      if (key === "c") {
        const as = view.as === "text" ? "QR code" : "text";
        return { state: { ...state, view: { ...view, as, first: 0 } } };
      }
      return {
        state: {
          ...state,
          view: { ...view, first: rowAfter(key, view.first, SHOWN_LINES_MAX) ?? view.first },
        },
      };
    case "help":
      return back;
    case "list":
      return inList({ ...state, message: null }, key, facts);
    default:
      return view satisfies never;
  }
}

/**
 * What has become of an action. An input that was refused stays open with the reason, so that what
 * is typed on is no command.
 */
export function conclude(
  state: ManagerState,
  { kind }: ManagerAction,
  outcome: "done" | "refused",
  lines: readonly string[],
): ManagerState {
  const { view } = state;
  const message = { kind: outcome === "done" ? "note" : "error", lines } as const;
  if (view.name !== kind || !("state" in view)) return { ...state, message };
  if (outcome === "refused") return { ...state, view: { ...view, state: "open" }, message };
  return { ...state, view: { name: "list" }, message };
}

function inList(state: ManagerState, key: string, facts: ManagerFacts): ManagerStep {
  const row = rowAfter(key, state.row, facts.clients.length);
  if (row !== null) return { state: { ...state, row } };
  if (key === "?" || key === "f1") return { state: { ...state, view: { name: "help" } } };
  const button = KEYS[key];
  return button === undefined ? { state } : pressed(state, button, facts);
}

function pressed(state: ManagerState, button: ManagerButton, facts: ManagerFacts): ManagerStep {
  const client = facts.clients[Math.min(state.row, facts.clients.length - 1)];
  switch (button) {
    case "new":
    case "regenerate":
      return { state: { ...state, view: { name: button, text: "", state: "open" } } };
    case "refresh":
      return { state, action: { kind: button } };
    case "quit":
      return { state: { ...state, view: { name: "asking to quit" } } };
    case "show":
    case "revoke":
    case "renew":
    case "delete":
      if (client === undefined) return { state: refused(state, "there is no client yet") };
      if (button === "show") {
        const view = { name: "show", client: client.name, as: "text", first: 0 } as const;
        return { state: { ...state, view }, action: { kind: "show", client: client.name } };
      }
      if (button === "delete") return askingToDelete(state, client.name, facts);
      if (isInUse(client.name, facts)) return asking(state, button, client.name);
      if (button === "renew") return asking(state, "new", client.name);
      return {
        state: refused(
          state,
          `${client.name} is revoked already: w makes a new certificate for it`,
        ),
      };
    default:
      return button satisfies never;
  }
}

/** Which certificate is in use is told by the same words as in the list. */
function askingToDelete(state: ManagerState, name: string, { clients }: ManagerFacts): ManagerStep {
  const own = clients.filter((client) => client.name === name);
  if (own.every(({ certPath }) => certPath === "")) {
    const why = `the files of ${name} are gone: its revocation stays until the certificate expires`;
    return { state: refused(state, why) };
  }
  const isLetIn = own.some(({ status }) => status === "valid" || status === "not yet valid");
  return asking(state, isLetIn ? "revoke and delete" : "delete", name);
}

function asking(
  state: ManagerState,
  action: AskedAction,
  client: string,
): ManagerStep {
  return { state: { ...state, view: { name: "asking", action, client } } };
}

/** Whether the client of that name has a certificate that is not revoked. */
function isInUse(name: string, { clients }: ManagerFacts): boolean {
  return clients.some((client) => client.name === name && client.status !== "revoked");
}

function answered(state: ManagerState, answer: "yes" | "no"): ManagerStep {
  const { view } = state;
  const list: ManagerState = { ...state, view: { name: "list" } };
  if (view.name === "asking to quit") {
    return answer === "yes" ? { state, action: { kind: "quit" } } : { state: list };
  }
  if (view.name !== "asking") return { state };
  if (answer === "no") return { state: list };
  return { state: list, action: { kind: view.action, client: view.client } };
}

function entered(
  state: ManagerState,
  view: ManagerView & { name: "new" | "regenerate" },
  facts: ManagerFacts,
): ManagerStep {
  const text = view.text.trim();
  const atWork: ManagerState = { ...state, view: { ...view, state: "at work" }, message: null };
  if (view.name === "regenerate") {
    return text === REGENERATE_WORD
      ? { state: atWork, action: { kind: "regenerate" } }
      : { state: refused(state, `nothing was done: the word is ${REGENERATE_WORD}`) };
  }
  if (text === "") return { state: refused(state, "give the client a name") };
  if (isInUse(text, facts)) {
    const why = `there is a client ${text} already: choose another name, or Esc and on its line ` +
      "w to renew it, r to revoke it";
    return { state: refused(state, why) };
  }
  try {
    requireNewClientName(text);
    return { state: atWork, action: { kind: "new", client: text } };
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    return { state: refused(state, error.message) };
  }
}

function refused(state: ManagerState, why: string): ManagerState {
  return { ...state, message: { kind: "error", lines: [why] } };
}

function edit(before: string, key: string, text: string): string {
  if (key === "ctrl+u") return "";
  if (key === "backspace" || key === "delete") return [...before].slice(0, -1).join("");
  return (before + text).slice(0, TEXT_LENGTH_MAX);
}
