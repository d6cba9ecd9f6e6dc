/** The screen while a mode of the client runs: its terminal, its log, its keys and its clock. */
import {
  type Component,
  type KeybindingsConfig,
  KeybindingsManager,
  parseKey,
  setKeybindings,
  TUI_KEYBINDINGS,
  TuiAltScreen,
  type TuiMouseEvent,
  type TuiMouseEventResult,
} from "@earendil-works/pi-tui";
import { setUpLogging, writeToStderr } from "../../lib/cli/log.ts";
import type { ProgramLog } from "../../lib/cli/run_program.ts";
import { type CharacterSet, characterSetOf, inAscii } from "./character_set.ts";
import { drawFrame, type Frame } from "./frame.ts";
import { LogLines } from "./log_lines.ts";
import { INITIAL_STATE, react, type ScreenInput } from "./screen_state.ts";
import type { ReadModel, StatusModel } from "./status_model.ts";
import { paint } from "./styled_line.ts";
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

/**
 * Runs `body` with a screen beside it. Its signal is aborted when `signal` is or the user says stop;
 * the terminal is given back then, and what is still logged goes to stderr.
 * @throws UsageError when there is no terminal; else what `body` throws.
 */
export async function withLiveScreen(
  title: string,
  programLog: ProgramLog,
  signal: AbortSignal,
  body: (signal: AbortSignal, screen: LiveScreen) => Promise<void>,
): Promise<void> {
  requireTerminal();
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const screen = new LiveScreen(title, () => stop.abort());
  await using _screen = screen;
  screen.open(programLog);
  either.addEventListener("abort", () => void screen.close(), { once: true });
  if (either.aborted) return;
  await body(either, screen);
}

class LiveScreen implements AsyncDisposable {
  readonly #onStop: () => void;
  readonly #terminal: ScreenTerminal;
  readonly #tui: TuiAltScreen;
  readonly #log = new LogLines();
  #state = INITIAL_STATE;
  #model: StatusModel;
  #read: ReadModel;
  #frame: Frame | null = null;
  #openedAtMs = 0;
  #drawnAtMs = 0;
  #isReading = false;
  #repairedAtMs = 0;
  #isStale = false;
  #reading: ReturnType<typeof setInterval> | undefined;
  #drawing: ReturnType<typeof setTimeout> | undefined;
  #characterSet: CharacterSet = "ASCII";
  #programLog: ProgramLog = { logLevel: "info", logFormat: "text" };
  #closed: Promise<void> | null = null;

  constructor(title: string, onStop: () => void) {
    this.#onStop = onStop;
    this.#read = (nowMs) => Promise.resolve(startingModel(title, nowMs - this.#openedAtMs));
    this.#model = startingModel(title, 0);
    this.#terminal = new ScreenTerminal(() => this.#isStale = true);
    this.#tui = new TuiAltScreen(this.#terminal, false, undefined, { copyOnSelect: false });
    const component = this.#component();
    this.#tui.setLayoutRoot(component);
    this.#tui.setFocus(component);
  }

  get openedAtMs(): number {
    return this.#openedAtMs;
  }

  /** From now on this is what is shown. */
  show(read: ReadModel): void {
    this.#read = read;
    this.#isStale = true;
    this.#refresh();
  }

  /** Takes the terminal and the log. */
  open(programLog: ProgramLog): void {
    this.#terminal.open();
    this.#openedAtMs = performance.now();
    this.#characterSet = characterSetOf((name) => Deno.env.get(name));
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
    this.#reading = setInterval(() => this.#refresh(), READ_EVERY_MS);
    this.#refresh();
  }

  /** Gives terminal and log back. Later calls return the first one's promise. */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
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
        this.#frame = drawFrame(this.#model, this.#state, this.#log.all, size);
        const { lines } = this.#frame;
        return (this.#characterSet === "ASCII" ? lines.map(inAscii) : lines).map(paint);
      },
      handleMouse: (event) => this.#mouse(event),
      handleInput: (sequence) => {
        const key = parseKey(sequence);
        if (key !== undefined) this.#take({ kind: "key", key });
      },
      invalidate: () => {},
    };
  }

  #mouse({ type, button, x, y, wheelDelta }: TuiMouseEvent): TuiMouseEventResult {
    if (type === "wheel") {
      this.#take({ kind: "wheel", lines: Math.sign(wheelDelta ?? 0) * WHEEL_LINES });
    } else if (type === "click" && button === "left") {
      const target = this.#frame?.targets.find(({ line, from, to }) =>
        line === y && from <= x && x < to
      );
      if (target !== undefined) this.#take(target.input);
    }
    return { handled: true, render: false };
  }

  #take(input: ScreenInput): void {
    if (this.#closed !== null) return;
    const next = react(this.#state, input, {
      rows: this.#model.rows.map(({ key }) => key),
      logLength: this.#log.all.length,
      isLogAtStart: this.#frame?.isLogAtStart ?? true,
    });
    if (next === "stop") {
      this.#onStop();
      return;
    }
    if (next === this.#state) return;
    this.#state = next;
    if (input.kind !== "log grew") this.#draw();
  }

  #refresh(): void {
    if (this.#isReading || this.#closed !== null) return;
    this.#isReading = true;
    this.#read(performance.now())
      .then((model) => {
        this.#model = model;
        this.#draw();
      })
      // Figures that cannot be read, as at the very end, leave the last ones standing.
      .catch(() => {})
      .finally(() => this.#isReading = false);
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

function startingModel(title: string, uptimeMs: number): StatusModel {
  return { title, facts: [], totals: ["starting"], uptimeMs, columns: [], rows: [] };
}
