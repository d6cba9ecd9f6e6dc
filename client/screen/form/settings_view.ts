/** The settings panel of the start screen: every flag of the mode, and what each is for. */
import { type Canvas, rule } from "../../../lib/cli/screen/canvas.ts";
import type { OptionRow } from "../../../lib/cli/option_table.ts";
import { fit, type Line, span, type Tone, wrap } from "../../../lib/cli/screen/styled_line.ts";
import type { FormFacts, FormMessage, FormState, FormTarget } from "./form_state.ts";

const KEY_WIDTH = 23;
const MESSAGE_LINES_MAX = 3;
/** Of what a setting is for, below the list. */
const EXPLANATION_LINES = 3;

/** What is changed most; the rest is in the order of the help. */
const FIRST_IN_PANEL = ["scheduler", "transport", "dns", "kill-switch"];

export function inPanelOrder(options: readonly OptionRow[]): OptionRow[] {
  const rank = ({ name }: OptionRow) => {
    const at = FIRST_IN_PANEL.indexOf(name);
    return at < 0 ? FIRST_IN_PANEL.length : at;
  };
  return options.toSorted((one, other) => rank(one) - rank(other));
}

export function drawSettings(
  canvas: Canvas<FormTarget>,
  state: FormState,
  { options }: FormFacts,
): void {
  canvas.add(
    rule("settings: Enter changes, Del restores the default, Esc goes back", canvas.width),
  );
  const row = Math.min(state.row, options.length - 1);
  const said = state.message === null ? [] : messageLines(canvas, state.message);
  const room = Math.max(1, canvas.room - 1 - EXPLANATION_LINES - said.length);
  const first = Math.max(0, Math.min(row - room + 1, options.length - room));
  for (const [index, option] of options.slice(first, first + room).entries()) {
    const { name, value, description, defaultText } = option;
    const hasCursor = first + index === row;
    const own = state.settings.get(name);
    const shown = hasCursor && state.edited !== null
      ? `${state.edited}_`
      : own === undefined || own === false
      ? value === null ? "off" : defaultText ?? "-"
      : own === true
      ? "on"
      : own;
    const tone: Tone = hasCursor ? "strong" : own === undefined ? "dim" : "plain";
    canvas.target(0, canvas.width, { kind: "setting", name });
    canvas.add([
      span(hasCursor ? "> " : "  ", "strong"),
      span(fit(name, KEY_WIDTH), tone),
      span(` ${fit(shown, 20)} `, tone),
      span(description, "dim"),
    ]);
  }
  drawExplanation(canvas, options[row]);
  for (const line of said) canvas.add(line);
}

/** The whole of what the list has room for the beginning of. */
function drawExplanation(canvas: Canvas<FormTarget>, option: OptionRow | undefined): void {
  if (option === undefined) return;
  const { name, description, defaultText, choices } = option;
  canvas.add(rule(name, canvas.width));
  const builtIn = defaultText === null ? "" : ` (built in: ${defaultText})`;
  const words = choices.length > 1 ? `; one of ${choices.join(", ")}` : "";
  const text = `${description}${words}${builtIn}`;
  for (const line of wrap(text, canvas.width - 3, EXPLANATION_LINES)) {
    canvas.add([span(`  ${line}`)]);
  }
}

/** What went wrong, or was done. */
export function messageLines(
  { width }: Canvas<FormTarget>,
  { kind, text }: FormMessage,
): Line[] {
  return wrap(text, width - 3, MESSAGE_LINES_MAX)
    .map((line) => [span("  "), span(line, kind === "error" ? "bad" : "good")]);
}
