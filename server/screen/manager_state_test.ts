import { deepEqual, equal, match } from "node:assert/strict";
import {
  INITIAL_MANAGER,
  type ManagerState,
  type ManagerTarget,
  reactManager,
  REGENERATE_WORD,
} from "./manager_state.ts";
import { managerFacts } from "./test_manager.ts";

const FACTS = managerFacts();
const step = (state: ManagerState, key: string, facts = FACTS) =>
  reactManager(state, { kind: "key", key, text: [...key].length === 1 ? key : "" }, facts);
const press = (state: ManagerState, keys: readonly string[]) =>
  keys.reduce((before, key) => step(before, key).state, state);
const click = (state: ManagerState, target: ManagerTarget) =>
  reactManager(state, { kind: "click", target }, FACTS);

Deno.test("a new client is named, and an empty name is refused", () => {
  const asked = press(INITIAL_MANAGER, ["n"]);
  equal(asked.view.name, "new");
  match(step(asked, "enter").state.message!.text, /give the client a name/);
  const typed = press(asked, [..."phonex", "backspace"]);
  deepEqual(step(typed, "enter").action, { kind: "new", client: "phone" });
  equal(step(typed, "escape").state.view.name, "list");
});

Deno.test("revoke and renew ask first", () => {
  for (const [key, kind] of [["r", "revoke"], ["w", "renew"]] as const) {
    const asked = press(INITIAL_MANAGER, ["down", key]);
    equal(step(INITIAL_MANAGER, key).action, undefined);
    deepEqual(step(asked, "y").action, { kind, client: "laptop" });
    equal(step(asked, "n").action, undefined);
    equal(step(asked, "enter").action, undefined);
    deepEqual(click(asked, { kind: "answer", answer: "yes" }).action, { kind, client: "laptop" });
  }
});

Deno.test("the authority is regenerated for the whole word only", () => {
  const asked = press(INITIAL_MANAGER, ["g"]);
  const refused = step(press(asked, [..."regenerate"]), "enter");
  equal(refused.action, undefined);
  match(refused.state.message!.text, /nothing was done/);
  deepEqual(step(press(asked, [...REGENERATE_WORD]), "enter").action, { kind: "regenerate" });
});

Deno.test("rows are selected by key and mouse, and stay within what there is", () => {
  equal(press(INITIAL_MANAGER, ["up"]).row, 0);
  equal(press(INITIAL_MANAGER, ["down", "down", "down"]).row, 1);
  equal(click(INITIAL_MANAGER, { kind: "row", row: 1 }).state.row, 1);
  deepEqual(step(INITIAL_MANAGER, "enter").action, { kind: "show", client: "alice" });
  const none = step(INITIAL_MANAGER, "r", managerFacts({ clients: [] }));
  equal(none.state.message!.text, "there is no client yet");
});

Deno.test("q quits the list, and goes back from a client", () => {
  deepEqual(step(INITIAL_MANAGER, "q").action, { kind: "quit" });
  const shown = press(INITIAL_MANAGER, ["enter", "c"]);
  deepEqual(shown.view, { name: "show", client: "alice", as: "QR code" });
  const back = step(shown, "q");
  equal(back.action, undefined);
  equal(back.state.view.name, "list");
});
