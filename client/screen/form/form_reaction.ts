/** What a key or a click makes of the form. */
import { serverText } from "../../config/server_setting.ts";
import type { OptionRow } from "../../../lib/cli/option_table.ts";
import { rowAfter } from "../../../lib/cli/screen/list_cursor.ts";
import { MODE_KEY } from "../../config/settings.ts";
import {
  calmed,
  FOCUS_ORDER,
  followSettings,
  type FormFacts,
  type FormInput,
  type FormState,
  type FormStep,
  type FormTarget,
  isBalancing,
  isTypingServer,
  listedLinks,
  selectedLinks,
  textOf,
  whatIsMissing,
  withLinks,
  withSetting,
  withText,
  withTypedServer,
} from "./form_state.ts";
import type { MachineLink } from "./machine_link.ts";

/** What the flags would refuse is not taken: what was typed stays to be corrected, and why is said. */
export function reactForm(state: FormState, input: FormInput, facts: FormFacts): FormStep {
  const step = reaction(state, input, facts);
  if (step.state.settings === state.settings) return step;
  const why = facts.whyRefused(step.state.settings);
  if (why === null) return { ...step, state: followSettings(step.state, state.settings) };
  return { state: { ...state, message: { kind: "error", text: why } } };
}

function reaction(state: FormState, input: FormInput, facts: FormFacts): FormStep {
  if (input.kind === "click") return clicked(state, input.target, facts);
  switch (state.view) {
    case "asking to quit":
      if (["y", "Y", "enter", "ctrl+c"].includes(input.key)) return quit(state, facts);
      return ["n", "N", "escape", "q"].includes(input.key)
        ? { state: { ...state, view: "form" } }
        : { state };
    case "help":
    case "help of settings": {
      const view = state.view === "help" ? "form" : "settings";
      return ["?", "escape", "enter", "q", "f1"].includes(input.key)
        ? { state: { ...state, view } }
        : { state };
    }
    case "settings":
      return { state: inSettings(state, input, facts) };
    case "form":
      return inForm(state, input, facts);
    default:
      return state.view satisfies never;
  }
}

function inForm(
  before: FormState,
  { key, text }: { key: string; text: string },
  facts: FormFacts,
): FormStep {
  const calm = calmed(before);
  const isTyping = isTypingServer(calm);
  if (isTyping && (text !== "" || ["backspace", "ctrl+u", "delete"].includes(key))) {
    const typed = calm.edited ?? serverText(calm.settings);
    return { state: { ...calm, edited: edit(typed, key, text) } };
  }
  if (key === "escape" && calm.edited !== null) return { state: { ...calm, edited: null } };
  if (key === "ctrl+c" || key === "escape") return { state: { ...calm, view: "asking to quit" } };
  // Whatever else is done, what was typed is taken first.
  const state = withTypedServer(calm);
  if (key === "tab") return { state: moveFocus(state, 1) };
  if (key === "shift+tab") return { state: moveFocus(state, -1) };
  if (key === "f1") return { state: { ...state, view: "help" } };
  if (key === "f5") return start(state, facts);
  if (isTyping && key === "enter") return { state: moveFocus(state, 1) };
  if (key === "q") return { state: { ...state, view: "asking to quit" } };
  if (key === "?") return { state: { ...state, view: "help" } };
  if (key === "a") return { state: otherLinks(state) };
  if (key === "s") return { state: openSettings(state) };
  if (key === "d") return { state, action: "diagnose" };
  switch (state.focus) {
    case "mode":
      if (["left", "right", "space", "enter"].includes(key)) return { state: otherMode(state) };
      break;
    case "certificate":
      if (key === "left") return { state: otherCertificate(state, facts, -1) };
      if (["right", "space", "enter"].includes(key)) {
        return { state: otherCertificate(state, facts, 1) };
      }
      break;
    case "links": {
      const links = listedLinks(state, facts);
      if ((key === "up" || key === "k") && state.row <= 0) break;
      if ((key === "down" || key === "j") && state.row >= links.length - 1) break;
      const row = rowAfter(key, state.row, links.length);
      if (row !== null) return { state: { ...state, row } };
      const link = links[Math.min(state.row, links.length - 1)];
      if ((key === "space" || key === "enter") && link !== undefined) {
        return { state: toggleLink(state, link) };
      }
      break;
    }
    case "start":
      if (key === "enter" || key === "space") return start(state, facts);
      break;
    case "settings":
      if (key === "enter" || key === "space") return { state: openSettings(state) };
      break;
    case "diagnose":
      if (key === "enter" || key === "space") return { state, action: "diagnose" };
      break;
    case "quit":
      if (key === "enter" || key === "space") {
        return { state: { ...state, view: "asking to quit" } };
      }
      break;
    case "server":
      break;
    default:
      state.focus satisfies never;
  }
  const isButton = ["start", "settings", "diagnose", "quit"].includes(state.focus);
  if (key === "down" || key === "j" || (isButton && key === "right")) {
    return { state: moveFocus(state, 1) };
  }
  if (key === "up" || key === "k" || (isButton && key === "left")) {
    return { state: moveFocus(state, -1) };
  }
  return { state };
}

