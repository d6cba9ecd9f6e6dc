/** The page of a diagnosis: its lines as they come, and what to do at the end. */
import { visibleWidth } from "@earendil-works/pi-tui";
import { messageOf } from "../../lib/ffi/error_text.ts";
import { escapeControl } from "../../lib/cli/exit.ts";
import { Canvas, type Frame, type Size } from "../../lib/cli/screen/canvas.ts";
import type { Page, PageInput } from "../../lib/cli/screen/screen_host.ts";
import {
  cut,
  joinFitting,
  span,
  spread,
  type Tone,
  wrap,
} from "../../lib/cli/screen/styled_line.ts";

export interface DiagView {
  readonly lines: readonly string[];
  /** "asking": whether the links are to be filled. */
  readonly state: "running" | "done" | "asking";
  /** What has become of saving it; null when it was not asked for. */
  readonly saved: string | null;
  /** Lines below the last one shown: 0 follows. */
  readonly back: number;
}

type DiagTarget = "back" | "save" | "load" | "yes" | "no";

/** "load": also fills each link for a moment. */
export type DiagKind = "plain" | "load";

/** More than all checks of sixteen links come to. */
const LINES_MAX = 2_000;
const PAGE_LINES = 8;
const WRAPPED_MAX = 4;
/** Lines of what has become of saving. */
const SAID_MAX = 3;

export function drawDiag(view: DiagView, { columns, rows }: Size): Frame<DiagTarget> {
  const canvas = new Canvas<DiagTarget>(Math.max(1, columns), Math.max(1, rows));
  const state = view.state === "running" ? "looking ... " : "done ";
  canvas.add([span(spread(" Diagnosis", state, canvas.width), "bar")]);
  const lines = view.lines.flatMap((line) =>
    wrap(line, Math.max(1, canvas.width - 1), WRAPPED_MAX).map((text, index) =>
      [span(index === 0 ? text : `      ${text}`, toneOf(line))] as const
    )
  );
  const said = view.saved === null ? [] : wrap(view.saved, Math.max(1, canvas.width - 2), SAID_MAX);
  const room = Math.max(0, canvas.room - said.length);
  const end = Math.max(Math.min(lines.length, room), lines.length - view.back);
  for (const line of lines.slice(Math.max(0, end - room), end)) canvas.add(line);
  canvas.fillTo(canvas.height - 1 - said.length);
  for (const line of said) canvas.add([span(` ${line}`, "strong")]);
  drawFooter(canvas, view);
  return canvas;
}

const BUTTONS: readonly (readonly [DiagTarget, string])[] = [
  ["back", "[Back]"],
  ["save", "[Save]"],
  ["load", "[Load test]"],
];
const ANSWERS: readonly (readonly [DiagTarget, string])[] = [["yes", "[Yes]"], ["no", "[No]"]];
const HINTS = ["Esc back", "s save", "l load test", "up/down, wheel scroll"];
const QUESTION = "Fill each link for 3 s? It costs what the link carries then: y/n";

function drawFooter(canvas: Canvas<DiagTarget>, { state }: DiagView): void {
  const isAsking = state === "asking";
  const [front, buttons] = isAsking
    ? [` ${cut(QUESTION, canvas.width - 14)}  `, ANSWERS]
    : [" ", BUTTONS];
  const line = [span(front, isAsking ? "warn" : "plain")];
  let at = visibleWidth(front);
  for (const [target, text] of buttons) {
    canvas.target(at, at + text.length, target);
    line.push(span(text, "button"), span("  "));
    at += text.length + 2;
  }
  const rest = isAsking ? "" : joinFitting(HINTS, canvas.width - at, "  ");
  canvas.add([...line, span(rest, "dim")]);
}

function toneOf(line: string): Tone {
  if (/^ {2}FAILED/.test(line)) return "bad";
  if (/^ {2}warning/.test(line)) return "warn";
  if (/^ {2}ok /.test(line)) return "plain";
  return /^\S/.test(line) ? "strong" : "dim";
}

export class DiagPage implements Page<DiagTarget> {
  readonly #save: (lines: readonly string[]) => Promise<string>;
  readonly #look: (kind: DiagKind) => AsyncIterable<string>;
  readonly #onChange: () => void;
  #running: Promise<void> = Promise.resolve();
  readonly #left = Promise.withResolvers<void>();
  #view: DiagView = { lines: [], state: "running", saved: null, back: 0 };

  /** `look` makes the lines of a diagnosis; `save` returns where the report is. */
  constructor(
    look: (kind: DiagKind) => AsyncIterable<string>,
    save: (lines: readonly string[]) => Promise<string>,
    onChange: () => void,
  ) {
    this.#look = look;
    this.#save = save;
    this.#onChange = onChange;
  }

  /** Resolves when the user has read it. */
  get left(): Promise<void> {
    return this.#left.promise;
  }

  /** Resolves when nothing of a diagnosis is under way any more. */
  settled(): Promise<void> {
    return this.#running;
  }

  /** Shows the lines of a diagnosis as they come, until the user leaves; also what ends it early. */
  run(kind: DiagKind): Promise<void> {
    this.#view = { lines: [], state: "running", saved: null, back: 0 };
    return this.#running = this.#run(kind);
  }

  async #run(kind: DiagKind): Promise<void> {
    let isLeft = false;
    this.left.then(() => isLeft = true);
    try {
      for await (const line of this.#look(kind)) {
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
        if (this.#view.state === "asking") {
          if (input.key === "y" || input.key === "Y") return this.#do("yes");
          return ["n", "N", "escape", "q", "ctrl+c"].includes(input.key) && this.#do("no");
        }
        if (["escape", "q", "ctrl+c", "enter"].includes(input.key)) return this.#do("back");
        if (input.key === "s") return this.#do("save");
        if (input.key === "l") return this.#do("load");
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

  /** Whether the page is to be drawn at once. */
  #do(what: DiagTarget): boolean {
    switch (what) {
      case "back":
        this.#left.resolve();
        return false;
      case "save":
        this.#saveReport();
        return false;
      case "load":
        // One after the other: two would fill the links of each other.
        if (this.#view.state !== "done") return false;
        this.#view = { ...this.#view, state: "asking" };
        return true;
      case "yes":
        void this.run("load");
        return true;
      case "no":
        this.#view = { ...this.#view, state: "done" };
        return true;
      default:
        return what satisfies never;
    }
  }

  #saveReport(): void {
    this.#save(this.#view.lines)
      .then((path) => `saved in ${path}`, messageOf)
      .then((saved) => {
        this.#view = { ...this.#view, saved };
        this.#onChange();
      });
  }
}
