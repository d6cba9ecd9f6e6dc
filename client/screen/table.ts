/** Lays the table out: which columns there is room for, and one line for the heading and each row. */
import { visibleWidth } from "@earendil-works/pi-tui";
import { sparkline } from "../../lib/cli/screen/figures.ts";
import type { Column, StatusRow } from "./status_model.ts";
import { fit, type Line, span } from "../../lib/cli/screen/styled_line.ts";

/** Before each line: whether it is selected. */
const MARK_WIDTH = 2;
/** From this width on columns stand two apart, below it one. */
const WIDE_FROM = 100;
/** The text of a cell that shows the last minute of its row. */
export const SPARKLINE = "sparkline";
/** What each mode shows of the last minute. */
export const LAST_MINUTE: Column = {
  key: "minute",
  heading: "LAST MINUTE",
  width: 11,
  align: "left",
  rank: 11,
  grows: "as a sparkline",
};
/** A bar for each second of the last minute. */
const SPARKLINE_MAX = 60;

interface LaidColumn {
  readonly column: Column;
  readonly width: number;
}

/** What there is room for, and how far apart. */
interface Layout {
  readonly columns: readonly LaidColumn[];
  readonly gap: string;
}

/** The columns that fit into `width`, in their order; always the one of the lowest rank. */
export function layOut(
  columns: readonly Column[],
  rows: readonly StatusRow[],
  width: number,
): Layout {
  const gap = width < WIDE_FROM ? " " : "  ";
  const chosen = new Set<Column>();
  let room = width - MARK_WIDTH;
  const byRank = columns.toSorted((a, b) => a.rank - b.rank);
  const [first] = byRank;
  const whole = first?.grows === undefined
    ? 0
    : Math.max(0, longest(first.key, rows) - first.width);
  /** A whole name says more than what ranks behind the chart. */
  let kept = 0;
  for (const column of byRank) {
    const needed = column.width + (chosen.size === 0 ? 0 : gap.length);
    if (chosen.size > 0 && needed + kept > room) continue;
    if (column.grows === "as a sparkline") kept = whole;
    chosen.add(column);
    room -= needed;
  }
  const widen = (least: number, wanted: number) => {
    const more = Math.max(0, Math.min(wanted - least, room));
    room -= more;
    return least + more;
  };
  return {
    gap,
    columns: columns.filter((column) => chosen.has(column)).map((column) => {
      const least = Math.min(column.width, Math.max(1, width - MARK_WIDTH));
      switch (column.grows) {
        case undefined:
          return { column, width: least };
        case "to its longest text":
          return { column, width: widen(least, longest(column.key, rows)) };
        case "as a sparkline":
          return { column, width: widen(least, SPARKLINE_MAX) };
        default:
          return column.grows satisfies never;
      }
    }),
  };
}

function longest(key: string, rows: readonly StatusRow[]): number {
  return Math.max(0, ...rows.map(({ cells }) => visibleWidth(cells[key]?.text ?? "")));
}

export function headingLine({ columns, gap }: Layout): Line {
  const headings = columns.map(({ column, width }) => fit(column.heading, width, column.align));
  return [span(" ".repeat(MARK_WIDTH)), span(headings.join(gap), "dim")];
}

export function rowLine(
  row: StatusRow,
  { columns, gap }: Layout,
  selection: "selected" | "not selected",
): Line {
  const isSelected = selection === "selected";
  const cells = columns.flatMap(({ column, width }, index) => {
    const { alone } = column;
    const isAlone = alone !== undefined &&
      !columns.some(({ column: { key } }) => key === alone.without);
    const own = (isAlone ? row.cells[alone.cell] : undefined) ?? row.cells[column.key] ?? span("");
    const isSparkline = column.grows === "as a sparkline" && own.text === SPARKLINE;
    const cell = isSparkline ? span(sparkline(row.lastMinute, width), own.tone) : own;
    const text = span(fit(cell.text, width, column.align), cell.tone);
    return index === 0 ? [text] : [span(gap), text];
  });
  return [span(isSelected ? "> " : "  ", "strong"), ...cells];
}
