/** A screen of a terminal, as tmux captures it with its colours, as an SVG picture. */

const CELL_WIDTH = 8.4;
const CELL_HEIGHT = 18;
const MARGIN = 12;
const FOREGROUND = "#d8dee9";
const BACKGROUND = "#1e222a";
/** SGR 30 to 37, as in ECMA-48, in colours that can be read on the background. */
const COLOURS = [
  "#4c566a",
  "#e06c75",
  "#98c379",
  "#e5c07b",
  "#61afef",
  "#c678dd",
  "#56b6c2",
  "#d8dee9",
] as const;

interface Style {
  colour: string;
  isBold: boolean;
  isDim: boolean;
  isReverse: boolean;
}

interface Run {
  readonly column: number;
  readonly text: string;
  readonly style: Style;
}

const PLAIN: Style = { colour: FOREGROUND, isBold: false, isDim: false, isReverse: false };

export function terminalSvg(painted: string, columns: number): string {
  const lines = painted.replace(/\n+$/, "").split("\n");
  const width = columns * CELL_WIDTH + 2 * MARGIN;
  const height = lines.length * CELL_HEIGHT + 2 * MARGIN;
  const style = { ...PLAIN };
  const body = lines.flatMap((line, row) => runsOf(line, style).map((run) => drawRun(run, row)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width.toFixed(0)} ${height}"` +
    ` width="${width.toFixed(0)}" height="${height}" font-family="monospace" font-size="14">`,
    `<rect width="100%" height="100%" rx="6" fill="${BACKGROUND}"/>`,
    ...body,
    "</svg>",
    "",
  ].join("\n");
}

/** Pieces of one style; a style goes on over the end of a line. */
function runsOf(line: string, style: Style): Run[] {
  const runs: Run[] = [];
  let column = 0;
  // deno-lint-ignore no-control-regex
  for (const part of line.split(/(\x1b\[[0-9;]*m)/)) {
    // deno-lint-ignore no-control-regex
    const codes = /^\x1b\[([0-9;]*)m$/.exec(part)?.[1];
    if (codes !== undefined) {
      for (const code of codes.split(";").map(Number)) apply(style, code);
      continue;
    }
    if (part !== "") runs.push({ column, text: part, style: { ...style } });
    column += [...part].length;
  }
  return runs;
}

function apply(style: Style, code: number): void {
  if (code === 0) Object.assign(style, PLAIN);
  else if (code === 1) style.isBold = true;
  else if (code === 2) style.isDim = true;
  else if (code === 7) style.isReverse = true;
  else if (code >= 30 && code <= 37) style.colour = COLOURS[code - 30]!;
  else if (code === 39) style.colour = FOREGROUND;
}

function drawRun({ column, text, style }: Run, row: number): string {
  const x = MARGIN + column * CELL_WIDTH;
  const y = MARGIN + row * CELL_HEIGHT;
  const length = [...text].length * CELL_WIDTH;
  const box = style.isReverse
    ? `<rect x="${x.toFixed(1)}" y="${y}" width="${length.toFixed(1)}" height="${CELL_HEIGHT}"` +
      ` fill="${style.colour}"/>`
    : "";
  if (text.trim() === "") return box;
  const fill = style.isReverse ? BACKGROUND : style.colour;
  return box + `<text x="${x.toFixed(1)}" y="${y + 14}" textLength="${length.toFixed(1)}"` +
    ` xml:space="preserve" fill="${fill}"${style.isBold ? ' font-weight="bold"' : ""}` +
    `${style.isDim ? ' opacity="0.65"' : ""}>${escapeXml(text)}</text>`;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
