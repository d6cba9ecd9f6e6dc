/**
 * The entry of `fluxify-client`, and of its data plane's thread. What must hold from the first moment
 * on comes before everything else is loaded.
 */
import { isMainThread } from "node:worker_threads";
import { guardAgainstDebugger } from "../lib/cli/debugger_guard.ts";
import { restoreHome } from "../lib/cli/user_home.ts";

if (import.meta.main || !isMainThread) {
  if (isMainThread) {
    guardAgainstDebugger();
    restoreHome();
  }
  const { run } = await import("./client_program.ts");
  await run();
}
