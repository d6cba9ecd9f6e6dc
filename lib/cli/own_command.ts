/** How this program is started again, whatever it is: source, one file, or packed around the runtime. */
import { KEPT_HOME } from "./user_home.ts";

interface OwnCommand {
  readonly path: string;
  /** Those of the runtime, in front of the program's own. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * `commandLine` is that of this process, `ownArgs` what the program got of it, `runtimeHome` the
 * folder of a packed program, which has no .npmrc for the runtime to stumble over.
 */
export function ownCommandOf(
  executable: string,
  commandLine: readonly string[],
  ownArgs: readonly string[],
  home: string | undefined,
  runtimeHome: string | null,
): OwnCommand {
  return {
    path: executable,
    args: commandLine.slice(1, commandLine.length - ownArgs.length),
    env: runtimeHome === null ? {} : { HOME: runtimeHome, [KEPT_HOME]: home ?? "" },
  };
}

/** Reads the command line of this process. */
export function readOwnCommand(build: "source" | "compiled" | "packed"): OwnCommand {
  const words = Deno.readTextFileSync("/proc/self/cmdline").split("\0").slice(0, -1);
  const runtimeHome = build === "packed" ? new URL(".", Deno.mainModule).pathname : null;
  return ownCommandOf(Deno.execPath(), words, Deno.args, Deno.env.get("HOME"), runtimeHome);
}
