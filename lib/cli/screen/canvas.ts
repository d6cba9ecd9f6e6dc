/** Lines of the screen as they are filled from top to bottom, and where a click means something. */
import { visibleWidth } from "@earendil-works/pi-tui";
import { cut, fitLine, type Line, span } from "./styled_line.ts";

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Where a click means something. */
interface Target<Input> {
  /** Counted from 0. */
  readonly line: number;
  readonly from: number;
  /** The column behind the last. */
  readonly to: number;
  readonly input: Input;
}

export interface Frame<Input> {
  /** As many as the screen has rows, each exactly as wide as it. */
  readonly lines: readonly Line[];
  readonly targets: readonly Target<Input>[];
  /** Whether the oldest line of the log is to be seen: there is nothing to scroll back to. */
  readonly isLogAtStart: boolean;
}

export class Canvas<Input> implements Frame<Input> {
  readonly lines: Line[] = [];
  readonly targets: Target<Input>[] = [];
  isLogAtStart = true;

  constructor(readonly width: number, readonly height: number) {}

  /** Lines left, the footer not counted. */
  get room(): number {
    return this.height - 1 - this.lines.length;
  }

  add(line: Line): void {
    if (this.lines.length < this.height) this.lines.push(fitLine(line, this.width));
  }

  /** Makes it exactly `height` lines. */
  fillTo(height: number): void {
    this.lines.length = Math.min(this.lines.length, height);
    while (this.lines.length < height) this.add([]);
  }

  /** The line that is added next answers to clicks. */
  target(from: number, to: number, input: Input): void {
    this.targets.push({ line: this.lines.length, from, to, input });
  }
}

/** A line across the screen with a title in it. */
export function rule(title: string, width: number): Line {
  const text = `─ ${cut(title, width - 5)} `;
  return [span(text + "─".repeat(Math.max(0, width - visibleWidth(text))), "dim")];
}
