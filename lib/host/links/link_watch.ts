/**
 * Says when links, addresses, routes or rules of this machine have changed, as the kernel reports it
 * through `ip monitor`. A monitor that ends is started again; while there is none, a change is said
 * to have happened every few seconds.
 */

import { programEnvironment } from "../command/system_runner.ts";

/** What {@link watchLinks} watches with, and how patiently. */
interface LinkWatchOptions {
  /** One change comes as a burst of lines: what follows within so long belongs to it. */
  readonly settleMs?: number;
  /** The program to run, and its arguments. */
  readonly command?: readonly [string, ...string[]];
  /** How long to wait before a monitor that ended is started again; doubled each time. */
  readonly restartMs?: number;
}

/** `onChange` is called once in so long, however much happens; the first change waits less. */
const INTERVAL_MS = 100;
const POLL_MS = 2000;
const RESTART_MS = 50;
const RESTART_MS_MAX = 30_000;
/** A monitor that ran for so long was not at fault itself. */
const STEADY_MS = 10_000;
/** More than any line of `ip monitor`. */
const LINE_LENGTH_MAX = 64 * 1024;
const COMMAND = ["ip", "monitor", "link", "address", "route", "rule"] as const;

/** Has the kernel end the monitor with this program: after kill -9 nobody else would. */
const TIED = ["setpriv", "--pdeathsig", "KILL"] as const;

/** Takes the names of the links that were seen without carrier, off or removed, in between. */
type LinkChange = (wentDown: ReadonlySet<string>) => void;

/**
 * Watches until it is disposed of. `onChange` is called at most once in {@link INTERVAL_MS}, and at
 * once when a link goes down that was not known to.
 */
export function watchLinks(onChange: LinkChange, options: LinkWatchOptions = {}): AsyncDisposable {
  const { settleMs = INTERVAL_MS, command = COMMAND, restartMs = RESTART_MS } = options;
  const changes = new Changes(onChange, settleMs);
  const watching = new Monitors(command, restartMs, changes);
  const ended = watching.run();
  return {
    async [Symbol.asyncDispose]() {
      watching.stop();
      await ended;
      changes.stop();
    },
  };
}

/** Gathers what the monitor says into calls of `onChange`. */
export class Changes {
  readonly #onChange: LinkChange;
  readonly #settleMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #toldMs = -INTERVAL_MS;
  #wentDown = new Set<string>();
  readonly #downNow = new Set<string>();

  constructor(onChange: LinkChange, settleMs: number) {
    this.#onChange = onChange;
    this.#settleMs = settleMs;
  }

  noteLine(line: string): void {
    const link = linkIn(line);
    if (link !== null && link.state !== "up" && !this.#downNow.has(link.name)) {
      this.#wentDown.add(link.name);
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#tell());
    }
    if (link?.state === "down") this.#downNow.add(link.name);
    // Containers come and go under ever new names: those of links that are gone are not kept.
    else if (link !== null) this.#downNow.delete(link.name);
    this.note();
  }

  /** Links that are known to be down. */
  get downNow(): ReadonlySet<string> {
    return this.#downNow;
  }

  note(): void {
    const sinceMs = performance.now() - this.#toldMs;
    this.#timer ??= setTimeout(
      () => this.#tell(),
      Math.max(this.#settleMs, INTERVAL_MS - sinceMs),
    );
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #tell(): void {
    this.#timer = undefined;
    this.#toldMs = performance.now();
    const wentDown = this.#wentDown;
    this.#wentDown = new Set();
    this.#onChange(wentDown);
  }
}

/** Runs one monitor after the other. */
class Monitors {
  readonly #command: readonly [string, ...string[]];
  readonly #restartMs: number;
  readonly #changes: Changes;
  readonly #stopped = Promise.withResolvers<void>();
  #isStopped = false;
  /** Until `setpriv` is found to be missing, or not to know the option (as that of busybox). */
  #isTied = true;
  #monitor: Deno.ChildProcess | null = null;

  constructor(command: readonly [string, ...string[]], restartMs: number, changes: Changes) {
    this.#command = command;
    this.#restartMs = restartMs;
    this.#changes = changes;
  }

  async run(): Promise<void> {
    let waitMs = this.#restartMs;
    while (!this.#isStopped) {
      const startMs = performance.now();
      // Nobody was listening until now; the monitor is by the time this is looked into.
      this.#changes.note();
      await this.#runOne();
      if (performance.now() - startMs >= STEADY_MS) waitMs = this.#restartMs;
      const poll = setInterval(() => this.#changes.note(), POLL_MS);
      await this.#pause(waitMs);
      clearInterval(poll);
      waitMs = Math.min(2 * waitMs, RESTART_MS_MAX);
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopped.resolve();
    try {
      // Whatever state it is in, it ends: everything else that is to be undone waits for it.
      this.#monitor?.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }

  async #runOne(): Promise<void> {
    const tied = this.#isTied ? start([...TIED, ...this.#command]) : null;
    if (tied === null) this.#isTied = false;
    const monitor = this.#monitor = tied ?? start(this.#command);
    if (monitor === null) return;
    let hasSpoken = false;
    await Promise.all([
      readLines(monitor.stdout, (line) => {
        hasSpoken = true;
        this.#changes.noteLine(line);
      }),
      // The kernel had more to say than `ip` could take: what was lost may have been of a link.
      readLines(monitor.stderr, () => this.#changes.note()),
    ]);
    const { success, signal } = await monitor.status;
    if (!success && signal === null && !hasSpoken) this.#isTied = false;
    this.#monitor = null;
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await Promise.race([promise, this.#stopped.promise]);
    clearTimeout(timer);
  }
}

/** A link as a line of `ip monitor` shows it. */
interface SeenLink {
  name: string;
  state: "up" | "down" | "gone";
}

/** Of a line such as `3: wan1@if2: <BROADCAST,MULTICAST> mtu 1500 ...`; null for all others. */
export function linkIn(line: string): SeenLink | null {
  const [, name, flags] = /^(?:Deleted )?\d+: ([^\s@:]+)(?:@\S+)?: <([^>]*)>/.exec(line) ?? [];
  if (name === undefined || flags === undefined) return null;
  if (line.startsWith("Deleted ")) return { name, state: "gone" };
  return { name, state: flags.split(",").includes("LOWER_UP") ? "up" : "down" };
}

function start([program, ...args]: readonly [string, ...string[]]) {
  try {
    const env = programEnvironment();
    return new Deno.Command(program, { args, env, stdin: "null", stdout: "piped", stderr: "piped" })
      .spawn();
  } catch {
    // Not there, or no more processes may be started: until it can be, a change is said now and then.
    return null;
  }
}

async function readLines(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = (lines.pop() ?? "").slice(-LINE_LENGTH_MAX);
    for (const line of lines) onLine(line);
  }
}
