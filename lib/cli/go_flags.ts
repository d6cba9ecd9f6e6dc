/** For each flag as written (`--port`, `-v`): does it take a value, or is it a switch? */
export type KnownFlags = ReadonlyMap<string, "value" | "switch">;

/**
 * Rewrites long options with one dash, as Go programs take them (`-port 8000`, `-mtu=1400`), to
 * the two dashes commander takes. Touches only the long options in `known`: short ones, clusters
 * of them and unknown words stay as they are. So does the value of an option, whatever it looks
 * like, and everything behind `--`.
 */
export function rewriteGoFlags(argv: readonly string[], known: KnownFlags): string[] {
  const rewritten: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index]!;
    if (argument === "--") return [...rewritten, ...argv.slice(index)];
    const written = withTwoDashes(argument, known);
    rewritten.push(written);
    const value = argv[index + 1];
    if (known.get(written) === "value" && value !== undefined) {
      rewritten.push(value);
      index++;
    }
  }
  return rewritten;
}

function withTwoDashes(argument: string, known: KnownFlags): string {
  const name = /^-([^-=][^=]+)(?:=|$)/.exec(argument)?.[1];
  return name !== undefined && known.has(`--${name}`) ? `-${argument}` : argument;
}
