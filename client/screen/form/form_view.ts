/** The start screen as a function of what was chosen, what the machine has, and the size. */
import { serverText } from "../../config/server_setting.ts";
import { Canvas, type Frame, rule, type Size } from "../../../lib/cli/screen/canvas.ts";
import { sameUpstreamWarning } from "../../balance/external_address.ts";
import type { LogLine } from "../../../lib/cli/log_lines.ts";
import { drawLog } from "../../../lib/cli/screen/log_view.ts";
import { drawHelp, type HelpEntry } from "../../../lib/cli/screen/help_view.ts";
import { drawTooSmall, isTooSmall, TOO_SMALL_FOOTER } from "../../../lib/cli/screen/too_small.ts";
import {
  cut,
  fit,
  joinFitting,
  type Line,
  span,
  spread,
  type Tone,
  wrap,
} from "../../../lib/cli/screen/styled_line.ts";
import {
  type Focus,
  type FormFacts,
  type FormState,
  type FormTarget,
  isBalancing,
  isTypingServer,
  listedLinks,
  selectedLinks,
  usableLinks,
  whatIsMissing,
} from "./form_state.ts";
import { drawLinkTable } from "./link_table.ts";
import { drawSettings, messageLines } from "./settings_view.ts";
import { drawQuestion } from "../../../lib/cli/screen/question_line.ts";

export const FORM_LEAST: Size = { columns: 40, rows: 12 };
const LABEL_WIDTH = 13;
const LOG_LINES_MIN = 3;
const WHY_LINES_MAX = 3;

const HELP: readonly HelpEntry[] = [
  ["Tab, Shift-Tab", "from one field to the next"],
  ["up, down", "along links and settings; Home, End, PgUp, PgDn, wheel"],
  ["Space, Enter", "select a link, press a button, change a setting"],
  ["left, right", "the mode, and which certificate"],
  ["a", "show all interfaces, or those that are likely"],
  ["s, d, F5", "settings, diagnosis, start"],
  ["F2", "leave the mouse to the terminal, to mark text"],
  ["q, Esc, Ctrl-C", "quit; asks first"],
  ["F1, ?", "this help; again to leave it"],
];

const HELP_OF_SETTINGS: readonly HelpEntry[] = [
  ["up, down", "from one setting to the next; Home, End, PgUp, PgDn, wheel"],
  ["Enter, Space, right", "turn a switch, take the next word, or type a value; Enter takes it"],
  ["Del, Backspace", "what is built in"],
  ["F2", "leave the mouse to the terminal, to mark text"],
  ["Esc, q, s", "back to the form; what was changed is saved"],
  ["F1, ?", "this help; again to leave it"],
];

export function drawForm(
  state: FormState,
  facts: FormFacts,
  log: readonly LogLine[],
  size: Size,
): Frame<FormTarget> {
  const canvas = new Canvas<FormTarget>(Math.max(1, size.columns), Math.max(1, size.rows));
  if (isTooSmall(size, FORM_LEAST)) {
    drawTooSmall(canvas, FORM_LEAST);
    drawFooter(canvas, state, TOO_SMALL_FOOTER);
    return canvas;
  }
  canvas.add([span(spread(" Fluxify client", "not running ", canvas.width), "bar")]);
  if (state.view === "help") drawHelp(canvas, HELP);
  else if (state.view === "help of settings") drawHelp(canvas, HELP_OF_SETTINGS);
  else if (state.view === "settings") {
    drawSettings(canvas, state, facts);
  } else {
    drawChoices(canvas, state, facts);
    drawLinks(canvas, state, facts);
    drawButtons(canvas, state, facts);
    drawLog(canvas, 0, log);
  }
  canvas.fillTo(canvas.height - 1);
  drawFooter(canvas, state);
  return canvas;
}

function drawChoices(canvas: Canvas<FormTarget>, state: FormState, facts: FormFacts): void {
  const { settings, focus } = state;
  const balancing = isBalancing(settings);
  const label = (text: string, own: Focus) => marked(fit(text, LABEL_WIDTH), own, state);
  const bonding = `(${balancing ? " " : "*"}) bonding`;
  const balance = `(${balancing ? "*" : " "}) load balance`;
  const at = LABEL_WIDTH + 2;
  canvas.target(at, at + bonding.length, { kind: "mode", mode: "bonding" });
  canvas.target(at + bonding.length + 2, at + bonding.length + 2 + balance.length, {
    kind: "mode",
    mode: "load-balance",
  });
  const tone: Tone = focus === "mode" ? "strong" : "plain";
  canvas.add([...label("Mode", "mode"), span(`${bonding}  ${balance}`, tone)]);

  if (balancing) {
    canvas.add([span(`  ${fit("Server", LABEL_WIDTH)}none: load balance needs no server`, "dim")]);
    canvas.add([span(`  ${fit("Certificate", LABEL_WIDTH)}none`, "dim")]);
    return;
  }
  const server = state.edited ?? serverText(settings);
  const width = Math.max(10, canvas.width - at - 2);
  const isServer = focus === "server";
  // The end of a long one is what is being typed.
  const shown = isServer ? `${server.slice(-(width - 1))}_` : server;
  canvas.target(0, canvas.width, { kind: "focus", focus: "server" });
  canvas.add([
    ...label("Server", "server"),
    server === "" && !isServer
      ? span("name or address of your fluxify-server; several with spaces between", "dim")
      : span(cut(shown, width), isServer ? "strong" : "plain"),
  ]);
  const { choices, state: certificate } = facts.certificate;
  canvas.target(0, canvas.width, { kind: "focus", focus: "certificate" });
  const more = choices.length > 1 ? ` (left, right: ${choices.length} of them)` : "";
  const text = certificate.kind === "reading" ? "..." : certificate.text + more;
  const shade: Tone = certificate.kind === "bad" ? "bad" : "plain";
  // What to do about it is at the end.
  const [first = "", ...rest] = wrap(text, canvas.width - at, WHY_LINES_MAX);
  canvas.add([...label("Certificate", "certificate"), span(first, shade)]);
  for (const line of rest) canvas.add([span(" ".repeat(at)), span(line, shade)]);
}

