/**
 * Deno opens its inspector, to every local user, in any process that gets SIGUSR1, whether the program
 * listens for the signal or not, and has no switch against it. In a program that runs as root this
 * would hand root to anybody on the machine, so the inspector is closed as soon as it is open.
 */
import inspector from "node:inspector";

/** The inspector opens a moment after the signal, in a thread of its own. */
const CLOSE_EVERY_MS = 5;
const CLOSE_FOR_MS = 500;

/** Closes the inspector whenever the signal has opened it, until disposed of. */
export function guardAgainstDebugger(): Disposable {
  let timer: ReturnType<typeof setInterval> | undefined;
  const onSignal = () => {
    const end = performance.now() + CLOSE_FOR_MS;
    clearInterval(timer);
    timer = setInterval(() => {
      inspector.close();
      if (performance.now() >= end) clearInterval(timer);
    }, CLOSE_EVERY_MS);
  };
  Deno.addSignalListener("SIGUSR1", onSignal);
  return {
    [Symbol.dispose]() {
      Deno.removeSignalListener("SIGUSR1", onSignal);
      clearInterval(timer);
    },
  };
}
