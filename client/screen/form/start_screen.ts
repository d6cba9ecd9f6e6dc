/**
 * `fluxify-client` on a terminal, without a mode: the form, what was started from it, and the form
 * again. Whatever ends it, terminal and routes are as they were.
 */
import { getLogger } from "@logtape/logtape";
import { dirname, join } from "node:path";
import { failureMessage } from "../../../lib/cli/exit.ts";
import { LOG_CATEGORY } from "../../../lib/cli/log.ts";
import type { ProgramLog } from "../../../lib/cli/run_program.ts";
import type { InvokingUser } from "../../../lib/cli/user_home.ts";
import { SystemRunner } from "../../../lib/host/command/runner.ts";
import { readLeftBehind } from "../../../lib/host/journal/stale.ts";
import { balance } from "../../balance/balance.ts";
import { bond } from "../../bonding/bonding_mode.ts";
import { ControlError } from "../../control/control_error.ts";
import { TUN_NAME } from "../../config/bond_options.ts";
import { type ClientCommand, parseClientOptions } from "../../config/options.ts";
import type { Settings } from "../../config/settings.ts";
import { settingsPath } from "../../config/settings_file.ts";
import { writeUserFile } from "../../config/user_folder.ts";
import { diagnose, diagnosisLines, reportText, withContents } from "../../diagnostics/diagnosis.ts";
import { leftBehindLine } from "../../diagnostics/earlier_runs.ts";
import { balanceModels } from "../balance_view.ts";
import { balanceKeys, bondKeys } from "../status_keys.ts";
import { bondModels } from "../bond_view.ts";
import { type DiagKind, DiagPage } from "../diag_page.ts";
import { ScreenHost } from "../../../lib/cli/screen/screen_host.ts";
import { StatusPage } from "../status_page.ts";
import { FormPage } from "./form_page.ts";
import { isBalancing } from "./form_state.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

/**
 * Until the user quits or `signal` is aborted. "at once": what the settings say is started first.
 * @throws UsageError when there is no terminal.
 */
export async function showStartScreen(
  user: InvokingUser,
  options: ProgramLog & { readonly settings: Settings },
  begins: "with the form" | "at once",
  signal: AbortSignal,
): Promise<void> {
  const { settings } = options;
  let refresh = () => {};
  await using form = new FormPage(user, new SystemRunner(), settings, () => refresh());
  await using host = new ScreenHost(form, "the start screen", "give a mode: -b or -l");
  refresh = () => host.refresh();
  form.open();
  host.open(options);
  await tellOfEarlierRuns(form);
  const stopped = Promise.withResolvers<"quit">();
  signal.addEventListener("abort", () => stopped.resolve("quit"), { once: true });
  if (signal.aborted) return;
  if (begins === "at once") {
    await start(host, form, user, signal);
    if (signal.aborted) return;
    host.show(form);
  }
  for (;;) {
    switch (await Promise.race([form.nextAction(), stopped.promise])) {
      case "quit":
        return;
      case "start":
        await start(host, form, user, signal);
        break;
      case "diagnose":
        await diagnoseFor(host, form, user, stopped.promise);
        break;
    }
    if (signal.aborted) return;
    host.show(form);
  }
}

/** What a client that was killed left in force is said at once; who may not look is told by a start. */
async function tellOfEarlierRuns(form: FormPage): Promise<void> {
  const line = leftBehindLine(await readLeftBehind().catch(() => []));
  if (line !== null) form.say({ kind: "error", text: line });
}

/** Shows a diagnosis of what the form would start, until the user has read it. */
async function diagnoseFor(
  host: ScreenHost,
  form: FormPage,
  user: InvokingUser,
  stopped: Promise<unknown>,
): Promise<void> {
  const save = async (lines: readonly string[]) => {
    const path = join(dirname(settingsPath(user)), "diagnosis.txt");
    await writeUserFile(path, reportText(withContents(lines)), user);
    return path;
  };
  const look = (kind: DiagKind) =>
    diagnosisLines(diagnose(user, form.settings, kind === "load" ? "fills each link" : "none"));
  const page = new DiagPage(look, save, () => host.refresh());
  host.show(page);
  void page.run("plain");
  await Promise.race([page.left, stopped]);
  form.resume();
}

/** Runs what the form has come to, and leaves the form with what has become of it. */
async function start(
  host: ScreenHost,
  form: FormPage,
  user: InvokingUser,
  signal: AbortSignal,
): Promise<void> {
  const command = parseClientOptions(
    [isBalancing(form.settings) ? "-l" : "-b"],
    user.home,
    form.settings,
  );
  if (command.command === "print") {
    form.say({ kind: "error", text: command.text.trim().replace(/^[\w-]+: /, "") });
    return;
  }
  const stop = new AbortController();
  const page = new StatusPage(titleOf(command), () => stop.abort());
  host.show(page);
  try {
    await run(command, page, host, form, AbortSignal.any([signal, stop.signal]));
    form.say({ kind: "note", text: "stopped: the machine's own routes are back" });
  } catch (error) {
    const text = failureMessage(error);
    log.error("{text}", { text });
    form.say({ kind: "error", text, ...isOfServer(error) ? { about: "the server" } : {} });
  }
}

/** Also where the clean-up behind it failed, too. */
function isOfServer(error: unknown): boolean {
  return error instanceof SuppressedError
    ? isOfServer(error.suppressed)
    : error instanceof ControlError;
}

function titleOf(command: ClientCommand): string {
  return command.command === "bond"
    ? `Fluxify bonding to ${command.options.server}`
    : "Fluxify load balance";
}

async function run(
  command: ClientCommand,
  page: StatusPage,
  host: ScreenHost,
  form: FormPage,
  signal: AbortSignal,
): Promise<void> {
  const onLinks = (names: readonly string[]) => form.useLinks(names);
  if (command.command === "bond") {
    await bond(command.options, signal, {
      onConnecting(steps) {
        page.showSteps(steps);
        host.refresh();
      },
      onBonding(readStatus, controls) {
        const tun = command.options.tunName;
        const keys = bondKeys(readStatus, controls, { host, page, tun, onLinks });
        page.show(bondModels(readStatus, performance.now()), keys);
        host.refresh();
      },
    });
  } else if (command.command === "balance") {
    await balance(command.options, signal, {
      onBalancing(readStatus, controls) {
        const keys = balanceKeys(readStatus, controls, { host, page, tun: TUN_NAME, onLinks });
        page.show(balanceModels(readStatus, performance.now()), keys);
        host.refresh();
      },
    });
  }
}
