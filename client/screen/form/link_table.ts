/** The links of the machine to tick, a row each. */
import type { Canvas } from "../../../lib/cli/screen/canvas.ts";
import { fit, span, type Tone } from "../../../lib/cli/screen/styled_line.ts";
import type { MachineLink } from "./machine_link.ts";

/** Of the cursor and the box in front of a link. */
const MARKS_WIDTH = 6;

interface LinkTable<Target> {
  readonly links: readonly MachineLink[];
  readonly selected: readonly string[];
  /** By link, as the server or a page sees it; `...` while it is asked. */
  readonly externalAddresses: ReadonlyMap<string, string>;
  /** The row that the keys are on; null: they are elsewhere. */
  readonly cursor: number | null;
  /** The row to be in sight. */
  readonly row: number;
  /** Lines it may take besides its heading. */
  readonly room: number;
  target(name: string): Target;
}

interface LinkColumn {
  readonly heading: string;
  readonly width: number;
  /** From how many columns of the screen on. */
  readonly from: number;
  text(link: MachineLink, externalAddresses: ReadonlyMap<string, string>): string;
}

const LINK_COLUMNS: readonly LinkColumn[] = [
  { heading: "LINK", width: 15, from: 0, text: ({ name }) => name },
  { heading: "TYPE", width: 8, from: 70, text: ({ kind }) => kind },
  { heading: "STATE", width: 5, from: 0, text: ({ isUp }) => isUp ? "up" : "down" },
  { heading: "SPEED", width: 8, from: 110, text: ({ speedMbit }) => speedText(speedMbit) },
  { heading: "MTU", width: 5, from: 118, text: ({ mtu }) => String(mtu) },
  {
    heading: "EXTERNAL",
    width: 15,
    from: 100,
    text: ({ name }, externalAddresses) => externalAddresses.get(name) ?? "-",
  },
  { heading: "GATEWAY", width: 15, from: 56, text: ({ gateways }) => gateways[0] ?? "-" },
  // Takes what is left.
  { heading: "ADDRESS", width: 10, from: 0, text: ({ addresses }) => addresses.join(", ") || "-" },
];

export function drawLinkTable<Target>(canvas: Canvas<Target>, table: LinkTable<Target>): void {
  const { links, selected, externalAddresses, room } = table;
  const columns = LINK_COLUMNS.filter(({ from }) => canvas.width >= from);
  const used = columns.slice(0, -1).reduce((sum, { width }) => sum + width + 1, MARKS_WIDTH);
  const widthOf = (column: LinkColumn) =>
    column === columns.at(-1) ? Math.max(column.width, canvas.width - used) : column.width;
  const headings = columns.map((one) => fit(one.heading, widthOf(one))).join(" ");
  canvas.add([span(`      ${headings}`, "dim")]);
  const row = Math.min(table.row, links.length - 1);
  const first = Math.max(0, Math.min(row - room + 1, links.length - room));
  for (const [index, link] of links.slice(first, first + room).entries()) {
    const isOn = selected.includes(link.name);
    const hasCursor = table.cursor !== null && first + index === row;
    const usable = link.problem === null;
    const cells = columns.map((one) => fit(one.text(link, externalAddresses), widthOf(one)));
    const tone: Tone = !usable ? "bad" : hasCursor ? "strong" : isOn ? "good" : "plain";
    canvas.target(0, canvas.width, table.target(link.name));
    canvas.add([
      span(hasCursor ? "> " : "  ", "strong"),
      span(usable ? (isOn ? "[x] " : "[ ] ") : isOn ? "[!] " : " -  ", tone),
      span(usable ? cells.join(" ") : notUsable(link, columns, isOn), tone),
    ]);
  }
  const left = links.length - room;
  if (left > 0) canvas.add([span(`  ${left} more: up, down`, "dim")]);
}

function speedText(mbit: number | null): string {
  if (mbit === null) return "-";
  return mbit >= 1000 ? `${mbit / 1000} Gbit` : `${mbit} Mbit`;
}

function notUsable(
  { name, problem }: MachineLink,
  [column]: readonly LinkColumn[],
  isSelected: boolean,
): string {
  const then = isSelected ? ": stays selected, and is used when it is back" : "";
  return `${fit(name, column!.width)} ${problem}${then}`;
}
