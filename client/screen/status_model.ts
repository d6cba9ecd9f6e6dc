/**
 * The live status of `fluxify-client` on a full screen, for both modes. What is shown is a function:
 * a mode's figures become a StatusModel (bond_view.ts, balance_view.ts), and model, ScreenState, log
 * and size become a Frame (frame.ts). ScreenHost alone touches the terminal, and gives it back as it was
 * however the program ends, save for SIGKILL. `fluxify-client status` draws the same model as text.
 *
 * This file: what a mode tells the screen.
 */
import type { StepStatus } from "../bonding/connect_progress.ts";
import type { Tone } from "../../lib/cli/screen/styled_line.ts";

export interface Cell {
  readonly text: string;
  readonly tone: Tone;
}

export interface Column {
  readonly key: string;
  readonly heading: string;
  /** Columns of the terminal; the least, for one that grows. */
  readonly width: number;
  readonly align: "left" | "right";
  /** Which to leave out first where there is no room: the highest. */
  readonly rank: number;
  /** Takes of the room that is left, the first before others. See SPARKLINE in table.ts. */
  readonly grows?: "to its longest text" | "as a sparkline";
  /** Where there is no room for that column, rows show another cell of theirs here, if they have it. */
  readonly alone?: { readonly without: string; readonly cell: string };
}

export interface StatusRow {
  /** Stays the same from one model to the next. */
  readonly key: string;
  /** By the keys of the columns; what is missing is left empty. */
  readonly cells: Readonly<Record<string, Cell>>;
  /** Bytes per second of the last minute, the oldest first. */
  readonly lastMinute: readonly number[];
  /** Shown when the row is selected. */
  readonly details: readonly (readonly [label: string, value: string])[];
}

export interface StatusModel {
  readonly title: string;
  /** Shown side by side, the most important first. */
  readonly facts: readonly string[];
  /** As facts; never left out. */
  readonly totals: readonly string[];
  /** Lines of what explains, each as facts; shown where there is room. */
  readonly more: readonly (readonly string[])[];
  /** Null: it is still starting. */
  readonly uptimeMs: number | null;
  readonly columns: readonly Column[];
  readonly rows: readonly StatusRow[];
  /** While it connects: shown in place of the rows. */
  readonly steps?: readonly StepStatus[];
  /** Keys of this mode alone, as in `s scheduler`. */
  readonly keys?: readonly string[];
}

/** Reads how things stand at a time, in milliseconds of performance.now(). */
export type ReadModel = (nowMs: number) => Promise<StatusModel>;
