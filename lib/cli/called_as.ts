/** How this program was called, so that the commands it names can be typed as they are shown. */
import { basename, dirname, resolve } from "node:path";

/** The launcher of a program that is built around the runtime tells how it was called. */
const VARIABLE = "FLUXIFY_CALLED_AS";
/** What can be typed into a shell without quotes. */
const PLAIN = /^[\w./+@-]+$/;

/**
 * What to type for `program`: its name where the shell finds it, else the `path` it was called by.
 * `searched` are the folders of PATH.
 */
export function wordFor(program: string, path: string | null, searched: readonly string[]): string {
  if (path === null || !path.includes("/") || !PLAIN.test(path)) return program;
  if (basename(path) !== program || searched.includes(dirname(resolve(path)))) return program;
  return path;
}

/** As wordFor(), of the program that runs. */
export function calledAs(program: string): string {
  const searched = (Deno.env.get("PATH") ?? "").split(":");
  return wordFor(program, Deno.env.get(VARIABLE) ?? ownPath(), searched);
}

/** `text` with each command of `program` in quotes as `word` calls it. */
export function inWordsOfCaller(text: string, program: string, word: string): string {
  return text.replaceAll(`"${program} `, `"${word} `).replaceAll(`'${program} `, `'${word} `);
}

/** The first word of the command line; under `deno run` it is the runtime's. */
function ownPath(): string | null {
  try {
    return Deno.readTextFileSync("/proc/self/cmdline").split("\0", 1)[0] ?? null;
  } catch {
    return null; // without /proc the name has to do
  }
}
