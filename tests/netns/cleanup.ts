/**
 * What a program has made outside its own memory and must take away again, whatever ends it:
 * its normal end, `Deno.exit()`, an uncaught error, SIGINT, SIGTERM or SIGHUP. (After SIGKILL nothing
 * can run: the next program that creates a namespace removes what that left.)
 */

const SIGNALS: [Deno.Signal, exitCode: number][] = [["SIGINT", 130], ["SIGTERM", 143], [
  "SIGHUP",
  129,
]];

const cleanups = new Set<() => void>();

/**
 * Runs `cleanup` if the program ends before the returned handle is disposed. It must be synchronous
 * and harmless when its work has been done already. Cleanups run newest first; one that throws
 * does not keep the others from running.
 */
export function registerCleanup(cleanup: () => void): Disposable {
  const entry = () => cleanup();
  if (cleanups.size === 0) listen();
  cleanups.add(entry);
  return {
    [Symbol.dispose]() {
      if (cleanups.delete(entry) && cleanups.size === 0) stopListening();
    },
  };
}

const signalHandlers = SIGNALS.map(([signal, exitCode]) => ({
  signal,
  handler: () => {
    runCleanups();
    Deno.exit(exitCode);
  },
}));

// Listening only while there is something to clean keeps a test's signal listeners balanced.
function listen(): void {
  for (const { signal, handler } of signalHandlers) Deno.addSignalListener(signal, handler);
  for (const event of ["error", "unhandledrejection", "unload"]) {
    globalThis.addEventListener(event, runCleanups);
  }
}

function stopListening(): void {
  for (const { signal, handler } of signalHandlers) Deno.removeSignalListener(signal, handler);
  for (const event of ["error", "unhandledrejection", "unload"]) {
    globalThis.removeEventListener(event, runCleanups);
  }
}

function runCleanups(): void {
  for (const cleanup of [...cleanups].reverse()) {
    try {
      cleanup();
    } catch (error) {
      console.error("Cannot clean up:", error);
    }
  }
}

/** Whether a process exists: what bears the id of a dead one may be removed. */
export function isAlive(pid: number): boolean {
  try {
    Deno.statSync(`/proc/${pid}`);
    return true;
  } catch {
    return false;
  }
}
