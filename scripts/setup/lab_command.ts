/** What the commands that build a network have in common: demo, bench, e2e. */
import { ensureTools } from "./ensure_tools.ts";
import type { Tool } from "./packages.ts";

export interface LabOptions {
  /** What to do about tools that are missing. */
  install: "install" | "print only";
}

interface LabCommand<Options extends LabOptions> {
  /** Of the task: "demo". */
  readonly task: string;
  readonly usage: string;
  readonly tools: readonly Tool[];
  /** Throws an Error for arguments it does not know. */
  parse(args: readonly string[]): Options | "help";
  /** Returns whether it succeeded. */
  run(options: Options): Promise<boolean>;
}

/** Runs `command` with the program's arguments and sets the exit code. */
export async function runLabCommand<Options extends LabOptions>(
  command: LabCommand<Options>,
): Promise<void> {
  const { task, usage, tools } = command;
  try {
    const options = command.parse(Deno.args);
    if (options === "help") {
      console.log(usage);
      return;
    }
    if (Deno.build.os !== "linux") throw new Error("it needs Linux for its network namespaces");
    await ensureTools(tools, options.install);
    if (Deno.uid() !== 0) {
      throw new Error(`it builds a network of its own, run with sudo: sudo deno task ${task}`);
    }
    Deno.exitCode = await command.run(options) ? 0 : 1;
  } catch (error) {
    console.error(`Cannot run ${task}: ${(error as Error).message}`);
    Deno.exitCode = 1;
  }
}
