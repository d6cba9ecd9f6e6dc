/**
 * Says when links, addresses or routes of this machine have changed, as the kernel reports it
 * through `ip monitor`; where that cannot be run, it says so every few seconds instead.
 */

/** One change comes as a burst of lines. */
const SETTLE_MS = 100;
const POLL_MS = 2000;

/** Watches until it is disposed of. `onChange` is called at least {@link SETTLE_MS} apart. */
export function watchLinks(onChange: () => void): AsyncDisposable {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const changed = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      onChange();
    }, SETTLE_MS);
  };
  const monitor = startMonitor();
  let poll: ReturnType<typeof setInterval> | undefined;
  const watching = monitor === null ? Promise.resolve() : readChanges(monitor, changed);
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
      await monitor?.status;
    },
  };
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

async function readChanges(monitor: Deno.ChildProcess, changed: () => void): Promise<void> {
  for await (const _ of monitor.stdout) changed();
}
