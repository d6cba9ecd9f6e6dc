/** Runs the body of a program: signals become an abort, errors one line and an exit code. */
import { guardAgainstDebugger } from "./debugger_guard.ts";
import { EXIT_OK, exitCodeFor, failureText } from "./exit.ts";
import { setUpLogging, writeToStderr } from "./log.ts";

/** What asks a program to stop. A hang-up counts: the terminal it was started from is gone. */
const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface ProgramLog {
  readonly logLevel: "debug" | "info";
  readonly logFormat: "text" | "json";
}

/**
 * Runs `body` until it ends, and returns the exit code. The first signal aborts what `body` was
 * given; later ones are ignored, because a clean-up that is cut short strands the machine.
 */
export async function runProgram(
  program: string,
  { logLevel, logFormat }: ProgramLog,
  body: (signal: AbortSignal) => Promise<void>,
): Promise<number> {
  using _guard = guardAgainstDebugger();
  setUpLogging({ level: logLevel, format: logFormat, write: writeToStderr });
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, onSignal);
  try {
    await body(stop.signal);
    return EXIT_OK;
  } catch (error) {
    writeToStderr(failureText(program, error, logLevel === "debug" ? "with stack" : "one line"));
    return exitCodeFor(error);
  } finally {
    for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, onSignal);
  }
}
