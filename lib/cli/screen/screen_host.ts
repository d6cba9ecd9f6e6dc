/**
 * The terminal, the log, the keys and the clock of everything the client shows on a full screen. What
 * is shown is a page: it draws itself as a function of what it knows, and takes keys and clicks.
 */
import {
  type Component,
  type KeybindingsConfig,
  KeybindingsManager,
  setKeybindings,
  TUI_KEYBINDINGS,
  TuiAltScreen,
  type TuiMouseEvent,
  type TuiMouseEventResult,
} from "@earendil-works/pi-tui";
import { setUpLogging, writeToStderr } from "../log.ts";
import type { ProgramLog } from "../run_program.ts";
import { type CharacterSet, characterSetOf, inAscii } from "./character_set.ts";
import type { Frame, Size } from "./canvas.ts";
import { keyName } from "./key_name.ts";
import { type LogLine, LogLines } from "../log_lines.ts";
import { type Colours, coloursOf, paint } from "./styled_line.ts";
import { requireTerminal, ScreenTerminal } from "./terminal.ts";

/** How often the figures are read and drawn. */
const READ_EVERY_MS = 1_000;
/** When the log alone has changed, not more often than this. */
const LOG_DRAWN_EVERY_MS = 500;
/** What others have written over the screen does not stay longer. */
const REPAIR_EVERY_MS = 10_000;
const WHEEL_LINES = 3;
/** Of the log, left on the terminal behind the screen. */
const LINES_LEFT = 10;
/** More than this is not typed, and nothing here is that long. */
const PASTE_LENGTH_MAX = 4096;

export type PageInput<Target> =
  /** `key` as keyName() has it, `q`, `Y`, `up`, `ctrl+c`; `text` what it would type. */
  | { readonly kind: "key"; readonly key: string; readonly text: string }
  | { readonly kind: "click"; readonly target: Target }
  /** Positive: down, to what is newer. */
  | { readonly kind: "wheel"; readonly lines: number }
  | { readonly kind: "log grew" };

export interface Page<Target> {
  draw(log: readonly LogLine[], size: Size): Frame<Target>;
  /** Whether the page is to be drawn at once. */
  take(input: PageInput<Target>, log: readonly LogLine[]): boolean;
  /** Reads what it shows, in milliseconds of performance.now(). Called about once a second. */
  refresh(nowMs: number): Promise<void>;
}

export class ScreenHost implements AsyncDisposable {
  readonly #terminal: ScreenTerminal;
  readonly #tui: TuiAltScreen;
  readonly #log = new LogLines();
  #page: Page<unknown>;
  #frame: Frame<unknown> | null = null;
  #drawnAtMs = 0;
  #isReading = false;
  #repairedAtMs = 0;
  #isStale = false;
  #mouse: "taken" | "left to the terminal" = "taken";
  #reading: ReturnType<typeof setInterval> | undefined;
  #drawing: ReturnType<typeof setTimeout> | undefined;
  #characterSet: CharacterSet = "ASCII";
  #colours: Colours = "16";
  #programLog: ProgramLog = { logLevel: "info", logFormat: "text" };
  #closed: Promise<void> | null = null;

  /** `what` and `instead` as requireTerminal(). @throws UsageError when there is no terminal. */
  constructor(page: Page<unknown>, what: string, instead: string) {
    requireTerminal(what, instead);
    this.#page = page;
    this.#terminal = new ScreenTerminal(() => this.#isStale = true);
    this.#tui = new TuiAltScreen(this.#terminal, false, undefined, { copyOnSelect: false });
    const component = this.#component();
    this.#tui.setLayoutRoot(component);
    this.#tui.setFocus(component);
  }

  /** From now on this is what is shown. */
  show(page: Page<unknown>): void {
    this.#page = page;
    this.#isStale = true;
    this.#draw();
    this.refresh();
  }

  /** Takes the terminal and the log. */
  open(programLog: ProgramLog): void {
    this.#terminal.open();
    this.#characterSet = characterSetOf((name) => Deno.env.get(name));
    this.#colours = coloursOf((name) => Deno.env.get(name));
    this.#programLog = programLog;
    // The keys that scroll, search and select are ours.
    const none: KeybindingsConfig = {};
    for (const name of Object.keys(TUI_KEYBINDINGS)) none[name] = [];
    setKeybindings(new KeybindingsManager(TUI_KEYBINDINGS, none));
    setUpLogging({
      level: programLog.logLevel,
      format: programLog.logFormat,
      // A log that goes to a file goes on there; one on this terminal would destroy the screen.
      write: Deno.stderr.isTerminal() ? () => {} : writeToStderr,
      tap: (record) => {
        this.#log.add(record);
        this.#take({ kind: "log grew" });
        this.#drawSoon();
      },
    });
    this.#tui.start();
    this.#reading = setInterval(() => this.refresh(), READ_EVERY_MS);
    this.refresh();
  }

