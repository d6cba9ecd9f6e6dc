/** `deno run -A scripts/setup/main.ts [--no-install]`: installs what tests and demo need. */
import { ensureTools, MissingToolsError } from "./ensure_tools.ts";
import { TEST_TOOLS } from "./packages.ts";

if (import.meta.main) {
  const policy = Deno.args.includes("--no-install") ? "print only" : "install";
  try {
    await ensureTools(TEST_TOOLS, policy);
  } catch (error) {
    if (!(error instanceof MissingToolsError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
