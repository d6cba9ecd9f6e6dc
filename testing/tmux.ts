/** Runs a program on a terminal of tmux, which is a real one: it answers, resizes and has a mouse. */

const WAIT_MAX_MS = 30_000;
const LOOK_EVERY_MS = 50;
/** Prints the modes of the terminal as a number. */
const MODES = 'echo "modes $(stty -g | cksum)"';

interface TmuxOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** In front of tmux itself, as in `["ip", "netns", "exec", "NAME"]`. */
  readonly within?: readonly string[];
}

let count = 0;

export function canRunTmux(): boolean {
  try {
    return new Deno.Command("tmux", { args: ["-V"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

export class Tmux implements AsyncDisposable {
  readonly #socket = `fluxify-${Deno.pid}-${++count}`;
  readonly #within: readonly string[];

  private constructor(within: readonly string[]) {
    this.#within = within;
  }

  /**
   * Starts `command`; when it ends, the screen shows `exit CODE` below what it left. Before and after
   * it, the modes of the terminal are written as `modes NUMBER`.
   */
  static async run(command: readonly string[], options: TmuxOptions = {}): Promise<Tmux> {
    const { columns = 80, rows = 24, env = {}, within = [] } = options;
    const tmux = new Tmux(within);
    const quote = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;
    const variables = Object.entries({ LC_ALL: "C.UTF-8", ...env })
      .map(([name, value]) => quote(`${name}=${value}`));
    const line = ["env", ...variables, ...command.map(quote)].join(" ");
    await tmux.#do(
      "-f",
      "/dev/null",
      "new-session",
      "-d",
      ...["-x", String(columns), "-y", String(rows)],
      `${MODES}; ${line}; echo "exit $?"; ${MODES}; exec sleep 600`,
    );
    return tmux;
  }

  /** What is to be seen, without colours. */
  async screen(): Promise<string> {
    return await this.#do("capture-pane", "-p");
  }

  /** What has been on the screen, also what has scrolled out of it. */
  async history(): Promise<string> {
    return await this.#do("capture-pane", "-p", "-S", "-");
  }

  /** What tmux knows of the terminal, as in `alternate_on`: `1` or `0` as a rule. */
  async variable(name: string): Promise<string> {
    return (await this.#do("display-message", "-p", `#{${name}}`)).trim();
  }

  /** With the codes for the colours. */
  async painted(): Promise<string> {
    return await this.#do("capture-pane", "-p", "-e");
  }

  /** `Enter`, `Tab`, `C-c`, `Down`: keys as tmux names them. */
  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.#do("send-keys", key);
  }

  async type(text: string): Promise<void> {
    await this.#do("send-keys", "-l", "--", text);
  }

  /** Waits until `text` is to be seen, and clicks on the first place. */
  async click(text: string): Promise<void> {
    const screen = await this.waitFor(new RegExp(text.replace(/[^\w ]/g, "\\$&")));
    const lines = screen.split("\n");
    const row = lines.findIndex((line) => line.includes(text));
    const at = `${lines[row]!.indexOf(text) + 2};${row + 1}`;
    await this.type(`\x1b[<0;${at}M\x1b[<0;${at}m`);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#do("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** Waits until `pattern` is to be seen, and returns the screen. */
  async waitFor(pattern: RegExp, maxMs = WAIT_MAX_MS): Promise<string> {
    const deadline = performance.now() + maxMs;
    for (;;) {
      const screen = await this.screen();
      if (pattern.test(screen)) return screen;
      if (performance.now() > deadline) throw new Error(`no ${pattern} in:\n${screen}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  /** Takes the terminal away from what runs on it. */
  async close(): Promise<void> {
    await this.#do("kill-server");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close().catch(() => {}); // closed before
  }

  async #do(...args: readonly string[]): Promise<string> {
    const [program, ...rest] = [...this.#within, "tmux", "-L", this.#socket, ...args];
    const { success, stdout, stderr } = await new Deno.Command(program!, {
      args: rest,
      env: { TERM: "xterm-256color", LC_ALL: "C.UTF-8" },
      stdin: "null",
    }).output();
    if (!success) throw new Error(`tmux ${args[0]}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  }
}
