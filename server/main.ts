/** `fluxify-server`: the program, and the thread of its data plane. */
import { runProgram } from "../lib/cli/run_program.ts";
import { isNativeWorker, runNativeWorker } from "../lib/net/engine/native/worker.ts";
import { runCertCommand } from "./certificates/run.ts";
import { parseServerOptions, SERVER_PROGRAM } from "./options.ts";
import { serve } from "./serve.ts";

async function main(): Promise<number> {
  const parsed = parseServerOptions(Deno.args);
  switch (parsed.command) {
    case "serve":
      return await runProgram(SERVER_PROGRAM, parsed.options, (signal) => {
        return serve(parsed.options, signal);
      });
    case "cert":
      return await runCertCommand(parsed);
    case "print": {
      const stream = parsed.exitCode === 0 ? Deno.stdout : Deno.stderr;
      stream.writeSync(new TextEncoder().encode(parsed.text));
      return parsed.exitCode;
    }
    default:
      return parsed satisfies never;
  }
}

if (isNativeWorker()) runNativeWorker();
else if (import.meta.main) Deno.exit(await main());
