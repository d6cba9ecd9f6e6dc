/** `fluxify-client`, loaded by main.ts. */
import { getLogger } from "@logtape/logtape";
import { endProcess } from "../lib/cli/end_process.ts";
import { EXIT_OK, EXIT_USAGE, exitCodeFor, failureText } from "../lib/cli/exit.ts";
import { writeTo } from "../lib/cli/output.ts";
import { LOG_CATEGORY } from "../lib/cli/log.ts";
import type { InstanceOptions } from "../lib/cli/instance_options.ts";
import { PAGE_PROCESS } from "../lib/page/page_process_word.ts";
import { readHelpWidth } from "../lib/cli/program.ts";
import { type ProgramLog, runProgram } from "../lib/cli/run_program.ts";
import { isPromptLeft, requireAnswers } from "../lib/cli/prompt_end.ts";
import { type InvokingUser, readInvokingUser } from "../lib/cli/user_home.ts";
import { nativeEngineObstacle } from "../lib/net/native/native_engine.ts";
import { versionText } from "../lib/cli/version_text.ts";
import { ASK_COMMANDS } from "./config/ask_options.ts";
import {
  type BondOptions,
  CLIENT_PROGRAM,
  type ClientCommand,
  describeClientProgram,
  parseClientOptions,
} from "./config/options.ts";
import { SERVICE_COMMANDS } from "./config/service_options.ts";
import { describeSettings } from "./config/settings.ts";
import { type LoadedSettings, loadSettings, settingsPath } from "./config/settings_file.ts";
import { openDebugLog } from "./debug_log.ts";
import { restore } from "./restore.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

/** Runs the program, or the process of its page. */
export async function run(): Promise<void> {
  if (Deno.args[0] === PAGE_PROCESS) {
    const { runPageProcess } = await import("../lib/page/page_process.ts");
    const { CLIENT_PAGE } = await import("./page/client_page.ts");
    return endProcess(await runPageProcess(CLIENT_PAGE));
  }
  endProcess(await main());
}

async function main(): Promise<number> {
  const user = readInvokingUser();
  try {
    const loaded = await settingsFor(Deno.args, user);
    for (const line of loaded.notices) writeTo(Deno.stderr, `${CLIENT_PROGRAM}: ${line}\n`);
    const parsed = parseClientOptions(Deno.args, user.home, loaded.settings, readHelpWidth());
    const isNew = loaded.isFirst && parsed.command === "start" && Deno.args.length === 0 &&
      Deno.stdin.isTerminal() && Deno.stdout.isTerminal() && !hasBundle(user);
    return await runCommand(isNew ? { ...parsed, command: "setup" } : parsed, user);
  } catch (error) {
    writeTo(Deno.stderr, failureText(CLIENT_PROGRAM, error, "one line"));
    return exitCodeFor(error);
  }
}

async function runCommand(parsed: ClientCommand, user: InvokingUser): Promise<number> {
  switch (parsed.command) {
    case "bond":
      return await runLogged(parsed.options, user, async (signal) => {
        await using _page = await pageOf(parsed.options, diagFlagsOf(parsed.options));
        if (!parsed.options.ui) {
          const { bond } = await import("./bonding/bonding_mode.ts");
          return await bond(parsed.options, signal);
        }
        const { showBonding } = await import("./screen/show.ts");
        await showBonding(parsed.options, signal);
      });
    case "balance":
      return await runLogged(parsed.options, user, async (signal) => {
        await using _page = await pageOf(parsed.options, []);
        if (!parsed.options.ui) {
          const { balance } = await import("./balance/balance.ts");
          return await balance(parsed.options, signal);
        }
        const { showBalance } = await import("./screen/show.ts");
        await showBalance(parsed.options, signal);
      });
    case "restore":
      return await runProgram(CLIENT_PROGRAM, parsed.options, async () => {
        const detail = parsed.options.logLevel === "debug" ? "each change" : "in short";
        const print = (line: string) => writeTo(Deno.stdout, `${line}\n`);
        await restore(print, detail, parsed.options.killSwitch);
      });
    case "start":
      if (!Deno.stdin.isTerminal() || !Deno.stdout.isTerminal()) {
        writeTo(Deno.stderr, `${CLIENT_PROGRAM}: give a mode: -b -server HOST, or -l\n`);
        return EXIT_USAGE;
      }
      return await runLogged(parsed.options, user, async (signal) => {
        const { showStartScreen } = await import("./screen/form/start_screen.ts");
        const begins = parsed.begins ?? "with the form";
        await showStartScreen(user, parsed.options, begins, signal);
      });
    case "setup":
      return await setUp(parsed.options, user);
    case "diag": {
      const { options } = parsed;
      let exitCode: number = EXIT_OK;
      const failure = await runProgram(CLIENT_PROGRAM, options, async () => {
        const { runDiag } = await import("./diagnostics/run.ts");
        exitCode = await runDiag(user, options);
      });
      return failure === EXIT_OK ? exitCode : failure;
    }
    case "netcheck": {
      const { runNetcheck } = await import("./diagnostics/netcheck.ts");
      return await runNetcheck(user, parsed.options);
    }
    case "config": {
      const path = settingsPath(user);
      const lines = parsed.format === "json"
        ? [JSON.stringify({ file: path, settings: parsed.rows })]
        : describeSettings(parsed.rows, path);
      writeTo(Deno.stdout, lines.join("\n") + "\n");
      return EXIT_OK;
    }
    case "run": {
      const { savedStart } = await import("./service/saved_start.ts");
      const { start, notices } = await savedStart(user, parsed);
      for (const line of notices) writeTo(Deno.stderr, `${CLIENT_PROGRAM}: ${line}\n`);
      return await runCommand(start, user);
    }
    case "up": {
      const { bringUp } = await import("./service/up.ts");
      return await bringUp(user, parsed);
    }
    case "web": {
      const { openClientPage } = await import("./page/client_page.ts");
      const { runWeb } = await import("../lib/page/web_command.ts");
      return await runLogged(parsed, user, async (signal) => {
        await runWeb(() => openClientPage({ ...parsed, servedBy: "web", diagFlags: [] }), signal);
      });
    }
    case "ask": {
      const { runAsk } = await import("./local_socket/ask.ts");
      return await runAsk(parsed);
    }
    case "schema":
      writeTo(Deno.stdout, JSON.stringify(parsed.schema, null, 2) + "\n");
      return EXIT_OK;
    case "completion":
    case "complete": {
      const { writeCompletions, writeCompletionScript } = await import("../lib/cli/completion.ts");
      const program = describeClientProgram();
      if (parsed.command === "completion") writeCompletionScript(program, parsed.shell);
      else writeCompletions(program, parsed.words, { ifaces: interfaceNames });
      return EXIT_OK;
    }
    case "print":
      if (parsed.about === "version") {
        parsed.text = versionText(CLIENT_PROGRAM, nativeEngineObstacle());
      }
      writeTo(parsed.exitCode === 0 ? Deno.stdout : Deno.stderr, parsed.text);
      return parsed.exitCode;
    default:
      return parsed satisfies never;
  }
}

