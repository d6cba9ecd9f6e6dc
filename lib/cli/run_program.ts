/** Runs the body of a program: signals become an abort, errors one line and an exit code. */
import { getLogger } from "@logtape/logtape";
import { EXIT_OK, exitCodeFor, failureMessage, failureStacks, failureText } from "./exit.ts";
import { openJournal } from "./journal_log.ts";
import { LOG_CATEGORY, messageOf, setUpLogging, writeToStderr } from "./log.ts";
import { releaseMemory } from "./memory_release.ts";

const STOP_SIGNALS = ["SIGINT", "SIGTERM"] as const;

export interface ProgramLog {
  readonly logLevel: "debug" | "info";
  readonly logFormat: "text" | "json";
  /** Logged first. */
  readonly notices?: readonly string[];
}

/**
 * What a hang-up (SIGHUP) does: as a rule the program stops, because the terminal it was started
 * from is gone. A program that reloads its settings then is called instead, unless its terminal is
 * gone indeed.
 */
type OnHangUp = "stop" | (() => void);

/**
 * Runs `body` until it ends, and returns the exit code. The first signal aborts what `body` was
 * given; later ones are ignored, because a clean-up that is cut short strands the machine.
 */
export async function runProgram(
  program: string,
  { logLevel, logFormat, notices = [] }: ProgramLog,
  body: (signal: AbortSignal) => Promise<void>,
  onHangUp: OnHangUp = "stop",
): Promise<number> {
  const journal = logFormat === "json" ? openJournal(program, messageOf) : null;
  setUpLogging({
    ...{ level: logLevel, format: logFormat, write: writeToStderr },
    ...journal === null ? {} : { take: journal },
  });
  for (const notice of notices) getLogger(LOG_CATEGORY).warn("{notice}", { notice });
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  const hadTerminal = Deno.stdin.isTerminal();
  const hangUp = () => {
    const isTerminalGone = hadTerminal && !Deno.stdin.isTerminal();
    if (onHangUp === "stop" || isTerminalGone) stop.abort();
    else onHangUp();
  };
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, onSignal);
  Deno.addSignalListener("SIGHUP", hangUp);
  using _memory = releaseMemory();
  try {
    await body(stop.signal);
    return EXIT_OK;
  } catch (error) {
    tellFailure(program, { logLevel, logFormat }, error);
    return exitCodeFor(error);
  } finally {
    for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, onSignal);
    Deno.removeSignalListener("SIGHUP", hangUp);
  }
}

function tellFailure(program: string, { logLevel, logFormat }: ProgramLog, error: unknown): void {
  const withStack = logLevel === "debug";
  if (logFormat === "text") {
    writeToStderr(failureText(program, error, withStack ? "with stack" : "one line"));
    return;
  }
  getLogger(LOG_CATEGORY).fatal("{failure}", {
    failure: failureMessage(error),
    ...withStack ? { stack: failureStacks(error).join("\n") } : {},
  });
}
