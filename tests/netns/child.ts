/** A running command whose output is kept, within bounds, and can be waited for line by line. */

const LINES_KEPT = 20_000;
const LINE_LENGTH_MAX = 8 * 1024 * 1024;
const STOP_TIMEOUT_MS = 5_000;
const PIPE_DRAIN_MS = 500;
/** The signals of a process that breaks, rather than is ended. */
const CRASHES: readonly (Deno.Signal | null)[] = [
  ...["SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGTRAP"] as const,
];

export interface SpawnOptions {
  /** Added to the environment of this program. */
  env?: Record<string, string>;
  cwd?: string;
  /** "piped" allows `write`; default "null". */
  stdin?: "piped" | "null";
  /** Sees each line as it comes, for instance to show progress. */
  onLine?: (line: string, stream: "stdout" | "stderr") => void;
}

interface Line {
  stream: "stdout" | "stderr";
  text: string;
}

interface Waiter {
  pattern: RegExp;
  found(match: RegExpExecArray): void;
  ended(): void;
}

export class Child {
  readonly pid: number;
  /** Settles when the process has ended and its output has been read. */
  readonly ended: Promise<Deno.CommandStatus>;

  #process: Deno.ChildProcess;
  #command: string;
  #lines: Line[] = [];
  #linesDropped = 0;
  #waiters = new Set<Waiter>();
  #status: Deno.CommandStatus | null = null;
  #stdin: WritableStreamDefaultWriter<Uint8Array> | null;

  constructor(argv: readonly string[], options: SpawnOptions = {}) {
    const [program, ...args] = argv;
    if (program === undefined) throw new TypeError("Cannot spawn: no command given");
    const stdin = options.stdin ?? "null";
    this.#command = argv.join(" ");
    this.#process = new Deno.Command(program, {
      args,
      env: options.env,
      cwd: options.cwd,
      stdin,
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#process.pid;
    this.#stdin = stdin === "piped" ? this.#process.stdin.getWriter() : null;
    const readers = [
      this.#readLines("stdout", this.#process.stdout.getReader(), options.onLine),
      this.#readLines("stderr", this.#process.stderr.getReader(), options.onLine),
    ];
    this.ended = this.#waitForEnd(readers);
    this.ended.catch(() => {}); // whoever cares awaits it
  }

  /** Exit code; null while the process runs. A process ended by signal n has 128 + n. */
  get exitCode(): number | null {
    return this.#status?.code ?? null;
  }

  /** How many lines have come so far: a position for `waitForLine`. */
  get lineCount(): number {
    return this.#linesDropped + this.#lines.length;
  }

  /** The kept output of one stream. */
  output(stream: "stdout" | "stderr"): string {
    return this.#lines.filter((line) => line.stream === stream).map((line) => line.text + "\n")
      .join("");
  }

  /** The last lines of both streams, for messages. */
  tail(lines = 20): string {
    return this.#lines.slice(-lines).map((line) => line.text).join("\n");
  }

  /**
   * Resolves with the first line of either stream that matches, also among those that came before
   * the call; `from` (a `lineCount`) leaves older ones out.
   */
  waitForLine(pattern: RegExp, timeoutMs: number, from = 0): Promise<RegExpExecArray> {
    for (const line of this.#lines.slice(Math.max(0, from - this.#linesDropped))) {
      const match = pattern.exec(line.text);
      if (match) return Promise.resolve(match);
    }
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const settle = (settleWith: () => void) => {
      clearTimeout(timer);
      this.#waiters.delete(waiter);
      settleWith();
    };
    const fail = (why: string) =>
      settle(() =>
        reject(new Error(`No line like ${pattern} from "${this.#command}": ${why}\n${this.tail()}`))
      );
    const waiter: Waiter = {
      pattern,
      found: (match) => settle(() => resolve(match)),
      ended: () => fail(`it ended with code ${this.exitCode}`),
    };
    const timer = setTimeout(() => fail(`nothing within ${timeoutMs} ms`), timeoutMs);
    if (this.#status) waiter.ended();
    else this.#waiters.add(waiter);
    return promise;
  }

  async write(text: string): Promise<void> {
    if (!this.#stdin) throw new Error(`Cannot write to "${this.#command}": its stdin is not piped`);
    await this.#stdin.write(new TextEncoder().encode(text));
  }

  async closeStdin(): Promise<void> {
    const stdin = this.#stdin;
    this.#stdin = null;
    await stdin?.close().catch(() => {}); // the process may be gone already
  }

  /** Sends a signal; a process that has ended already is not an error. */
  signal(signal: Deno.Signal): void {
    if (this.#status) return;
    try {
      this.#process.kill(signal);
    } catch {
      // It ended a moment ago.
    }
  }

  /**
   * Sends `signal`, after `timeoutMs` SIGKILL, and returns the exit code.
   * @throws Error with its last lines when it has crashed.
   */
  async stop(signal: Deno.Signal = "SIGTERM", timeoutMs = STOP_TIMEOUT_MS): Promise<number> {
    this.signal(signal);
    const timer = setTimeout(() => this.signal("SIGKILL"), timeoutMs);
    try {
      const status = await this.ended;
      if (CRASHES.includes(status.signal) && status.signal !== signal) {
        throw new Error(`"${this.#command}" crashed with ${status.signal}\n${this.tail()}`);
      }
      return status.code;
    } finally {
      clearTimeout(timer);
    }
  }

  async #waitForEnd(readers: LineReader[]): Promise<Deno.CommandStatus> {
    const status = await this.#process.status;
    // A grandchild that keeps the pipe open must not keep us waiting.
    const timer = setTimeout(() => readers.forEach((reader) => reader.cancel()), PIPE_DRAIN_MS);
    await Promise.all(readers.map((reader) => reader.done));
    clearTimeout(timer);
    await this.closeStdin();
    this.#status = status;
    for (const waiter of [...this.#waiters]) waiter.ended();
    return status;
  }

  #readLines(
    stream: "stdout" | "stderr",
    reader: ReadableStreamDefaultReader<Uint8Array>,
    onLine: SpawnOptions["onLine"],
  ): LineReader {
    const take = (text: string) => {
      this.#take({ stream, text });
      onLine?.(text, stream);
    };
    const read = async () => {
      const decoder = new TextDecoder();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read().catch(() => ({ value: undefined, done: true }));
        rest += decoder.decode(value, { stream: !done });
        const lines = rest.split("\n");
        rest = (lines.pop() ?? "").slice(-LINE_LENGTH_MAX);
        lines.forEach(take);
        if (done) break;
      }
      if (rest !== "") take(rest);
    };
    return { done: read(), cancel: () => void reader.cancel().catch(() => {}) };
  }

  #take(line: Line): void {
    this.#lines.push(line);
    if (this.#lines.length > 2 * LINES_KEPT) {
      this.#linesDropped += this.#lines.length - LINES_KEPT;
      this.#lines = this.#lines.slice(-LINES_KEPT);
    }
    for (const waiter of [...this.#waiters]) {
      const match = waiter.pattern.exec(line.text);
      if (match) waiter.found(match);
    }
  }
}

interface LineReader {
  done: Promise<void>;
  cancel(): void;
}