/** The page of `-web`, or nothing. Its log line has no link: `web` prints that. */
async function pageOf(
  { page, instance }: InstanceOptions,
  diagFlags: readonly string[],
): Promise<AsyncDisposable> {
  if (page === null) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const { openClientPage } = await import("./page/client_page.ts");
  const opened = await openClientPage({ page, instance, servedBy: "client", diagFlags });
  const { address } = opened;
  log.info("the page is at {address}; 'fluxify-client web' prints the link to log in", { address });
  return opened;
}

function diagFlagsOf({ server, controlPort, certFile, pkiFolder }: BondOptions): string[] {
  const cert = certFile === null ? [] : ["-cert", certFile];
  return ["-server", server, "-ctrl", `${controlPort}`, "-pki", pkiFolder, ...cert];
}

/** Without it the program runs all the same. */
function beginDebugLog(user: InvokingUser): Disposable | null {
  try {
    const debugLog = openDebugLog(user);
    log.info("log file: {path}", { path: debugLog.path });
    return debugLog;
  } catch (error) {
    log.warn("no log file: {error}", { error });
    return null;
  }
}

/** As runProgram(); -v also writes a file. */
function runLogged(
  options: ProgramLog,
  user: InvokingUser,
  body: (signal: AbortSignal) => Promise<void>,
): Promise<number> {
  return runProgram(CLIENT_PROGRAM, options, async (signal) => {
    using _debugLog = options.logLevel === "debug" ? beginDebugLog(user) : null;
    await body(signal);
  });
}

/** Asks, and starts where that is wanted. */
async function setUp(
  options: (ClientCommand & { command: "setup" })["options"],
  user: InvokingUser,
): Promise<number> {
  let next: ClientCommand | null = null;
  const exitCode = await runProgram(CLIENT_PROGRAM, options, async (signal) => {
    requireAnswers("-b -server HOST -ifaces LIST, or -l -ifaces LIST");
    const { runSetup } = await import("./setup/wizard.ts");
    try {
      const print = (line: string) => writeTo(Deno.stdout, `${line}\n`);
      const { settings, starts } = await runSetup(user, options.settings, print, signal);
      if (starts === "not") return;
      if (starts === "as a service") {
        next = { command: "up", instance: null, file: null, flags: [] };
        return;
      }
      next = { command: "start", options: { ...options, settings }, begins: "at once" };
    } catch (error) {
      if (!isPromptLeft(error)) throw error;
      writeTo(Deno.stderr, `${CLIENT_PROGRAM}: setup was left, and nothing was saved\n`);
    }
  });
  return next === null ? exitCode : await runCommand(next, user);
}

function hasBundle({ home }: InvokingUser): boolean {
  try {
    return [...Deno.readDirSync(`${home}/.fluxify`)].some(({ name }) =>
      /\.(bundle|pem)$/.test(name)
    );
  } catch {
    return false;
  }
}

/** What puts a machine right, and what a shell asks at each key, does not hang on the file. */
const WITHOUT_SETTINGS = ["restore", "completion", "complete", "help"];
/** The same goes for what asks a client that runs, and for what reads settings that it is told. */
const ownWay = ([first = ""]: readonly string[]) =>
  ASK_COMMANDS.includes(first) || SERVICE_COMMANDS.includes(first) || first === "web";

async function settingsFor(
  argv: readonly string[],
  user: InvokingUser,
): Promise<Omit<LoadedSettings, "path">> {
  // A command comes first; behind flags the same word is a value.
  const asksForHelp = argv.some((word) => /^--?(h|help|version)$/.test(word));
  if (ownWay(argv) || WITHOUT_SETTINGS.includes(argv[0] ?? "") || asksForHelp) {
    return { settings: new Map(), notices: [], isFirst: false };
  }
  return await loadSettings(user, describeClientProgram());
}

function interfaceNames(): string[] {
  return [...Deno.readDirSync("/sys/class/net")].map(({ name }) => name)
    .filter((name) => name !== "lo").sort();
}