/** Whether the keys go there is told by a mark and by the tone. */
function marked(text: string, own: Focus, { focus, view }: FormState): Line {
  const isOwn = focus === own && view === "form";
  return [span(isOwn ? "> " : "  ", "strong"), span(text, isOwn ? "strong" : "dim")];
}

function drawLinks(canvas: Canvas<FormTarget>, state: FormState, facts: FormFacts): void {
  const links = listedLinks(state, facts);
  const selected = selectedLinks(state.settings);
  const all = facts.links?.length ?? 0;
  const others = all - links.length;
  const hint = state.shows === "all links" ? "a: fewer" : `a: all ${all}`;
  const usableCount = usableLinks(state, facts).length;
  const away = facts.links === null ? 0 : selected.length - usableCount;
  const title = `links: ${selected.length - away} selected${
    away > 0 ? ` and ${away} away` : ""
  }, ${links.length} shown`;
  canvas.target(0, canvas.width, { kind: "show links" });
  canvas.add(
    rule(others > 0 || state.shows === "all links" ? `${title}, ${hint}` : title, canvas.width),
  );
  if (facts.linksError !== null) canvas.add([span(`  ${facts.linksError}`, "bad")]);
  else if (facts.links === null) canvas.add([span("  looking for links ...", "dim")]);
  else if (all === 0) canvas.add([span("  no links found: plug one in", "warn")]);
  if (links.length === 0) return;

  drawLinkTable(canvas, {
    ...{ links, selected, externalAddresses: facts.externalAddresses },
    cursor: state.view === "form" && state.focus === "links" ? state.row : null,
    row: state.row,
    room: Math.max(1, canvas.room - 4 - LOG_LINES_MIN),
    target: (name): FormTarget => ({ kind: "link", name }),
  });
  drawWarnings(canvas, selected, facts);
}

function drawWarnings(
  canvas: Canvas<FormTarget>,
  selected: readonly string[],
  { externalAddresses }: FormFacts,
): void {
  const known = [...externalAddresses].filter(([name, address]) =>
    selected.includes(name) && /[.:]\w/.test(address)
  );
  const warning = sameUpstreamWarning(new Map(known));
  if (warning !== null) canvas.add([span(`  ${warning}`, "warn")]);
}

const BUTTONS = [
  ["start", "[Start]"],
  ["settings", "[Settings]"],
  ["diagnose", "[Diagnose]"],
  ["quit", "[Quit]"],
] as const;

function drawButtons(canvas: Canvas<FormTarget>, state: FormState, facts: FormFacts): void {
  const missing = whatIsMissing(state, facts);
  canvas.add([]);
  const line = [span("  ")];
  let at = 2;
  for (const [focus, text] of BUTTONS) {
    const isFocused = state.focus === focus && state.view === "form";
    const isOff = focus === "start" && missing.length > 0;
    canvas.target(at, at + text.length, { kind: "focus", focus });
    line.push(
      span(
        isFocused ? `>${text.slice(1, -1)}<` : text,
        isFocused ? "button" : isOff ? "dim" : "strong",
      ),
      span("  "),
    );
    at += text.length + 2;
  }
  const { message } = state;
  const ready = missing.length === 0 ? "ready" : `needs ${missing.join(", ")}`;
  const readiness = span(ready, missing.length === 0 ? "good" : "warn");
  if (at + ready.length <= canvas.width) canvas.add([...line, readiness]);
  else {
    canvas.add(line);
    canvas.add([span("  "), readiness]);
  }
  if (message !== null) { for (const line of messageLines(canvas, message)) canvas.add(line); }
}

/** `instead`: of what can be done in the view, which is not shown. */
function drawFooter(
  canvas: Canvas<FormTarget>,
  state: FormState,
  instead?: readonly string[],
): void {
  if (state.view === "asking to quit") {
    return drawQuestion<FormTarget>(canvas, "Quit", (answer) => ({ kind: "quit", answer }));
  }
  if (state.view === "settings" && instead === undefined) canvas.target(1, 7, { kind: "back" });
  const parts = instead ??
    (state.view === "settings"
      ? state.edited === null
        ? ["[Back]", "up/down, Home, End", "Enter change", "Del built in", "? help", "Esc back"]
        : ["[Back]", "Enter takes it", "Esc leaves it as it was"]
      : state.view === "help" || state.view === "help of settings"
      ? ["Esc back"]
      : state.edited !== null
      ? ["Enter takes it", "Esc leaves it as it was", "F5 start"]
      : isTypingServer(state)
      ? ["type the server's name or address", "Enter takes it", "F5 start", "Esc quit"]
      // The last are the first to be left out; diagnosis has a button.
      : [
        "Tab next",
        "Space select",
        state.shows === "all links" ? "a fewer links" : "a show all links",
        "s settings",
        "F5 start",
        "? help",
        "q quit",
        "d diagnose",
      ]);
  canvas.add([span(` ${joinFitting(parts, canvas.width - 1, "  ")}`, "dim")]);
}
