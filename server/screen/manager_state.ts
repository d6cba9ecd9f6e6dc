/**
 * What the user does on the certificate manager, and what a key or a click makes of it. Nothing here
 * reads or writes the certificates: what there is, is in ManagerFacts.
 */
import type { ClientDetails, ClientSummary } from "../../lib/pki/client_registry.ts";
import type { AuthorityFacts } from "../certificates/authority_facts.ts";

export interface ManagerFacts {
  readonly directory: string;
  readonly clients: readonly ClientSummary[];
  /** Null: there is none yet, or it cannot be read, as `problem` says. */
  readonly authority: AuthorityFacts | null;
  readonly problem: string | null;
  /** Of the client that is shown or selected; null for none. */
  readonly details: ClientDetails | null;
  /** The bundle of the client that is shown, as lines of a QR code; null where it does not fit. */
  readonly qrCode: readonly string[] | null;
}

type ManagerView =
  | { readonly name: "list" }
  | { readonly name: "help" }
  | { readonly name: "new"; readonly text: string }
  | { readonly name: "asking"; readonly action: "revoke" | "renew"; readonly client: string }
  | { readonly name: "regenerate"; readonly text: string }
  | { readonly name: "show"; readonly client: string; readonly as: "text" | "QR code" };

export interface ManagerState {
  readonly view: ManagerView;
  readonly row: number;
  readonly message: { readonly kind: "error" | "note"; readonly text: string } | null;
}

export const INITIAL_MANAGER: ManagerState = { view: { name: "list" }, row: 0, message: null };
/** To be typed before the authority is replaced. */
export const REGENERATE_WORD = "REGENERATE";
const TEXT_LENGTH_MAX = 64;

const BUTTONS = ["new", "show", "revoke", "renew", "regenerate", "refresh", "quit"] as const;
export type ManagerButton = typeof BUTTONS[number];

export type ManagerTarget =
  | { readonly kind: "row"; readonly row: number }
  | { readonly kind: "button"; readonly button: ManagerButton }
  | { readonly kind: "answer"; readonly answer: "yes" | "no" };

type ManagerInput =
  | { readonly kind: "key"; readonly key: string; readonly text: string }
  | { readonly kind: "click"; readonly target: ManagerTarget };

export type ManagerAction =
  | { readonly kind: "new" | "revoke" | "renew" | "show"; readonly client: string }
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
  g: "regenerate",
  f5: "refresh",
  q: "quit",
  "ctrl+c": "quit",
};

export function reactManager(
  state: ManagerState,
  input: ManagerInput,
  facts: ManagerFacts,
): ManagerStep {
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
  const { view } = state;
  const back: ManagerStep = { state: { ...state, view: { name: "list" } } };
  switch (view.name) {
    case "asking":
      if (key === "y" || key === "Y") return answered(state, "yes");
      return ["n", "N", "escape", "ctrl+c", "q"].includes(key) ? answered(state, "no") : { state };
    case "new":
    case "regenerate": {
      if (key === "escape" || key === "ctrl+c") return back;
      if (key === "enter") return entered(state, view);
      const edited = edit(view.text, key, text);
      return { state: { ...state, view: { ...view, text: edited }, message: null } };
    }
    case "show":
      if (["escape", "q", "enter", "ctrl+c"].includes(key)) return back;
      if (key !== "c") return { state };
      return {
        state: { ...state, view: { ...view, as: view.as === "text" ? "QR code" : "text" } },
      };
    case "help":
      return back;
    case "list":
      return inList({ ...state, message: null }, key, facts);
    default:
      return view satisfies never;
  }
}

function inList(state: ManagerState, key: string, facts: ManagerFacts): ManagerStep {
  const last = Math.max(0, facts.clients.length - 1);
  if (key === "up" || key === "k") return { state: { ...state, row: Math.max(0, state.row - 1) } };
  if (key === "down" || key === "j") {
    return { state: { ...state, row: Math.min(last, state.row + 1) } };
  }
  if (key === "?" || key === "f1") return { state: { ...state, view: { name: "help" } } };
  const button = KEYS[key];
  return button === undefined ? { state } : pressed(state, button, facts);
}

function pressed(state: ManagerState, button: ManagerButton, facts: ManagerFacts): ManagerStep {
  const client = facts.clients[Math.min(state.row, facts.clients.length - 1)];
  switch (button) {
    case "new":
      return { state: { ...state, view: { name: "new", text: "" } } };
    case "regenerate":
      return { state: { ...state, view: { name: "regenerate", text: "" } } };
    case "refresh":
    case "quit":
      return { state, action: { kind: button } };
    case "show":
    case "revoke":
    case "renew":
      if (client === undefined) {
        return { state: { ...state, message: { kind: "error", text: "there is no client yet" } } };
      }
      if (button === "show") {
        const view = { name: "show", client: client.name, as: "text" } as const;
        return { state: { ...state, view }, action: { kind: "show", client: client.name } };
      }
      return { state: { ...state, view: { name: "asking", action: button, client: client.name } } };
    default:
      return button satisfies never;
  }
}

function answered(state: ManagerState, answer: "yes" | "no"): ManagerStep {
  const { view } = state;
  if (view.name !== "asking") return { state };
  const list: ManagerState = { ...state, view: { name: "list" } };
  if (answer === "no") return { state: list };
  return { state: list, action: { kind: view.action, client: view.client } };
}

function entered(
  state: ManagerState,
  view: ManagerView & { name: "new" | "regenerate" },
): ManagerStep {
  const list: ManagerState = { ...state, view: { name: "list" } };
  const text = view.text.trim();
  if (view.name === "new") {
    if (text === "") {
      return { state: { ...state, message: { kind: "error", text: "give the client a name" } } };
    }
    return { state: list, action: { kind: "new", client: text } };
  }
  if (text === REGENERATE_WORD) return { state: list, action: { kind: "regenerate" } };
  const message = {
    kind: "error",
    text: `nothing was done: the word is ${REGENERATE_WORD}`,
  } as const;
  return { state: { ...list, message } };
}

function edit(before: string, key: string, text: string): string {
  if (key === "ctrl+u") return "";
  if (key === "backspace" || key === "delete") return [...before].slice(0, -1).join("");
  return (before + text).slice(0, TEXT_LENGTH_MAX);
}
