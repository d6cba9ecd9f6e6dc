import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import {
  INITIAL_STATE,
  react,
  type ScreenContent,
  type ScreenInput,
  type ScreenState,
} from "./screen_state.ts";

const CONTENT: ScreenContent = { rows: ["a", "b"], logLength: 100, isLogAtStart: false };
const key = (name: string): ScreenInput => ({ kind: "key", key: name });

function after(inputs: readonly ScreenInput[], from: ScreenState = INITIAL_STATE) {
  let state = from;
  for (const input of inputs) {
    const next = react(state, input, CONTENT);
    if (next === "stop") return "stop";
    state = next;
  }
  return state;
}

Deno.test("q and Ctrl-C ask; y, Ctrl-C again and [Yes] stop; n, q, Esc and [No] do not", () => {
  const asking: ScreenState = { ...INITIAL_STATE, view: "asking to stop" };
  deepEqual(after([key("q")]), asking);
  deepEqual(after([key("ctrl+c")]), asking);
  deepEqual(after([{ kind: "button", button: "stop" }]), asking);
  deepEqual(after([key("?"), key("q")]), asking);
  for (const input of [key("y"), key("Y"), key("ctrl+c")]) equal(after([input], asking), "stop");
  equal(after([{ kind: "button", button: "yes" }], asking), "stop");
  for (const input of [key("n"), key("N"), key("q"), key("escape")]) {
    deepEqual(after([input], asking), INITIAL_STATE);
  }
  deepEqual(after([{ kind: "button", button: "no" }], asking), INITIAL_STATE);
  equal(after([key("enter")], asking), asking);
});

Deno.test("nothing stops without the question", () => {
  deepEqual(after([key("y"), { kind: "button", button: "yes" }]), INITIAL_STATE);
});

Deno.test("arrows, j and k select and stay at the ends; Esc and a second click let go", () => {
  const selected = (...names: string[]) => {
    const state = after(names.map(key));
    return state === "stop" ? state : state.selected;
  };
  equal(selected("down"), "a");
  equal(selected("up"), "b");
  equal(selected("j", "j", "j"), "b");
  equal(selected("j", "j", "k", "k"), "a");
  equal(selected("j", "escape"), null);
  const row: ScreenInput = { kind: "row", row: "b" };
  deepEqual(after([row]), { ...INITIAL_STATE, selected: "b" });
  deepEqual(after([row, row]), INITIAL_STATE);
  deepEqual(after([{ kind: "row", row: "gone" }]), INITIAL_STATE);
  equal(react(INITIAL_STATE, key("down"), { ...CONTENT, rows: [] }), INITIAL_STATE);
  equal(react({ ...INITIAL_STATE, selected: "gone" }, key("down"), CONTENT) !== "stop", true);
});

Deno.test("who reads older lines of the log goes on reading them when new ones come", () => {
  const wheel = (lines: number): ScreenInput => ({ kind: "wheel", lines });
  deepEqual(after([{ kind: "log grew" }]), INITIAL_STATE);
  deepEqual(after([wheel(-3), { kind: "log grew" }]), { ...INITIAL_STATE, logBack: 4 });
  deepEqual(after([wheel(-3), wheel(3)]), INITIAL_STATE);
  deepEqual(after([wheel(3)]), INITIAL_STATE);
  deepEqual(after([key("home")]), { ...INITIAL_STATE, logBack: 99 });
  deepEqual(after([key("home"), key("end")]), INITIAL_STATE);
  deepEqual(after([key("pageUp"), key("pageUp"), key("pageDown")]), {
    ...INITIAL_STATE,
    logBack: 8,
  });
  equal(react(INITIAL_STATE, wheel(-3), { ...CONTENT, isLogAtStart: true }), INITIAL_STATE);
});

Deno.test("the help comes and goes, and the wheel leaves it alone", () => {
  const help = after([key("?")]) as ScreenState;
  equal(help.view, "help");
  for (const name of ["?", "escape", "enter"]) deepEqual(after([key(name)], help), INITIAL_STATE);
  equal(after([{ kind: "wheel", lines: -3 }], help), help);
  deepEqual(after([{ kind: "button", button: "help" }], help), INITIAL_STATE);
});

Deno.test("whatever is pressed, the selected row is there and the log goes back no further", () => {
  const input: fc.Arbitrary<ScreenInput> = fc.oneof(
    fc.constantFrom("up", "down", "j", "k", "?", "q", "n", "home", "pageUp", "end", "x").map(key),
    fc.constantFrom("a", "b", "c").map((row) => ({ kind: "row" as const, row })),
    fc.integer({ min: -200, max: 200 }).map((lines) => ({ kind: "wheel" as const, lines })),
    fc.constant({ kind: "log grew" as const }),
  );
  fc.assert(fc.property(fc.array(input), (inputs) => {
    const state = after(inputs);
    if (state === "stop") throw new Error("stopped without y");
    equal(state.selected === null || CONTENT.rows.includes(state.selected), true);
    equal(state.logBack >= 0 && state.logBack < CONTENT.logLength, true);
  }));
});
