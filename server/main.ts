/** `fluxify-server`: the program, and the thread of its data plane. */
import { endProcess } from "../lib/cli/end_process.ts";
import { runProgram } from "../lib/cli/run_program.ts";
import { isNativeWorker, runNativeWorker } from "../lib/net/engine/native/worker.ts";
import { runCertCommand } from "./certificates/run.ts";
import { parseServerOptions, SERVER_PROGRAM, type ServerOptions } from "./options.ts";
import { HANG_UP, serve } from "./serve.ts";

async function main(): Promise<number> {
  const parsed = parseServerOptions(Deno.args);
  switch (parsed.command) {
    case "serve":
      return await runServer(parsed.options);
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

/** A hang-up reads the certificates again, as other servers do. */
function runServer(options: ServerOptions): Promise<number> {
  const hangUps = new EventTarget();
  return runProgram(
    SERVER_PROGRAM,
    options,
    (signal) => serve(options, signal, hangUps),
    () => hangUps.dispatchEvent(new Event(HANG_UP)),
  );
}

if (isNativeWorker()) runNativeWorker();
else if (import.meta.main) endProcess(await main());
