/**
 * What both programs begin with, in the main thread and in those of the data plane. What must hold
 * from the first moment on comes before everything else is loaded.
 */
import { isMainThread } from "node:worker_threads";
import { guardAgainstDebugger } from "../cli/debugger_guard.ts";
import { restoreHome } from "../cli/user_home.ts";
import { TLS_HELPER_ARGUMENT } from "../pki/tls/helper_command.ts";

interface Program {
  run(): Promise<void>;
}

/**
 * Runs what this thread or process was started for.
 * @param isMain whether the module that calls is the program, and not imported by another.
 * @param load loads the program itself.
 */
export async function runEntry(isMain: boolean, load: () => Promise<Program>): Promise<void> {
  if (!isMainThread) {
    // Of the program only what a thread needs: the rest would cost it some MiB.
    const { isNativeWorker, runNativeWorker } = await import("../net/native/worker.ts");
    if (isNativeWorker()) return runNativeWorker();
    const { isRelayWorker, runRelayWorker } = await import("../net/relay/worker.ts");
    if (isRelayWorker()) runRelayWorker();
  } else if (isMain) {
    guardAgainstDebugger();
    if (Deno.args[0] === TLS_HELPER_ARGUMENT) {
      const { runTlsHelper } = await import("../pki/tls/helper_program.ts");
      await runTlsHelper();
    } else {
      restoreHome();
      await (await load()).run();
    }
  }
}
