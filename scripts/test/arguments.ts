/** The command line of `deno task test`, split by who it is for. */
interface TestArguments {
  /** Whether missing programs may be installed. */
  install: "install" | "print only";
  /** For `deno test`. */
  forDeno: string[];
  /** Whether files or folders are named; else the whole suite is meant. */
  namesFiles: boolean;
}

/** Options of `deno test` whose value may stand in the next argument. */
const WITH_VALUE = new Set(["--filter", "--reporter", "--junit-path", "--ignore", "--seed"]);

/**
 * Passes everything on to `deno test`, behind a leading `--` or not.
 */
export function parseTestArguments(argv: readonly string[]): TestArguments {
  const forDeno = argv.filter((argument) => argument !== "--" && argument !== "--no-install");
  const names = forDeno.filter((argument, index) =>
    !argument.startsWith("-") && !WITH_VALUE.has(forDeno[index - 1] ?? "")
  );
  return {
    install: argv.includes("--no-install") ? "print only" : "install",
    forDeno,
    namesFiles: names.length > 0,
  };
}