  /** Gives terminal and log back. Later calls return the first one's promise. */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Lets the page read anew, and draws it. */
  refresh(): void {
    if (this.#isReading || this.#closed !== null) return;
    this.#isReading = true;
    this.#page.refresh(performance.now())
      // Figures that cannot be read, as at the very end, leave the last ones standing.
      .catch(() => {})
      .finally(() => {
        this.#isReading = false;
        this.#draw();
      });
  }

  async #close(): Promise<void> {
    clearInterval(this.#reading);
    clearTimeout(this.#drawing);
    this.#tui.stop({ preserveScreen: true });
    const result = await this.#terminal.close();
    const { logLevel: level, logFormat: format } = this.#programLog;
    const isMuted = result === "stuck" && Deno.stderr.isTerminal();
    const write = isMuted ? () => {} : writeToStderr;
    if (Deno.stderr.isTerminal()) {
      for (const line of this.#log.all.slice(-LINES_LEFT)) write(line.whole);
    }
    setUpLogging({ level, format, write });
  }

  #component(): Component {
    return {
      render: (width) => {
        this.#drawnAtMs = performance.now();
        const size = { columns: width, rows: this.#terminal.rows };
        this.#frame = this.#page.draw(this.#log.all, size);
        const { lines } = this.#frame;
        return (this.#characterSet === "ASCII" ? lines.map(inAscii) : lines)
          .map((line) => paint(line, this.#colours));
      },
      handleMouse: (event) => this.#onMouse(event),
      handleInput: (sequence) => this.#onInput(sequence),
      invalidate: () => {},
    };
  }

  #onInput(sequence: string): void {
    // deno-lint-ignore no-control-regex
    const pasted = /^\x1b\[200~([^]*?)(?:\x1b\[201~)?$/.exec(sequence)?.[1];
    const text = (pasted ?? sequence).replace(/[\r\n]+$/, "").slice(0, PASTE_LENGTH_MAX);
    // deno-lint-ignore no-control-regex
    const typed = /^[^\x00-\x1f\x7f]+$/.test(text) ? text : "";
    const key = pasted === undefined ? keyName(sequence) : undefined;
    if (key === "f2") {
      this.#switchMouse();
      return;
    }
    if (key !== undefined || typed !== "") this.#take({ kind: "key", key: key ?? "", text: typed });
  }

  /** Text can be marked while the terminal has the mouse. */
  #switchMouse(): void {
    const isTaken = this.#mouse === "taken";
    this.#mouse = isTaken ? "left to the terminal" : "taken";
    const letter = isTaken ? "l" : "h";
    this.#terminal.write(["1000", "1002", "1006"].map((mode) => `\x1b[?${mode}${letter}`).join(""));
    this.#draw();
  }

  #onMouse({ type, button, x, y, wheelDelta }: TuiMouseEvent): TuiMouseEventResult {
    if (type === "wheel") {
      this.#take({ kind: "wheel", lines: Math.sign(wheelDelta ?? 0) * WHEEL_LINES });
    } else if (type === "click" && button === "left") {
      const found = this.#frame?.targets.find(({ line, from, to }) =>
        line === y && from <= x && x < to
      );
      if (found !== undefined) this.#take({ kind: "click", target: found.input });
    }
    return { handled: true, render: false };
  }

  #take(input: PageInput<unknown>): void {
    if (this.#closed !== null) return;
    const page = this.#page;
    if (page.take(input, this.#log.all) && page === this.#page) this.#draw();
  }

  #drawSoon(): void {
    if (this.#drawing !== undefined || this.#closed !== null) return;
    const waitMs = Math.max(0, this.#drawnAtMs + LOG_DRAWN_EVERY_MS - performance.now());
    this.#drawing = setTimeout(() => {
      this.#drawing = undefined;
      this.#draw();
    }, waitMs);
  }

  #draw(): void {
    // What a terminal does not take now is drawn with the next figures.
    if (this.#closed !== null || !this.#terminal.isIdle) return;
    const now = performance.now();
    const isStale = this.#isStale || now - this.#repairedAtMs >= REPAIR_EVERY_MS;
    if (isStale) this.#repairedAtMs = now;
    this.#isStale = false;
    this.#tui.requestRender(isStale);
  }
}
