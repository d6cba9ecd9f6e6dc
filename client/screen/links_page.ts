/** The list of links to tick while a mode runs: what is chosen is used at once. */
import { messageOf } from "../../lib/ffi/error_text.ts";
import { Canvas, type Frame, rule, type Size } from "../../lib/cli/screen/canvas.ts";
import { rowAfter } from "../../lib/cli/screen/list_cursor.ts";
import type { Page, PageInput } from "../../lib/cli/screen/screen_host.ts";
import { span, spread, wrap } from "../../lib/cli/screen/styled_line.ts";
import { BONDED_LINKS_MIN } from "../config/link_choice.ts";
import { drawLinkTable } from "./form/link_table.ts";
import { listLinks, type MachineLink } from "./form/machine_link.ts";

export interface LinksState {
  /** In the order in which they were ticked. */
  readonly ticked: readonly string[];
  readonly row: number;
  readonly shows: "likely links" | "all links";
  readonly message: string | null;
}

type LinksTarget =
  | { readonly kind: "link"; readonly name: string }
  | { readonly kind: "apply" }
  | { readonly kind: "back" };

type LinksAction = "apply" | "back";

const READ_EVERY_MS = 2_000;
const MESSAGE_LINES_MAX = 3;

/** `rows`: what is listed. Fewer than two are not taken. */
export function reactLinks(
  state: LinksState,
  input: PageInput<LinksTarget>,
  rows: readonly MachineLink[],
): { readonly state: LinksState; readonly action?: LinksAction } {
  switch (input.kind) {
    case "log grew":
      return { state };
    case "wheel":
      return {
        state: {
          ...state,
          row: rowAfter(input.lines > 0 ? "down" : "up", state.row, rows.length)!,
        },
      };
    case "click": {
      const { target } = input;
      if (target.kind === "back") return { state, action: "back" };
      if (target.kind === "apply") return apply(state);
      const row = rows.findIndex(({ name }) => name === target.name);
      return { state: row < 0 ? state : tick({ ...state, row }, rows[row]!) };
    }
    case "key": {
      const { key } = input;
      const calm = { ...state, message: null };
      if (["escape", "q", "ctrl+c"].includes(key)) return { state, action: "back" };
      if (key === "enter") return apply(calm);
      const link = rows[Math.min(state.row, rows.length - 1)];
      if (key === "space") return { state: link === undefined ? calm : tick(calm, link) };
      if (key === "a") {
        const shows = state.shows === "all links" ? "likely links" : "all links";
        return { state: { ...calm, shows, row: 0 } };
      }
      const row = rowAfter(key, state.row, rows.length);
      return { state: row === null ? calm : { ...calm, row } };
    }
    default:
      return input satisfies never;
  }
}

function tick(state: LinksState, { name, problem }: MachineLink): LinksState {
  const { ticked } = state;
  if (ticked.includes(name)) {
    return { ...state, message: null, ticked: ticked.filter((one) => one !== name) };
  }
  if (problem !== null) return { ...state, message: `${name} cannot be used: it ${problem}` };
  return { ...state, message: null, ticked: [...ticked, name] };
}

function apply(state: LinksState): { state: LinksState; action?: "apply" } {
  if (state.ticked.length >= BONDED_LINKS_MIN) return { state, action: "apply" };
  return { state: { ...state, message: "two links at least" } };
}

/** `links` null: still being read. */
export function drawLinks(
  state: LinksState,
  links: readonly MachineLink[] | null,
  { columns, rows }: Size,
): Frame<LinksTarget> {
  const canvas = new Canvas<LinksTarget>(Math.max(1, columns), Math.max(1, rows));
  canvas.add([
    span(spread(" Links", `${state.ticked.length} ticked `, canvas.width), "bar"),
  ]);
  canvas.add(rule("Space ticks, Enter takes them, Esc leaves all as it is", canvas.width));
  if (links === null) canvas.add([span("  looking for links ...", "dim")]);
  else {
    drawLinkTable(canvas, {
      ...{ links: listLinks(links, state.ticked, state.shows), selected: state.ticked },
      ...{ externalAddresses: new Map(), cursor: state.row, row: state.row },
      room: Math.max(1, canvas.room - 2 - MESSAGE_LINES_MAX),
      target: (name): LinksTarget => ({ kind: "link", name }),
    });
  }
  for (const line of wrap(state.message ?? "", canvas.width - 3, MESSAGE_LINES_MAX)) {
    canvas.add([span(`  ${line}`, "bad")]);
  }
  canvas.fillTo(canvas.height - 1);
  canvas.target(1, 8, { kind: "apply" });
  canvas.target(10, 16, { kind: "back" });
  canvas.add([
    span(" "),
    span("[Apply]", "button"),
    span("  "),
    span("[Back]", "button"),
    span("  Space tick  Enter apply  a show all links  Esc back", "dim"),
  ]);
  return canvas;
}

export class LinksPage implements Page<LinksTarget> {
  readonly #read: () => Promise<MachineLink[]>;
  readonly #use: (names: readonly string[]) => void;
  readonly #left = Promise.withResolvers<void>();
  #state: LinksState;
  #links: MachineLink[] | null = null;
  #readAtMs = -Infinity;

  /** `use` takes what was chosen, and throws an error that says why it cannot. */
  constructor(
    inUse: readonly string[],
    read: () => Promise<MachineLink[]>,
    use: (names: readonly string[]) => void,
  ) {
    this.#read = read;
    this.#use = use;
    this.#state = { ticked: inUse, row: 0, shows: "likely links", message: null };
  }

  /** Resolves when the user has chosen, or left it as it was. */
  get left(): Promise<void> {
    return this.#left.promise;
  }

  draw(_log: unknown, size: Size): Frame<LinksTarget> {
    return drawLinks(this.#state, this.#links, size);
  }

  take(input: PageInput<LinksTarget>): boolean {
    if (input.kind === "log grew") return false;
    const { ticked, shows } = this.#state;
    const rows = this.#links === null ? [] : listLinks(this.#links, ticked, shows);
    const { state, action } = reactLinks(this.#state, input, rows);
    this.#state = state;
    if (action === "back") this.#left.resolve();
    if (action === "apply") this.#apply();
    return true;
  }

  async refresh(nowMs: number): Promise<void> {
    if (nowMs - this.#readAtMs < READ_EVERY_MS) return;
    this.#readAtMs = nowMs;
    try {
      this.#links = await this.#read();
    } catch (error) {
      this.#state = { ...this.#state, message: `cannot read the links: ${messageOf(error)}` };
    }
  }

  #apply(): void {
    try {
      this.#use(this.#state.ticked);
      this.#left.resolve();
    } catch (error) {
      this.#state = { ...this.#state, message: messageOf(error) };
    }
  }
}
