/** Runs a program on a terminal of its own, which `script` of util-linux makes. */

const ESCAPE_SEQUENCE =
  // deno-lint-ignore no-control-regex
  /\x1b(?:\[[0-9;?<>]*[a-zA-Z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>])/g;
const WAIT_MAX_MS = 30_000;

/** What `script` and `stty` are needed for can be tested here. */
export function canMakeTerminals(): boolean {
  return ["script", "stty"].every((name) =>
    ["/usr/bin", "/bin"].some((folder) => {
      try {
        return Deno.statSync(`${folder}/${name}`).isFile;
      } catch {
        return false;
      }
    })
  );
}

export class PseudoTerminal implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;
  #output = "";
  #grown = Promise.withResolvers<void>();
  #resumed = Promise.resolve();

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#input = child.stdin.getWriter();
    this.#reading = this.#read(child.stdout);
  }

  /**
   * Runs `command` on 80 columns and 24 rows. Before and after it the terminal's modes are written,
   * as `modes MODES`, and after it `exit CODE`.
   */
  static run(command: readonly string[], locale = "C.UTF-8"): PseudoTerminal {
    const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
    const modes = `echo "modes $(stty -g)"`;
    const line = `stty rows 24 cols 80; ${modes}; ${quoted}; echo "exit $?"; ${modes}`;
    const child = new Deno.Command("script", {
      args: ["-qec", line, "/dev/null"],
      env: { TERM: "xterm", SHELL: "/bin/sh", LC_ALL: locale },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    return new PseudoTerminal(child);
  }

  /** Everything written so far. */
  get raw(): string {
    return this.#output;
  }

  /** As `raw`, without escape sequences. */
  get text(): string {
    return this.#output.replace(ESCAPE_SEQUENCE, "");
  }

  /** Takes nothing more of what is written, until the function that is returned is called. */
  stopTaking(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resumed = promise;
    return resolve;
  }

  async press(keys: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(keys));
  }

  /** Waits until `pattern` has been written behind the first `from` characters of the text. */
  async waitFor(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    const deadline = performance.now() + WAIT_MAX_MS;
    for (;;) {
      const grown = this.#grown.promise;
      const match = pattern.exec(this.text.slice(from));
      if (match !== null) return match;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`no ${pattern} in:\n${this.text.slice(-3000)}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, leftMs);
      await Promise.race([grown, promise]);
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL"); // its program is hung up on
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#reading;
    await this.#input.abort().catch(() => {});
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      await this.#resumed;
      this.#output += text;
      this.#grown.resolve();
      this.#grown = Promise.withResolvers();
    }
  }
}
