/** `fluxify-server`, loaded by main.ts. */
import { getLogger } from "@logtape/logtape";
import { endProcess } from "../lib/cli/end_process.ts";
import { EXIT_OK } from "../lib/cli/exit.ts";
import { writeTo } from "../lib/cli/output.ts";
import { isPromptLeft, requireAnswers } from "../lib/cli/prompt_end.ts";
import { LOG_CATEGORY } from "../lib/cli/log.ts";
import { PAGE_PROCESS } from "../lib/page/page_process_word.ts";
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
  type ServeOptions,
  SERVER_PROGRAM,
  type ServerCommand,
  type ServerOptions,
} from "./options.ts";
import { serve } from "./serve.ts";

const log = getLogger([LOG_CATEGORY, "server"]);

/** Runs the program, or the process of its page. */
export async function run(): Promise<void> {
  if (Deno.args[0] === PAGE_PROCESS) {
    const { runPageProcess } = await import("../lib/page/page_process.ts");
    const { SERVER_PAGE } = await import("./page/server_page.ts");
    return endProcess(await runPageProcess(SERVER_PAGE));
  }
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
    case "client": {
      const { runClientCommand } = await import("./clients/run.ts");
      return await runClientCommand(parsed);
    }
    case "manage":
    case "setup":
      return await runOnTerminal(parsed);
    case "web":
      return await runProgram(SERVER_PROGRAM, parsed, async (signal) => {
        const folders = parsed.pkiFolder === null
          ? pkiFoldersFor(Deno.uid())
          : [parsed.pkiFolder] as const;
        const pkiFolder = await findPkiFolder(folders);
        const { openServerPage } = await import("./page/server_page.ts");
        const { runWeb } = await import("../lib/page/web_command.ts");
        await runWeb(() => openServerPage({ ...parsed, pkiFolder }), signal);
      });
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
      await using _page = await pageOf({ ...options, pkiFolder });
      await serve({ ...options, pkiFolder }, signal, hangUps);
    },
    () => hangUps.notify(),
  );
}

/** The page of `-web`, or nothing. Its log line has no link: `web` prints that. */
async function pageOf(options: ServeOptions): Promise<AsyncDisposable> {
  const { page } = options;
  if (page === null) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const { openServerPage } = await import("./page/server_page.ts");
  const opened = await openServerPage({ ...options, page });
  const { address } = opened;
  log.info("the page is at {address}; 'fluxify-server web' prints the link to log in", { address });
  return opened;
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
