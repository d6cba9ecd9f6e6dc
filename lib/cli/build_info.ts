/** How the program that runs was built. Whatever starts a built one says so in FLUXIFY_BUILD. */

export interface BuildInfo {
  /** `source`, `compiled` by deno compile, or `packed` around the Deno binary. */
  readonly form: "source" | "compiled" | "packed";
  /** As `4228511c0a`, with `-dirty` when files differed from it; null where nobody knows. */
  readonly commit: string | null;
}

export const BUILD_VARIABLE = "FLUXIFY_BUILD";
const WRITTEN = /^(compiled|packed) ([0-9a-f]{7,40}(?:-dirty)?|unknown)$/;

/** The value of the variable for a program of that form. */
export function writeBuildInfo({ form, commit }: BuildInfo): string {
  return `${form} ${commit ?? "unknown"}`;
}

/** `written` is the variable; without it, or with another word in it, the program is the source. */
export function parseBuildInfo(
  written: string | undefined,
  sourceCommit: () => string | null,
): BuildInfo {
  const [, form, commit] = WRITTEN.exec(written ?? "") ?? [];
  if (form === undefined) return { form: "source", commit: sourceCommit() };
  return { form: form as BuildInfo["form"], commit: commit === "unknown" ? null : commit! };
}

/** Asks git for the commit of the tree at `folder`; null without git, or where it is none. */
export function readCommit(folder: string): string | null {
  const args = ["-C", folder, "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"];
  try {
    const { success, stdout } = new Deno.Command("git", { args, stderr: "null" }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
