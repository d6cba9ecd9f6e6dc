/** The whole screen as a function of what is known, what the user did, and the size. */
import { Canvas, type Frame, rule, type Size } from "../../lib/cli/screen/canvas.ts";
import { formatUptime, sparkline } from "../../lib/cli/screen/figures.ts";
import type { LogLine } from "../../lib/cli/log_lines.ts";
import type { StepStatus } from "../bonding/connect_progress.ts";
import type { Button, ScreenState, ScreenTarget } from "./screen_state.ts";
import type { StatusModel, StatusRow } from "./status_model.ts";
import {
  fit,
  joinFitting,
  span,
  spread,
  type Tone,
  wrap,
} from "../../lib/cli/screen/styled_line.ts";
import { visibleWidth } from "@earendil-works/pi-tui";
import { drawHelp, type HelpEntry } from "../../lib/cli/screen/help_view.ts";
import { drawTooSmall, isTooSmall } from "../../lib/cli/screen/too_small.ts";
import { drawLog } from "../../lib/cli/screen/log_view.ts";
import { headingLine, layOut, rowLine } from "./table.ts";

/** Less than this is no screen to show anything on. */
export const STATUS_LEAST: Size = { columns: 24, rows: 6 };
/** From here on there is room for what explains. */
const FACTS_FROM_ROWS = 14;
const MORE_FROM_ROWS = 20;
const DETAIL_WIDTH = 38;
const LAST_MINUTE = "last minute";
const LOG_LINES_MIN = 3;
const STEP_MARK_WIDTH = 8;
const STEP_WIDTH = 9;
/** Of why a step failed. */
const STEP_LINES_MAX = 4;

const HELP: readonly HelpEntry[] = [
  ["q, Ctrl-C, [Stop]", "end the client; asks first"],
  ["up, down, k, j", "select a link; Esc for none"],
  ["click on a link", "select it, or not any more"],
  ["wheel, PgUp, PgDn", "older and newer lines of the log"],
  ["Home, End", "the oldest and the newest line"],
  ["F2", "leave the mouse to the terminal to mark text, or hold Shift"],
  ["?", "this help; again, Esc or Enter to leave it"],
];

/** Of keys of one mode, which the footer names in a word. */
const OWN_HELP: Readonly<Record<string, string>> = {
  "s scheduler": "the schedulers, to choose another one",
  "l links": "the links, to tick others",
};

export function drawFrame(
  model: StatusModel,
  state: ScreenState,
  log: readonly LogLine[],
  size: Size,
): Frame<ScreenTarget> {
  const width = Math.max(1, size.columns);
  const height = Math.max(1, size.rows);
  const canvas = new Canvas<ScreenTarget>(width, height);
  if (isTooSmall(size, STATUS_LEAST)) drawTooSmall(canvas, STATUS_LEAST);
  else {
    drawHead(canvas, model);
    if (state.view === "help") drawHelp(canvas, helpOf(model.keys ?? []));
    else drawStatus(canvas, model, state, log);
    canvas.fillTo(height - 1);
  }
  drawFooter(canvas, state, model.keys ?? []);
  return canvas;
}

function drawHead(canvas: Canvas<ScreenTarget>, model: StatusModel): void {
  const uptime = model.uptimeMs === null ? "" : `up ${formatUptime(model.uptimeMs)} `;
  canvas.add([span(spread(` ${model.title}`, uptime, canvas.width), "bar")]);
  const line = (parts: readonly string[]) => ` ${joinFitting(parts, canvas.width - 1)}`;
  if (canvas.height >= FACTS_FROM_ROWS) canvas.add([span(line(model.facts), "dim")]);
  canvas.add([span(line(model.totals), "strong")]);
  if (canvas.height >= MORE_FROM_ROWS) {
    for (const parts of model.more) canvas.add([span(line(parts), "dim")]);
  }
  if (canvas.height >= FACTS_FROM_ROWS) canvas.add([]);
}

