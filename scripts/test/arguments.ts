/** The command line of `deno task test`, split by who it is for. */
export interface TestArguments {
  /** Whether missing programs may be installed. */
  install: "install" | "print only";
  /** For `deno test`, with the folders to look in. */
  forDeno: string[];
}

/** Options of `deno test` whose value may stand in the next argument. */
const WITH_VALUE = new Set(["--filter", "--reporter", "--junit-path", "--ignore", "--seed"]);

/**
 * Passes everything on to `deno test`, behind a leading `--` or not. Only where no file or folder
 * is named, the whole suite in `folders` runs.
 */
export function parseTestArguments(
  argv: readonly string[],
  folders: readonly string[],
): TestArguments {
  const forDeno = argv.filter((argument) => argument !== "--" && argument !== "--no-install");
  const names = forDeno.filter((argument, index) =>
    !argument.startsWith("-") && !WITH_VALUE.has(forDeno[index - 1] ?? "")
  );
  return {
    install: argv.includes("--no-install") ? "print only" : "install",
    forDeno: names.length > 0 ? forDeno : [...forDeno, ...folders],
  };
}
