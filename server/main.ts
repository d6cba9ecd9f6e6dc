/**
 * The entry of `fluxify-server`, and of its data plane's thread. What must hold from the first moment
 * on comes before everything else is loaded.
 */
import { isMainThread } from "node:worker_threads";
import { guardAgainstDebugger } from "../lib/cli/debugger_guard.ts";
import { restoreHome } from "../lib/cli/user_home.ts";
import { TLS_HELPER_ARGUMENT } from "../lib/pki/tls/helper_command.ts";

if (!isMainThread) {
  // Of the program only what the thread needs: the rest would cost it some MiB.
  const { isNativeWorker, runNativeWorker } = await import("../lib/net/native/worker.ts");
  if (isNativeWorker()) runNativeWorker();
} else if (import.meta.main) {
  guardAgainstDebugger();
  if (Deno.args[0] === TLS_HELPER_ARGUMENT) {
    const { runTlsHelper } = await import("../lib/pki/tls/helper_program.ts");
    await runTlsHelper();
  } else {
    restoreHome();
    const { run } = await import("./server_program.ts");
    await run();
  }
}
