/** A command line that asks a running program: what it ends with. */
import { EXIT_NOT_RUNNING, exitCodeFor, failureText } from "../../cli/exit.ts";
import { writeTo } from "../../cli/output.ts";
import { LocalConnection, NotRunningError } from "./ask.ts";
import type { ProgramSockets } from "./instance.ts";

/** Runs `body` with a connection to the instance, and returns the exit code. Errors go to stderr. */
export async function askProgram(
  sockets: ProgramSockets,
  instance: string,
  body: (connection: LocalConnection) => Promise<number>,
): Promise<number> {
  try {
    using connection = await LocalConnection.open(sockets, instance);
    return await body(connection);
  } catch (error) {
    writeTo(Deno.stderr, failureText(`fluxify-${sockets.program}`, error, "one line"));
    return error instanceof NotRunningError ? EXIT_NOT_RUNNING : exitCodeFor(error);
  }
}

/** Lines for people, or the value as JSON on one. */
export function writeAnswer(format: "text" | "json", value: unknown, lines: () => string[]): void {
  const text = format === "json" ? [JSON.stringify(value)] : lines();
  if (text.length > 0) writeTo(Deno.stdout, text.join("\n") + "\n");
}

/** A line of a log as a log has it. */
export function logLine({ time, level, text }: { time: string; level: string; text: string }) {
  return `${time} ${level.padEnd(7)} ${text}`;
}
