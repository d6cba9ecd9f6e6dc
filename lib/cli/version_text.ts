/** What `--version` prints. */
import { BUILD_VARIABLE, type BuildInfo, parseBuildInfo, readCommit } from "./build_info.ts";
import { VERSION } from "./version.ts";

interface VersionFacts extends BuildInfo {
  readonly deno: string;
  /** Why the native engine cannot run here; null when it can. */
  readonly obstacle: string | null;
}

/** Lines that end in a line feed. */
export function describeVersion(
  program: string,
  { form, commit, deno, obstacle }: VersionFacts,
): string {
  const engine = obstacle === null
    ? "native"
    : `portable, which is slower: the native one cannot run here (${obstacle})`;
  const run = { source: "run from source", compiled: "compiled", packed: "packed" }[form];
  return [
    `${program} ${VERSION}`,
    `commit: ${commit ?? "unknown"}`,
    `build: ${run}`,
    `Deno: ${deno}`,
    `engine: ${engine}`,
  ].map((line) => `${line}\n`).join("");
}

/**
 * Of the program that runs: reads the environment, and where it is the source asks git for the
 * commit. `obstacle` is why the native engine cannot run here, or null.
 */
export function versionText(program: string, obstacle: string | null): string {
  const build = parseBuildInfo(
    Deno.env.get(BUILD_VARIABLE),
    () => readCommit(new URL("../..", import.meta.url).pathname),
  );
  const facts = { ...build, deno: Deno.version.deno, obstacle };
  return describeVersion(program, facts);
}
