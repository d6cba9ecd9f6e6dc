import { deepEqual, equal, match } from "node:assert/strict";
import {
  conclude,
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
  match(step(asked, "enter").state.message!.lines[0]!, /give the client a name/);
  const typed = press(asked, [..."phonex", "backspace"]);
  deepEqual(step(typed, "enter").action, { kind: "new", client: "phone" });
  equal(step(typed, "escape").state.view.name, "list");
});

Deno.test("a name that is refused stays open, so that what is typed on is no command", () => {
  const typed = press(INITIAL_MANAGER, ["n", ..."bad name!"]);
  const refused = step(typed, "enter");
  equal(refused.action, undefined);
  deepEqual(refused.state.view, { name: "new", text: "bad name!", state: "open" });
  match(refused.state.message!.lines[0]!, /Cannot use "bad name!" as a client name/);
  // This was a renewal.
  const on = press(refused.state, ["w", "y"]);
  deepEqual(on.view, { name: "new", text: "bad name!wy", state: "open" });
  equal(on.message, null);
});

Deno.test("what the files refuse opens the input again, and what is done closes it", () => {
  const { state: atWork, action } = step(press(INITIAL_MANAGER, ["n", ..."carol"]), "enter");
  deepEqual(atWork.view, { name: "new", text: "carol", state: "at work" });
  equal(press(atWork, ["w", "y", "escape"]), atWork);
  equal(click(atWork, { kind: "button", button: "renew" }).state, atWork);
  const refused = conclude(atWork, action!, "refused", ["the name is taken"]);
  deepEqual(refused.view, { name: "new", text: "carol", state: "open" });
  deepEqual(refused.message, { kind: "error", lines: ["the name is taken"] });
  const done = conclude(atWork, action!, "done", ["one", "two"]);
  deepEqual(done.view, { name: "list" });
  deepEqual(done.message, { kind: "note", lines: ["one", "two"] });
  // An action without an input leaves what is being typed alone.
  equal(conclude(refused, { kind: "revoke", client: "bob" }, "done", []).view, refused.view);
});

Deno.test("revoke and renew ask first", () => {
  for (const [key, kind] of [["r", "revoke"], ["w", "renew"]] as const) {
    const asked = press(INITIAL_MANAGER, [key]);
    equal(step(INITIAL_MANAGER, key).action, undefined);
    deepEqual(step(asked, "y").action, { kind, client: "alice" });
    equal(step(asked, "n").action, undefined);
    equal(step(asked, "enter").action, undefined);
    deepEqual(click(asked, { kind: "answer", answer: "yes" }).action, { kind, client: "alice" });
  }
});

Deno.test("d deletes a client that is not in use, and revokes one that is; both ask", () => {
  for (const key of ["d", "delete"]) {
    const inUse = press(INITIAL_MANAGER, [key]);
    deepEqual(inUse.view, { name: "asking", action: "revoke and delete", client: "alice" });
    deepEqual(step(inUse, "y").action, { kind: "revoke and delete", client: "alice" });
    equal(step(inUse, "n").action, undefined);
    const revoked = press(INITIAL_MANAGER, ["down", key]);
    deepEqual(step(revoked, "y").action, { kind: "delete", client: "laptop" });
  }
  const [alice, laptop] = FACTS.clients;
  const gone = managerFacts({ clients: [alice!, { ...laptop!, certPath: "" }] });
  const { state, action } = step({ ...INITIAL_MANAGER, row: 1 }, "d", gone);
  equal(action, undefined);
  match(state.message!.lines[0]!, /the files of laptop are gone: its revocation stays/);
});

Deno.test("w makes a new certificate for a client that is revoked, and r says so", () => {
  const asked = press(INITIAL_MANAGER, ["down", "w"]);
  deepEqual(asked.view, { name: "asking", action: "new", client: "laptop" });
  const { action, state } = step(asked, "y");
  deepEqual(action, { kind: "new", client: "laptop" });
  deepEqual(conclude(state, action!, "done", ["issued"]).view, { name: "list" });
  const revoked = press(INITIAL_MANAGER, ["down", "r"]);
  equal(revoked.view.name, "list");
  match(revoked.message!.lines[0]!, /laptop is revoked already: w makes a new certificate/);
  // The name of a revoked certificate may have a newer one.
  const [alice, laptop] = FACTS.clients;
  const both = managerFacts({ clients: [{ ...alice!, name: "laptop" }, laptop!] });
  deepEqual(step({ ...INITIAL_MANAGER, row: 1 }, "w", both).state.view, {
    ...{ name: "asking", action: "renew", client: "laptop" },
  });
});

Deno.test("a name that is taken is told with the keys for that client; a revoked one is free", () => {
  const taken = step(press(INITIAL_MANAGER, ["n", ..."alice"]), "enter");
  equal(taken.action, undefined);
  match(taken.state.message!.lines[0]!, /a client alice already.*w to renew it, r to revoke/);
  const free = step(press(INITIAL_MANAGER, ["n", ..."laptop"]), "enter");
  deepEqual(free.action, { kind: "new", client: "laptop" });
});

Deno.test("the authority is regenerated for the whole word only", () => {
  const asked = press(INITIAL_MANAGER, ["g"]);
  const refused = step(press(asked, [..."regenerate"]), "enter");
  equal(refused.action, undefined);
  match(refused.state.message!.lines[0]!, /nothing was done/);
  equal(refused.state.view.name, "regenerate");
  deepEqual(step(press(asked, [...REGENERATE_WORD]), "enter").action, { kind: "regenerate" });
});

Deno.test("rows are selected by key and mouse, and stay within what there is", () => {
  equal(press(INITIAL_MANAGER, ["up"]).row, 0);
  equal(press(INITIAL_MANAGER, ["down", "down", "down"]).row, 1);
  equal(click(INITIAL_MANAGER, { kind: "row", row: 1 }).state.row, 1);
  deepEqual(step(INITIAL_MANAGER, "enter").action, { kind: "show", client: "alice" });
  const none = step(INITIAL_MANAGER, "r", managerFacts({ clients: [] }));
  deepEqual(none.state.message!.lines, ["there is no client yet"]);
});

Deno.test("q, Esc and Ctrl-C ask before they quit the list, and q goes back from a client", () => {
  for (const key of ["q", "escape", "ctrl+c"]) {
    const asked = step(INITIAL_MANAGER, key);
    equal(asked.action, undefined);
    equal(asked.state.view.name, "asking to quit");
    for (const yes of ["y", "enter", "ctrl+c"]) {
      deepEqual(step(asked.state, yes).action, { kind: "quit" });
    }
    for (const no of ["n", "q", "escape"]) equal(step(asked.state, no).state.view.name, "list");
    deepEqual(click(asked.state, { kind: "answer", answer: "yes" }).action, { kind: "quit" });
  }
  const shown = press(INITIAL_MANAGER, ["enter", "c"]);
  deepEqual(shown.view, { name: "show", client: "alice", as: "QR code", first: 0 });
  const back = step(shown, "q");
  equal(back.action, undefined);
  equal(back.state.view.name, "list");
});
