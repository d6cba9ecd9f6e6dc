/** The TLS process alone, for tests, which are no program that could start itself. */
import { runTlsHelper } from "./helper_program.ts";

export const TEST_HELPER_COMMAND = [
  ...[Deno.execPath(), "run", "--quiet", "--allow-ffi", "--allow-env"],
  import.meta.filename!,
];

if (import.meta.main) await runTlsHelper();
