/** A step of the build failed. The message names the step; its output went to stderr. */
export class CompileError extends Error {
  override name = "CompileError";
}

/**
 * Runs the Deno that runs us with `args` in the folder `root`, for at most `limitMs`. Its output
 * goes to stderr. Throws CompileError when it fails.
 */
export async function runDeno(
  args: readonly string[],
  root: string,
  limitMs: number,
  env: Record<string, string> = {},
): Promise<void> {
  const limit = AbortSignal.timeout(limitMs);
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: root,
    env: { DENO_NO_UPDATE_CHECK: "1", ...env },
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
    signal: limit,
  }).spawn();
  const { success, signal } = await child.status;
  const what = `deno ${args[0]}`;
  if (limit.aborted) throw new CompileError(`${what} took over ${limitMs / 1000} s`);
  if (signal !== null) throw new CompileError(`${what} was ended by ${signal}`);
  if (!success) throw new CompileError(`${what} failed`);
}