/** Leaves nothing typed behind that could be taken. */
function quit(state: FormState, facts: FormFacts): FormStep {
  const typed = withTypedServer(state);
  const isRight = facts.whyRefused(typed.settings) === null;
  return { state: isRight ? typed : { ...state, edited: null }, action: "quit" };
}

function clicked(before: FormState, target: FormTarget, facts: FormFacts): FormStep {
  const isInField = target.kind === "focus" && target.focus === "server";
  const asksToQuit = target.kind === "quit" || (target.kind === "focus" && target.focus === "quit");
  const state = isInField || asksToQuit ? before : withTypedServer(before);
  const calm = calmed(state);
  switch (target.kind) {
    case "focus":
      switch (target.focus) {
        case "start":
          return start({ ...calm, focus: "start" }, facts);
        case "settings":
          return { state: openSettings(calm) };
        case "diagnose":
          return { state: calm, action: "diagnose" };
        case "quit":
          return { state: { ...calm, view: "asking to quit" } };
        case "certificate":
          return { state: otherCertificate({ ...calm, focus: "certificate" }, facts, 1) };
        default:
          return { state: { ...calm, focus: target.focus } };
      }
    case "mode":
      return { state: { ...withText(calm, MODE_KEY, target.mode), focus: "mode" } };
    case "link": {
      const links = listedLinks(state, facts);
      const row = links.findIndex(({ name }) => name === target.name);
      return { state: row < 0 ? calm : toggleLink({ ...calm, focus: "links", row }, links[row]!) };
    }
    case "setting": {
      const row = facts.options.findIndex(({ name }) => name === target.name);
      if (row < 0 || (before.edited !== null && before.row === row)) return { state: before };
      return { state: change({ ...withTypedSetting(calm, facts), row }, facts.options[row]!) };
    }
    case "show links":
      return { state: otherLinks(calm) };
    case "back": {
      const taken = withTypedSetting(calm, facts);
      return { state: { ...taken, view: "form", focus: "settings", row: 0 } };
    }
    case "quit":
      return target.answer === "yes" ? quit(state, facts) : { state: { ...calm, view: "form" } };
    default:
      return target satisfies never;
  }
}

/** In the settings panel Tab goes along the list as well. */
const LIST_KEYS: Readonly<Record<string, string>> = { "tab": "down", "shift+tab": "up" };

