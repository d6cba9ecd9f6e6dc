/** `fluxify-server`, loaded by main.ts. */
import { endProcess } from "../lib/cli/end_process.ts";
import { EXIT_OK } from "../lib/cli/exit.ts";
import { writeTo } from "../lib/cli/output.ts";
import { isPromptLeft, requireAnswers } from "../lib/cli/prompt_end.ts";
import { readHelpWidth } from "../lib/cli/program.ts";
import { runProgram } from "../lib/cli/run_program.ts";
import { versionText } from "../lib/cli/version_text.ts";
import { SystemRunner } from "../lib/host/command/runner.ts";
import { hasUnit, unitName } from "../lib/host/service/systemd_unit.ts";
import { nativeEngineObstacle } from "../lib/net/native/native_engine.ts";
import { findPkiFolder, pkiFoldersFor } from "../lib/pki/pki_folder.ts";
import { HangUps } from "./certificates/hang_ups.ts";
import { runCertCommand } from "./certificates/run.ts";
import {
  describeServerProgram,
  parseServerOptions,
  SERVER_PROGRAM,
  type ServerCommand,
  type ServerOptions,
} from "./options.ts";
import { serve } from "./serve.ts";

/** Runs the program. */
export async function run(): Promise<void> {
  endProcess(await main());
}

async function main(): Promise<number> {
  const parsed = parseServerOptions(Deno.args, readHelpWidth());
  switch (parsed.command) {
    case "serve":
      return await runServer(parsed.options);
    case "cert":
      return await runCertCommand(parsed);
    case "forward": {
      const { runForwardCommand } = await import("./forwards/run.ts");
      return await runForwardCommand(parsed);
    }
    case "manage":
    case "setup":
      return await runOnTerminal(parsed);
    case "ask": {
      const { runAsk } = await import("./local_socket/ask.ts");
      return await runAsk(parsed);
    }
    case "completion":
    case "complete": {
      const { writeCompletions, writeCompletionScript } = await import("../lib/cli/completion.ts");
      const program = describeServerProgram();
      if (parsed.command === "completion") writeCompletionScript(program, parsed.shell);
      else writeCompletions(program, parsed.words, {});
      return EXIT_OK;
    }
    case "print":
      if (parsed.about === "version") {
        parsed.text = versionText(SERVER_PROGRAM, nativeEngineObstacle());
      }
      writeTo(parsed.exitCode === 0 ? Deno.stdout : Deno.stderr, parsed.text);
      return parsed.exitCode;
    default:
      return parsed satisfies never;
  }
}

/** A hang-up reads the certificates again, as other servers do. */
function runServer(options: ServerOptions): Promise<number> {
  const hangUps = new HangUps();
  return runProgram(
    SERVER_PROGRAM,
    options,
    async (signal) => {
      const pkiFolder = options.pkiFolder ?? await findPkiFolder(pkiFoldersFor(Deno.uid()));
      await serve({ ...options, pkiFolder }, signal, hangUps);
    },
    () => hangUps.notify(),
  );
}

/** The manager, or the questions of a new server. */
async function runOnTerminal(
  { command, options }: ServerCommand & { command: "manage" | "setup" },
): Promise<number> {
  const { pkiFolder, hosts } = options;
  const known = pkiFoldersFor(Deno.uid());
  // A new authority is made in the first of them: where the service looks for it.
  const isForService = command === "setup" && known.length > 1 &&
    await hasUnit(new SystemRunner(), unitName(SERVER_PROGRAM, null));
  const usual = isForService ? [known[1]!, known[0]] as const : known;
  const folders = pkiFolder === null ? usual : [pkiFolder] as const;
  let exitCode: number = EXIT_OK;
  const failure = await runProgram(SERVER_PROGRAM, options, async (signal) => {
    const directory = await findPkiFolder(folders);
    if (command === "manage") {
      const { showManager } = await import("./screen/manager.ts");
      return await showManager({ directory, folders, hosts }, options, signal);
    }
    requireAnswers("'cert init -hosts NAMES' and 'cert new NAME'");
    const { runServerSetup } = await import("./setup/wizard.ts");
    try {
      const print = (line: string) => writeTo(Deno.stdout, `${line}\n`);
      exitCode = await runServerSetup({ directory, folders }, print, signal);
    } catch (error) {
      if (!isPromptLeft(error)) throw error;
      writeTo(Deno.stderr, `${SERVER_PROGRAM}: setup was left, and nothing was made\n`);
    }
  });
  return failure === EXIT_OK ? exitCode : failure;
}
