/** The page that shows what a mode of the client does, until the user says stop. */
import type { Frame, Size } from "../../lib/cli/screen/canvas.ts";
import { formatUptime } from "../../lib/cli/screen/figures.ts";
import { drawFrame, STATUS_LEAST } from "./frame.ts";
import type { StepStatus } from "../bonding/connect_progress.ts";
import { isTooSmall } from "../../lib/cli/screen/too_small.ts";
import type { LogLine } from "../../lib/cli/log_lines.ts";
import type { Page, PageInput } from "../../lib/cli/screen/screen_host.ts";
import { INITIAL_STATE, react, type ScreenInput, type ScreenTarget } from "./screen_state.ts";
import type { ReadModel, StatusModel } from "./status_model.ts";

/** Keys by which the client is stopped, or the question answered. */
const LEAVING = ["q", "ctrl+c", "y", "Y", "n", "N", "escape"];

export class StatusPage implements Page<ScreenTarget> {
  readonly #openedAtMs = performance.now();
  readonly #onStop: () => void;
  #state = INITIAL_STATE;
  #model: StatusModel;
  #read: ReadModel;
  #isLogAtStart = true;
  #size: Size = STATUS_LEAST;
  #onKey: (key: string) => boolean = () => false;

  constructor(title: string, onStop: () => void) {
    this.#onStop = onStop;
    this.#read = (nowMs) => Promise.resolve(startingModel(title, nowMs - this.#openedAtMs));
    this.#model = startingModel(title, 0);
  }

  /** From now on this is what is shown. `onKey` takes keys of the mode: whether it knew this one. */
  show(read: ReadModel, onKey: (key: string) => boolean = () => false): void {
    this.#read = read;
    this.#onKey = onKey;
  }

  /** Until there is more to show, how far it has come. */
  showSteps(steps: readonly StepStatus[]): void {
    const title = this.#model.title;
    this.#read = (nowMs) =>
      Promise.resolve({
        ...startingModel(title, nowMs - this.#openedAtMs, "connecting"),
        steps,
      });
  }

  draw(log: readonly LogLine[], size: Size): Frame<ScreenTarget> {
    this.#size = size;
    const frame = drawFrame(this.#model, this.#state, log, size);
    this.#isLogAtStart = frame.isLogAtStart;
    return frame;
  }

  take(input: PageInput<ScreenTarget>, log: readonly LogLine[]): boolean {
    const isSmall = isTooSmall(this.#size, STATUS_LEAST);
    // Where nothing else is to be seen, nothing else is done.
    if (isSmall && input.kind === "key" && !LEAVING.includes(input.key)) return false;
    const isOwn = input.kind === "key" && this.#state.view === "status" && this.#onKey(input.key);
    if (isOwn) return true;
    const meant: ScreenInput = input.kind === "click" ? input.target : input;
    const next = react(this.#state, meant, {
      rows: this.#model.rows.map(({ key }) => key),
      logLength: log.length,
      isLogAtStart: this.#isLogAtStart,
    });
    if (next === "stop") {
      this.#onStop();
      return false;
    }
    if (next === this.#state) return false;
    this.#state = next;
    return input.kind !== "log grew";
  }

  async refresh(nowMs: number): Promise<void> {
    this.#model = await this.#read(nowMs);
  }
}

function startingModel(title: string, forMs: number, what = "starting"): StatusModel {
  const totals = [`${what} for ${formatUptime(forMs)}`];
  return { title, facts: [], totals, more: [], uptimeMs: null, columns: [], rows: [] };
}
