/**
 * The terminal this program runs on, for pi-tui. What is written never blocks the program: a
 * terminal may stop taking output, as when its ssh connection runs over the very links this client
 * is to bring back, so it is written to beside everything else, and what it does not take is
 * dropped. However the program ends, SIGKILL excepted, the terminal is as it was.
 */
import type { Terminal } from "@earendil-works/pi-tui";
import { StdinBuffer } from "@earendil-works/pi-tui";
import { UsageError } from "../exit.ts";

/** What may wait while the terminal takes nothing: some frames. */
const WAITING_MAX = 256 * 1024;
/** A write that takes this long will not end soon: the terminal is not touched any more. */
const STUCK_MS = 500;
/** What a write that is under way is given when the program ends at once. */
const LAST_WRITE_MS = 50;
/** How long the rest of an escape sequence may take: over a slow connection, quite long. */
const ESCAPE_TIMEOUT_MS = 100;
/** Taken where the terminal does not say. */
const SIZE_UNKNOWN = { columns: 80, rows: 24 };

/**
 * Ends, in turn: a synchronized update, mouse reports of every kind, focus reports, bracketed
 * paste; then wraps lines, leaves the alternate screen, shows the cursor, and resets the colours
 * (xterm's Control Sequences).
 */
const RESTORE = "\x1b[?2026l\x1b[?1006l\x1b[?1004l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?2004l" +
  "\x1b[?7h\x1b[?1049l\x1b[?25h\x1b[0m";

/**
 * `what` needs the terminal, and `instead` is what does without one, as in "use 'cert list'".
 * @throws UsageError when there is no terminal for a screen.
 */
export function requireTerminal(what: string, instead: string): void {
  if (!Deno.stdin.isTerminal() || !Deno.stdout.isTerminal()) {
    throw new UsageError(
      `${what} needs a terminal for its input and output: start it in one, or ${instead}`,
    );
  }
  if (Deno.env.get("TERM") === "dumb") {
    throw new UsageError(
      `${what} needs a terminal that can move the cursor, and TERM is dumb: set TERM, or ${instead}`,
    );
  }
}

export class ScreenTerminal implements Terminal {
  readonly kittyProtocolActive = false;
  readonly #encoder = new TextEncoder();
  #state: "closed" | "open" | "gone" = "closed";
  #waiting = "";
  /** Since when a write is under way, in performance.now(); null for none. */
  #writingSince: number | null = null;
  #idle: Promise<void> = Promise.resolve();
  #onResize: () => void = () => {};

  /** `onDropped`: something was not shown; draw everything anew. */
  constructor(readonly onDropped: () => void) {}

  /** Whether it has taken all that was written. */
  get isIdle(): boolean {
    return this.#writingSince === null;
  }

  get columns(): number {
    return this.#size().columns;
  }

  get rows(): number {
    return this.#size().rows;
  }

  /** Takes the terminal. From here on it is given back whatever happens. */
  open(): void {
    this.#state = "open";
    globalThis.addEventListener("error", this.#restoreNow);
    globalThis.addEventListener("unhandledrejection", this.#restoreNow);
    globalThis.addEventListener("unload", this.#restoreNow);
    Deno.stdin.setRaw(true);
  }

  /** For pi-tui; open() has gone before. */
  start(onInput: (sequence: string) => void, onResize: () => void): void {
    this.#onResize = onResize;
    Deno.addSignalListener("SIGWINCH", this.#onResize);
    const sequences = new StdinBuffer({ escapeTimeout: ESCAPE_TIMEOUT_MS });
    sequences.on("data", (sequence) => this.#state === "open" && onInput(sequence));
    this.#read(sequences).catch(() => this.#state = "gone");
  }

  write(data: string): void {
    if (this.#state !== "open") return;
    if (this.#waiting.length + data.length > WAITING_MAX) {
      this.#waiting = "";
      this.onDropped();
      return;
    }
    this.#waiting += data;
    if (this.#writingSince === null) this.#idle = this.#writeAll();
  }

  /** For pi-tui; close() gives the terminal back. */
  stop(): void {}

  /** Gives the terminal back: waits until it has taken everything, but not for long. */
  async close(): Promise<"restored" | "stuck"> {
    if (this.#state === "open") this.write(RESTORE);
    const stuck = Promise.withResolvers<"stuck">();
    const timer = setTimeout(() => stuck.resolve("stuck"), STUCK_MS);
    const result = await Promise.race([this.#idle.then(() => "restored" as const), stuck.promise]);
    clearTimeout(timer);
    // Changing the mode of a terminal waits until it has taken its output: for a stuck one, forever.
    if (result === "restored") this.#leaveRawMode();
    this.#state = "closed";
    globalThis.removeEventListener("error", this.#restoreNow);
    globalThis.removeEventListener("unhandledrejection", this.#restoreNow);
    globalThis.removeEventListener("unload", this.#restoreNow);
    Deno.removeSignalListener("SIGWINCH", this.#onResize);
    return result;
  }

  /** The program is about to end, and nothing can be waited for. */
  readonly #restoreNow = (): void => {
    const since = this.#writingSince;
    if (this.#state !== "open" || (since !== null && performance.now() - since > STUCK_MS)) return;
    this.#state = "closed";
    // A write under way is done by another thread: what it has left must not come behind this.
    if (since !== null) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LAST_WRITE_MS);
    try {
      let rest = this.#encoder.encode(RESTORE);
      while (rest.byteLength > 0) rest = rest.subarray(Deno.stdout.writeSync(rest));
    } catch {
      // A terminal that is gone needs nothing.
    }
    this.#leaveRawMode();
  };

  #leaveRawMode(): void {
    try {
      Deno.stdin.setRaw(false);
    } catch {
      // As above.
    }
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting !== "" && this.#state === "open") {
        let rest = this.#encoder.encode(this.#waiting);
        this.#waiting = "";
        while (rest.byteLength > 0) {
          this.#writingSince = performance.now();
          rest = rest.subarray(await Deno.stdout.write(rest));
        }
      }
    } catch {
      this.#state = "gone";
    } finally {
      this.#writingSince = null;
    }
  }

  async #read(sequences: StdinBuffer): Promise<void> {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(1024);
    while (this.#state === "open") {
      const length = await Deno.stdin.read(buffer);
      if (length === null) return;
      if (this.#state === "open") {
        sequences.process(decoder.decode(buffer.subarray(0, length), { stream: true }));
      }
    }
  }

  #size(): { columns: number; rows: number } {
    try {
      const { columns, rows } = Deno.consoleSize();
      if (columns > 0 && rows > 0) return { columns, rows };
    } catch {
      // Asked when it has just gone.
    }
    return SIZE_UNKNOWN;
  }

  // The rest of what pi-tui's Terminal promises.

  hideCursor(): void {
    this.write("\x1b[?25l");
  }

  showCursor(): void {
    this.write("\x1b[?25h");
  }

  moveBy(lines: number): void {
    if (lines !== 0) this.write(lines > 0 ? `\x1b[${lines}B` : `\x1b[${-lines}A`);
  }

  clearLine(): void {
    this.write("\x1b[K");
  }

  clearFromCursor(): void {
    this.write("\x1b[J");
  }

  clearScreen(): void {
    this.write("\x1b[2J\x1b[H");
  }

  setTitle(): void {}

  setProgress(): void {}

  async drainInput(): Promise<void> {}
}
