import { UsageError } from "./exit.ts";

/** For each flag as written (`--port`, `-v`): does it take a value, or is it a switch? */
export type KnownFlags = ReadonlyMap<string, "value" | "switch">;

/** As Go's strconv.ParseBool reads them. */
const TRUE_WORDS = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE_WORDS = new Set(["0", "f", "F", "false", "FALSE", "False"]);

/**
 * Rewrites long options with one dash, as Go programs take them (`-port 8000`, `-mtu=1400`), to
 * the two dashes commander takes. Touches only the long options in `known`: short ones, clusters
 * of them and unknown words stay as they are. So does the value of an option, whatever it looks
 * like, and everything behind `--`. A switch may have a value (`-v=true`, `-regen=false`): false
 * takes it off the command line. Short options may have two dashes. Throws UsageError.
 */
export function rewriteGoFlags(argv: readonly string[], known: KnownFlags): string[] {
  const rewritten: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index]!;
    if (argument === "--") return [...rewritten, ...argv.slice(index)];
    const written = withoutValue(withItsDashes(argument, known), known);
    if (written === null) continue;
    rewritten.push(written);
    const value = argv[index + 1];
    if (known.get(written) === "value" && value !== undefined) {
      rewritten.push(value);
      index++;
    }
  }
  return rewritten;
}

function withItsDashes(argument: string, known: KnownFlags): string {
  const name = /^--?([^-=][^=]*)(?:=|$)/.exec(argument)?.[1];
  if (name === undefined) return argument;
  if (name.length > 1 && known.has(`--${name}`)) return argument.replace(/^--?/, "--");
  return name.length === 1 && known.has(`-${name}`) ? argument.replace(/^--?/, "-") : argument;
}

/** A switch without its value, or null when that is false. */
function withoutValue(argument: string, known: KnownFlags): string | null {
  const [, flag, value] = /^([^=]+)=(.*)$/s.exec(argument) ?? [];
  if (flag === undefined || value === undefined || known.get(flag) !== "switch") return argument;
  if (TRUE_WORDS.has(value)) return flag;
  if (FALSE_WORDS.has(value)) return null;
  const name = flag.replace(/^--/, "-");
  throw new UsageError(`${name} is on or off: ${name}, ${name}=true or ${name}=false`);
}
