/** The page of a diagnosis: its lines as they come, and what to do at the end. */
import { messageOf } from "../../lib/ffi/error_text.ts";
import { escapeControl } from "../../lib/cli/exit.ts";
import { Canvas, type Frame, type Size } from "../../lib/cli/screen/canvas.ts";
import type { Page, PageInput } from "../../lib/cli/screen/screen_host.ts";
import { span, spread, type Tone, wrap } from "../../lib/cli/screen/styled_line.ts";

export interface DiagView {
  readonly lines: readonly string[];
  readonly state: "running" | "done";
  /** What has become of saving it; null when it was not asked for. */
  readonly saved: string | null;
  /** Lines below the last one shown: 0 follows. */
  readonly back: number;
}

type DiagTarget = "back" | "save";

/** More than all checks of sixteen links come to. */
const LINES_MAX = 2_000;
const PAGE_LINES = 8;
const WRAPPED_MAX = 4;

export function drawDiag(view: DiagView, { columns, rows }: Size): Frame<DiagTarget> {
  const canvas = new Canvas<DiagTarget>(Math.max(1, columns), Math.max(1, rows));
  const state = view.state === "running" ? "looking ... " : "done ";
  canvas.add([span(spread(" Diagnosis", state, canvas.width), "bar")]);
  const lines = view.lines.flatMap((line) =>
    wrap(line, Math.max(1, canvas.width - 1), WRAPPED_MAX).map((text, index) =>
      [span(index === 0 ? text : `      ${text}`, toneOf(line))] as const
    )
  );
  const end = Math.max(Math.min(lines.length, canvas.room), lines.length - view.back);
  for (const line of lines.slice(Math.max(0, end - canvas.room), end)) canvas.add(line);
  canvas.fillTo(canvas.height - 1);
  canvas.target(1, 7, "back");
  canvas.target(9, 15, "save");
  const rest = view.saved ?? "Esc back  s save  up/down, wheel scroll";
  canvas.add([
    span(" "),
    span("[Back]", "button"),
    span("  "),
    span("[Save]", "button"),
    span(`  ${rest}`, "dim"),
  ]);
  return canvas;
}

function toneOf(line: string): Tone {
  if (/^ {2}FAILED/.test(line)) return "bad";
  if (/^ {2}warning/.test(line)) return "warn";
  if (/^ {2}ok /.test(line)) return "plain";
  return /^\S/.test(line) ? "strong" : "dim";
}

export class DiagPage implements Page<DiagTarget> {
  readonly #save: (lines: readonly string[]) => Promise<string>;
  readonly #onChange: () => void;
  readonly #left = Promise.withResolvers<void>();
  #view: DiagView = { lines: [], state: "running", saved: null, back: 0 };

  /** `save` returns where the report is. */
  constructor(save: (lines: readonly string[]) => Promise<string>, onChange: () => void) {
    this.#save = save;
    this.#onChange = onChange;
  }

  /** Resolves when the user has read it. */
  get left(): Promise<void> {
    return this.#left.promise;
  }

  /** Shows `lines` as they come, until the user leaves; also what keeps more from coming. */
  async run(lines: AsyncIterable<string>): Promise<void> {
    let isLeft = false;
    this.left.then(() => isLeft = true);
    try {
      for await (const line of lines) {
        if (isLeft) return;
        this.#add(line);
      }
    } catch (error) {
      this.#add(`  FAILED    ${escapeControl(messageOf(error))}`);
    }
    this.#view = { ...this.#view, state: "done" };
    this.#onChange();
  }

  #add(line: string): void {
    if (this.#view.lines.length < LINES_MAX) {
      this.#view = { ...this.#view, lines: [...this.#view.lines, line] };
    }
    this.#onChange();
  }

  draw(_log: unknown, size: Size): Frame<DiagTarget> {
    return drawDiag(this.#view, size);
  }

  take(input: PageInput<DiagTarget>): boolean {
    switch (input.kind) {
      case "log grew":
        return false;
      case "wheel":
        return this.#scroll(-input.lines);
      case "click":
        return this.#do(input.target);
      case "key":
        if (["escape", "q", "ctrl+c", "enter"].includes(input.key)) return this.#do("back");
        if (input.key === "s") return this.#do("save");
        if (input.key === "up" || input.key === "k") return this.#scroll(1);
        if (input.key === "down" || input.key === "j") return this.#scroll(-1);
        if (input.key === "pageUp") return this.#scroll(PAGE_LINES);
        if (input.key === "pageDown") return this.#scroll(-PAGE_LINES);
        return false;
      default:
        return input satisfies never;
    }
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  #scroll(by: number): boolean {
    const back = Math.min(
      Math.max(0, this.#view.lines.length - 1),
      Math.max(0, this.#view.back + by),
    );
    this.#view = { ...this.#view, back };
    return true;
  }

  #do(what: DiagTarget): boolean {
    if (what === "back") {
      this.#left.resolve();
      return false;
    }
    this.#save(this.#view.lines)
      .then((path) => `saved in ${path}`, (error) => String(error?.message ?? error))
      .then((saved) => {
        this.#view = { ...this.#view, saved };
        this.#onChange();
      });
    return false;
  }
}
