/**
 * Says when links, addresses or routes of this machine have changed, as the kernel reports it
 * through `ip monitor`; where that cannot be run, it says so every few seconds instead.
 */

/** One change comes as a burst of lines. */
const SETTLE_MS = 100;
const POLL_MS = 2000;
/** More than any line of `ip monitor`. */
const LINE_LENGTH_MAX = 64 * 1024;

/** Takes the names of the links that were seen without carrier, or switched off, in between. */
export type LinkChange = (wentDown: ReadonlySet<string>) => void;

/**
 * Watches until it is disposed of. `onChange` is called at most once in {@link SETTLE_MS}, and at once
 * when a link goes down that was not known to.
 */
export function watchLinks(onChange: LinkChange): AsyncDisposable {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wentDown = new Set<string>();
  const downNow = new Set<string>();
  const tell = () => {
    timer = undefined;
    const down = wentDown;
    wentDown = new Set();
    onChange(down);
  };
  const changed = () => {
    timer ??= setTimeout(tell, SETTLE_MS);
  };
  const monitor = startMonitor();
  let poll: ReturnType<typeof setInterval> | undefined;
  const watching = monitor === null ? Promise.resolve() : readLines(monitor, (line) => {
    const link = linkIn(line);
    if (link?.state === "up") downNow.delete(link.name);
    if (link?.state === "down" && !downNow.has(link.name)) {
      downNow.add(link.name);
      wentDown.add(link.name);
      clearTimeout(timer);
      timer = setTimeout(tell);
    }
    changed();
  });
  let isDisposed = false;
  watching.then(() => {
    if (!isDisposed) poll = setInterval(changed, POLL_MS);
  });
  return {
    async [Symbol.asyncDispose]() {
      isDisposed = true;
      clearTimeout(timer);
      clearInterval(poll);
      try {
        monitor?.kill("SIGTERM");
      } catch {
        // It has ended by itself.
      }
      await watching;
      clearTimeout(timer);
      await monitor?.status;
    },
  };
}

/** A link as a line of `ip monitor` shows it. */
export interface SeenLink {
  name: string;
  state: "up" | "down";
}

/** Of a line such as `3: wan1@if2: <BROADCAST,MULTICAST> mtu 1500 ...`; null for all others. */
export function linkIn(line: string): SeenLink | null {
  const [, name, flags] = /^(?:Deleted )?\d+: ([^\s@:]+)(?:@\S+)?: <([^>]*)>/.exec(line) ?? [];
  if (name === undefined || flags === undefined) return null;
  const isDown = line.startsWith("Deleted ") || !flags.split(",").includes("LOWER_UP");
  return { name, state: isDown ? "down" : "up" };
}

function startMonitor(): Deno.ChildProcess | null {
  try {
    return new Deno.Command("ip", {
      args: ["monitor", "link", "address", "route"],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  } catch {
    return null;
  }
}

async function readLines(
  monitor: Deno.ChildProcess,
  onLine: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of monitor.stdout) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = (lines.pop() ?? "").slice(-LINE_LENGTH_MAX);
    for (const line of lines) onLine(line);
  }
}