function inSettings(
  state: FormState,
  { key, text }: { key: string; text: string },
  facts: FormFacts,
): FormState {
  const { options } = facts;
  const option = options[Math.min(state.row, options.length - 1)];
  if (state.edited !== null && option !== undefined) {
    if (key === "escape" || key === "ctrl+c") return calmed({ ...state, edited: null });
    if (key === "enter" || key === "tab") return withTypedSetting(state, facts);
    return calmed({ ...state, edited: edit(state.edited, key, text) });
  }
  const calm = calmed(state);
  const row = rowAfter(LIST_KEYS[key] ?? key, state.row, options.length);
  if (row !== null) return { ...calm, row };
  switch (key) {
    case "escape":
    case "q":
    case "s":
      return { ...calm, view: "form", focus: "settings", row: 0 };
    case "ctrl+c":
      return { ...calm, view: "asking to quit" };
    case "?":
    case "f1":
      return { ...calm, view: "help of settings" };
    case "backspace":
    case "delete":
      return option === undefined ? calm : withText(calm, option.name, "");
    case "enter":
    case "space":
    case "right":
      return option === undefined ? calm : change(calm, option);
    default:
      return calm;
  }
}

/** What was typed of the setting under the cursor is taken. */
function withTypedSetting(state: FormState, { options }: FormFacts): FormState {
  const option = options[Math.min(state.row, options.length - 1)];
  if (state.edited === null || option === undefined || state.view !== "settings") return state;
  return withText(calmed({ ...state, edited: null }), option.name, state.edited.trim());
}

/** A switch is turned, a word becomes the next one, a text is edited. */
function change(state: FormState, { name, value, choices, defaultText }: OptionRow): FormState {
  if (value === null) {
    return withSetting(state, name, state.settings.get(name) === true ? undefined : true);
  }
  const text = textOf(state, name);
  if (choices.length === 0) return { ...state, edited: text };
  const at = choices.indexOf(text || (defaultText ?? ""));
  return withText(state, name, choices[(at + 1) % choices.length]!);
}

function start(state: FormState, facts: FormFacts): FormStep {
  const missing = whatIsMissing(state, facts);
  if (missing.length === 0) return { state, action: "start" };
  const text = `needs ${missing.join(", ")}`;
  return { state: { ...state, message: { kind: "error", text, about: "what is missing" } } };
}

function moveFocus(state: FormState, by: 1 | -1): FormState {
  // Without a server there is nothing to type, nor a certificate to show.
  const order = FOCUS_ORDER.filter((focus) =>
    !isBalancing(state.settings) || (focus !== "server" && focus !== "certificate")
  );
  const at = (order.indexOf(state.focus) + by + order.length) % order.length;
  return { ...state, focus: order[at]!, row: by === -1 && order[at] === "links" ? state.row : 0 };
}

function openSettings(state: FormState): FormState {
  return { ...state, view: "settings", row: 0, edited: null };
}

function otherLinks(state: FormState): FormState {
  return { ...state, shows: state.shows === "all links" ? "likely links" : "all links", row: 0 };
}

function otherMode(state: FormState): FormState {
  return withText(state, MODE_KEY, isBalancing(state.settings) ? "bonding" : "load-balance");
}

function otherCertificate(state: FormState, { certificate }: FormFacts, by: 1 | -1): FormState {
  const { choices } = certificate;
  if (choices.length < 2) return state;
  const at = choices.indexOf(textOf(state, "cert"));
  const next = at < 0 ? (by === 1 ? 0 : choices.length - 1) : at + by;
  return withText(state, "cert", choices[(next + choices.length) % choices.length]!);
}

function toggleLink(state: FormState, { name, problem }: MachineLink): FormState {
  const selected = selectedLinks(state.settings);
  if (selected.includes(name)) return withLinks(state, selected.filter((one) => one !== name));
  if (problem !== null) {
    return { ...state, message: { kind: "error", text: `${name} cannot be used: it ${problem}` } };
  }
  return withLinks(state, [...selected, name]);
}

function edit(before: string, key: string, text: string): string {
  if (key === "ctrl+u") return "";
  if (key === "backspace" || key === "delete") return [...before].slice(0, -1).join("");
  return (before + text).slice(0, 1024);
}