function drawStatus(
  canvas: Canvas<ScreenTarget>,
  model: StatusModel,
  state: ScreenState,
  log: readonly LogLine[],
): void {
  if (model.steps !== undefined) {
    drawSteps(canvas, model.steps);
    return drawLog(canvas, state.logBack, log);
  }
  const { rows } = model;
  const selected = rows.findIndex(({ key }) => key === state.selected);
  const layout = layOut(model.columns, rows, canvas.width);
  canvas.add(headingLine(layout));

  const shownMax = Math.max(1, canvas.room - LOG_LINES_MIN);
  // All of them, or as many as there is room for with the selected one among them.
  const first = Math.max(0, Math.min(selected, rows.length - shownMax));
  for (const row of rows.slice(first, first + shownMax)) {
    canvas.target(0, canvas.width, { kind: "row", row: row.key });
    canvas.add(rowLine(row, layout, row.key === state.selected ? "selected" : "not selected"));
  }
  if (selected >= 0) drawDetails(canvas, rows[selected]!);
  drawLog(canvas, state.logBack, log);
}

const STEP_MARK: Record<StepStatus["state"], readonly [text: string, tone: Tone]> = {
  "waiting": ["", "dim"],
  "under way": ["...", "strong"],
  "done": ["done", "good"],
  "failed": ["FAILED", "bad"],
};

function drawSteps(canvas: Canvas<ScreenTarget>, steps: readonly StepStatus[]): void {
  const margin = STEP_MARK_WIDTH + STEP_WIDTH + 2;
  for (const { step, state, detail } of steps) {
    const [mark, tone] = STEP_MARK[state];
    const [first = "", ...rest] = wrap(detail, canvas.width - margin - 1, STEP_LINES_MAX);
    canvas.add([
      span(` ${fit(mark, STEP_MARK_WIDTH)}`, tone),
      span(`${fit(step, STEP_WIDTH)} `, state === "waiting" ? "dim" : "plain"),
      span(first, state === "failed" ? "bad" : "dim"),
    ]);
    for (const line of rest) canvas.add([span(" ".repeat(margin)), span(line, "bad")]);
  }
}

function helpOf(keys: readonly string[]): HelpEntry[] {
  const own = keys.map((text): HelpEntry => {
    const [key = "", ...words] = text.split(" ");
    return [key, OWN_HELP[text] ?? words.join(" ")];
  });
  return [...HELP, ...own];
}

/** Only if the log keeps its lines. */
function drawDetails(canvas: Canvas<ScreenTarget>, row: StatusRow): void {
  const across = Math.max(1, Math.floor((canvas.width - 1) / DETAIL_WIDTH));
  const down = Math.ceil(row.details.length / across);
  const chart = sparkline(row.lastMinute, Math.max(1, canvas.width - 22));
  if (canvas.room < down + 2 + LOG_LINES_MIN + 1) return;
  canvas.add(rule(row.key, canvas.width));
  const labels = [LAST_MINUTE, ...row.details.map(([label]) => label)];
  const labelWidth = Math.max(...labels.map(visibleWidth));
  for (let line = 0; line < down; line++) {
    canvas.add(
      Array.from({ length: across }, (_, column) => row.details[column * down + line])
        .flatMap((detail) =>
          detail === undefined ? [] : [
            span(` ${fit(detail[0], labelWidth)} `, "dim"),
            span(fit(detail[1], DETAIL_WIDTH - labelWidth - 2)),
          ]
        ),
    );
  }
  canvas.add([span(` ${fit(LAST_MINUTE, labelWidth)} `, "dim"), span(chart)]);
}

interface FooterPart {
  readonly text: string;
  readonly button?: Button;
}

function drawFooter(
  canvas: Canvas<ScreenTarget>,
  state: ScreenState,
  keys: readonly string[],
): void {
  const parts: FooterPart[] = state.view === "asking to stop"
    ? [
      { text: "Stop? y/n" },
      { text: "[Yes]", button: "yes" },
      { text: "[No]", button: "no" },
      { text: "the machine's own routes come back" },
    ]
    : [
      { text: "[Stop]", button: "stop" },
      { text: "[Help]", button: "help" },
      { text: "q stop" },
      { text: "? help" },
      { text: "up/down select" },
      { text: "wheel log" },
      ...keys.map((text) => ({ text })),
    ];
  const line = [span(" ")];
  let at = 1;
  for (const { text, button } of parts) {
    if (at + text.length > canvas.width) break;
    if (button !== undefined) {
      canvas.target(at, at + text.length, { kind: "button", button });
    }
    const tone = button !== undefined ? "button" : state.view === "asking to stop" ? "warn" : "dim";
    line.push(span(text, tone), span("  "));
    at += text.length + 2;
  }
  canvas.add(line);
}
