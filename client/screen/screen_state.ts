/** What the user has done to the screen, and what a key or a click makes of it. */
import { LOG_LINES_MAX } from "../../lib/cli/log_lines.ts";

export interface ScreenState {
  readonly view: "status" | "help" | "asking to stop";
  /** Key of the selected row, or null. */
  readonly selected: string | null;
  /** Lines of the log below the last one shown: 0 follows what is new. */
  readonly logBack: number;
}

export const INITIAL_STATE: ScreenState = { view: "status", selected: null, logBack: 0 };

export type Button = "stop" | "help" | "yes" | "no";

/** What a click means. */
export type ScreenTarget =
  | { readonly kind: "row"; readonly row: string }
  | { readonly kind: "button"; readonly button: Button };

export type ScreenInput =
  | ScreenTarget
  /** As parseKey() of pi-tui names it: `q`, `Y`, `up`, `ctrl+c`. */
  | { readonly kind: "key"; readonly key: string }
  /** Positive: down, to what is newer. */
  | { readonly kind: "wheel"; readonly lines: number }
  | { readonly kind: "log grew" };

/** What there is to move in. */
export interface ScreenContent {
  /** Keys, from top to bottom. */
  readonly rows: readonly string[];
  readonly logLength: number;
  /** As in Frame. */
  readonly isLogAtStart: boolean;
}

const PAGE_LINES = 8;

/** `"stop"`: the user wants the program to end. An input that means nothing returns `state`. */
export function react(
  state: ScreenState,
  input: ScreenInput,
  content: ScreenContent,
): ScreenState | "stop" {
  switch (input.kind) {
    case "key":
      return reactToKey(state, input.key, content);
    case "row":
      if (state.view !== "status" || !content.rows.includes(input.row)) return state;
      return { ...state, selected: input.row === state.selected ? null : input.row };
    case "button":
      return reactToButton(state, input.button);
    case "wheel":
      return state.view === "help" ? state : scrollLog(state, -input.lines, content);
    case "log grew":
      // Who has scrolled back goes on reading the same lines.
      return state.logBack === 0 ? state : scrollLog(state, 1, { ...content, isLogAtStart: false });
    default:
      return input satisfies never;
  }
}

function reactToKey(
  state: ScreenState,
  key: string,
  content: ScreenContent,
): ScreenState | "stop" {
  if (state.view === "asking to stop") {
    if (key === "y" || key === "Y" || key === "ctrl+c") return "stop";
    return ["n", "N", "q", "escape"].includes(key) ? { ...state, view: "status" } : state;
  }
  if (key === "q" || key === "ctrl+c") return { ...state, view: "asking to stop" };
  if (state.view === "help") {
    return key === "?" || key === "escape" || key === "enter"
      ? { ...state, view: "status" }
      : state;
  }
  switch (key) {
    case "?":
      return { ...state, view: "help" };
    case "up":
    case "k":
      return select(state, -1, content);
    case "down":
    case "j":
      return select(state, 1, content);
    case "escape":
      return { ...state, selected: null };
    case "pageUp":
      return scrollLog(state, PAGE_LINES, content);
    case "pageDown":
      return scrollLog(state, -PAGE_LINES, content);
    case "home":
      return scrollLog(state, LOG_LINES_MAX, content);
    case "end":
      return { ...state, logBack: 0 };
    default:
      return state;
  }
}

function reactToButton(state: ScreenState, button: Button): ScreenState | "stop" {
  switch (button) {
    case "stop":
      return { ...state, view: "asking to stop" };
    case "help":
      return { ...state, view: state.view === "help" ? "status" : "help" };
    case "yes":
      return state.view === "asking to stop" ? "stop" : state;
    case "no":
      return { ...state, view: "status" };
    default:
      return button satisfies never;
  }
}

function select(state: ScreenState, step: 1 | -1, { rows }: ScreenContent): ScreenState {
  if (rows.length === 0) return state;
  const index = state.selected === null ? -1 : rows.indexOf(state.selected);
  const next = index === -1 ? (step === 1 ? 0 : rows.length - 1) : index + step;
  return { ...state, selected: rows[Math.min(rows.length - 1, Math.max(0, next))]! };
}

function scrollLog(
  state: ScreenState,
  back: number,
  { logLength, isLogAtStart }: Pick<ScreenContent, "logLength" | "isLogAtStart">,
): ScreenState {
  if (back > 0 && isLogAtStart) return state;
  const logBack = Math.min(Math.max(0, logLength - 1), Math.max(0, state.logBack + back));
  return { ...state, logBack };
}
