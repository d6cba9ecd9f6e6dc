/** The list of schedulers to choose from while the client runs; the one in use is marked. */
import { Canvas, type Frame, rule, type Size } from "../../lib/cli/screen/canvas.ts";
import { rowAfter } from "../../lib/cli/screen/list_cursor.ts";
import type { Page, PageInput } from "../../lib/cli/screen/screen_host.ts";
import { fit, span, spread } from "../../lib/cli/screen/styled_line.ts";
import { type SchedulerName, SCHEDULERS } from "../../lib/protocol/wire/scheduler_name.ts";

type SchedulerTarget =
  | { readonly kind: "scheduler"; readonly name: SchedulerName }
  | { readonly kind: "back" };

const WHAT_IT_DOES: Record<SchedulerName, string> = {
  flow: "each connection over one link",
  stripe: "packets of each over all good links",
  redundant: "each packet over every link: calls and games",
  failover: "one link at a time, the others are spares",
  aggregate: "one download over all links together",
};
const NAME_WIDTH = 11;

export class SchedulerPage implements Page<SchedulerTarget> {
  readonly #inUse: SchedulerName;
  readonly #use: (name: SchedulerName) => void;
  readonly #left = Promise.withResolvers<void>();
  #row: number;

  /** `use` is called with another one than `inUse`. */
  constructor(inUse: SchedulerName, use: (name: SchedulerName) => void) {
    this.#inUse = inUse;
    this.#use = use;
    this.#row = SCHEDULERS.indexOf(inUse);
  }

  /** Resolves when the user has chosen, or left it as it was. */
  get left(): Promise<void> {
    return this.#left.promise;
  }

  draw(_log: unknown, { columns, rows }: Size): Frame<SchedulerTarget> {
    const canvas = new Canvas<SchedulerTarget>(Math.max(1, columns), Math.max(1, rows));
    canvas.add([span(spread(" Scheduler", `${this.#inUse} is in use `, canvas.width), "bar")]);
    canvas.add(rule("Enter takes it, Esc leaves all as it is", canvas.width));
    for (const [index, name] of SCHEDULERS.entries()) {
      const isOwn = index === this.#row;
      canvas.target(0, canvas.width, { kind: "scheduler", name });
      canvas.add([
        span(isOwn ? "> " : "  ", "strong"),
        span(`(${name === this.#inUse ? "*" : " "}) ${fit(name, NAME_WIDTH)}`, "plain"),
        span(WHAT_IT_DOES[name], "dim"),
      ]);
    }
    canvas.fillTo(canvas.height - 1);
    canvas.target(1, 7, { kind: "back" });
    canvas.add([
      span(" "),
      span("[Back]", "button"),
      span("  up/down  Enter take it  Esc back", "dim"),
    ]);
    return canvas;
  }

  take(input: PageInput<SchedulerTarget>): boolean {
    switch (input.kind) {
      case "log grew":
        return false;
      case "wheel":
        this.#move(input.lines > 0 ? "down" : "up");
        return true;
      case "click":
        if (input.target.kind === "back") this.#left.resolve();
        else this.#choose(input.target.name);
        return true;
      case "key":
        if (["escape", "q", "ctrl+c", "s"].includes(input.key)) this.#left.resolve();
        else if (["enter", "space"].includes(input.key)) this.#choose(SCHEDULERS[this.#row]!);
        else this.#move(input.key);
        return true;
      default:
        return input satisfies never;
    }
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  #move(key: string): void {
    this.#row = rowAfter(key, this.#row, SCHEDULERS.length) ?? this.#row;
  }

  #choose(name: SchedulerName): void {
    if (name !== this.#inUse) this.#use(name);
    this.#left.resolve();
  }
}
