/** A mode of the client beside a screen that shows what it does. */
import type { ProgramLog } from "../../lib/cli/run_program.ts";
import { ScreenHost } from "../../lib/cli/screen/screen_host.ts";
import type { StepStatus } from "../bonding/connect_progress.ts";
import type { ReadModel } from "./status_model.ts";
import { StatusPage } from "./status_page.ts";

interface LiveScreen {
  readonly host: ScreenHost;
  readonly page: StatusPage;
  /** From now on this is what is shown. */
  show(read: ReadModel, onKey?: (key: string) => boolean): void;
  /** As show(), until there is more to show than the steps. */
  showSteps(steps: readonly StepStatus[]): void;
}

/**
 * Runs `body` with a screen beside it. Its signal is aborted when `signal` is or the user says stop;
 * the terminal is given back then, and what is still logged goes to stderr.
 * @throws UsageError when there is no terminal; else what `body` throws.
 */
export async function withLiveScreen(
  title: string,
  programLog: ProgramLog,
  signal: AbortSignal,
  body: (signal: AbortSignal, screen: LiveScreen) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const page = new StatusPage(title, () => stop.abort());
  await using host = new ScreenHost(page, "-ui", "leave -ui out and read the log");
  host.open(programLog);
  either.addEventListener("abort", () => void host.close(), { once: true });
  if (either.aborted) return;
  await body(either, {
    ...{ host, page },
    show: (read, onKey) => {
      page.show(read, onKey);
      host.refresh();
    },
    showSteps: (steps) => {
      page.showSteps(steps);
      host.refresh();
    },
  });
}
