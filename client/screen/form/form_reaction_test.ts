import { deepEqual, equal, match } from "node:assert/strict";
import type { Settings } from "../../config/settings.ts";
import {
  followLinks,
  type FormFacts,
  type FormState,
  type FormTarget,
  initialForm,
  listedLinks,
  selectedLinks,
  whatIsMissing,
} from "./form_state.ts";
import { reactForm } from "./form_reaction.ts";
import { formFacts, machineLink } from "./test_form.ts";

const FACTS = formFacts();
const empty: Settings = new Map();

/** What a key types, as a terminal sends it. */
const press = (state: FormState, keys: readonly string[], facts: FormFacts = FACTS) =>
  keys.reduce((before, key) => {
    const text = key === "space" ? " " : [...key].length === 1 ? key : "";
    return reactForm(before, { kind: "key", key, text }, facts).state;
  }, state);
const click = (state: FormState, target: FormTarget, facts: FormFacts = FACTS) =>
  reactForm(state, { kind: "click", target }, facts);
const chosen = (...names: string[]) =>
  new Map([["mode", "bonding"], ["server", "h"], ["ifaces", names.join(",")]]);

Deno.test("by keys alone: server, links, start", () => {
  let state = initialForm(empty);
  equal(state.focus, "server");
  state = press(state, [..."vpn.exq", "backspace", ..."ample.com"]);
  equal(state.settings.get("server"), "vpn.example.com");
  state = press(state, ["enter", "tab", "space", "down", "enter"]);
  deepEqual(selectedLinks(state.settings), ["eth0", "wlan0"]);
  deepEqual(whatIsMissing(state, FACTS), []);
  state = press(state, ["tab"]);
  equal(state.focus, "start");
  equal(reactForm(state, { kind: "key", key: "enter", text: "" }, FACTS).action, "start");
});

Deno.test("Tab visits every field and comes round; load balance has neither server nor certificate", () => {
  const round = (state: FormState) => {
    const seen: string[] = [];
    for (let at = press(state, ["tab"]); !seen.includes(at.focus); at = press(at, ["tab"])) {
      seen.push(at.focus);
    }
    return seen.sort();
  };
  const all = ["certificate", "diagnose", "links", "mode", "quit", "server", "settings", "start"];
  deepEqual(round(initialForm(empty)), all);
  const balancing = initialForm(new Map([["mode", "load-balance"]]));
  deepEqual(round(balancing), all.filter((one) => one !== "server" && one !== "certificate"));
  equal(press(press(balancing, ["tab"]), ["shift+tab"]).focus, balancing.focus);
});

Deno.test("a link that cannot be used is not selected, and why is said", () => {
  const { state } = click(initialForm(empty), { kind: "link", name: "wwan0" });
  deepEqual(selectedLinks(state.settings), []);
  deepEqual(state.message, { kind: "error", text: "wwan0 cannot be used: it has no gateway" });
  const { state: on } = click(state, { kind: "link", name: "eth0" });
  deepEqual(selectedLinks(on.settings), ["eth0"]);
  equal(on.message, null);
  deepEqual(selectedLinks(click(on, { kind: "link", name: "eth0" }).state.settings), []);
});

Deno.test("virtual links without a gateway are shown when all are asked for", () => {
  const state = initialForm(chosen());
  const names = (one: FormState) => listedLinks(one, FACTS).map(({ name }) => name);
  deepEqual(names(state), ["eth0", "wlan0", "wwan0"]);
  deepEqual(names(press(state, ["a"])), ["eth0", "wlan0", "wwan0", "docker0"]);
  deepEqual(names(initialForm(chosen("docker0"))), ["eth0", "wlan0", "wwan0", "docker0"]);
});

Deno.test("what is missing is named, and start says so", () => {
  const state = initialForm(empty);
  const bare = formFacts({ certificate: { choices: [], state: { kind: "bad", text: "none" } } });
  deepEqual(whatIsMissing(state, bare), ["a server", "a client certificate", "two selected links"]);
  deepEqual(whatIsMissing(initialForm(chosen("eth0")), FACTS), ["1 more selected link"]);
  const balancing = initialForm(new Map([["mode", "load-balance"]]));
  deepEqual(whatIsMissing(balancing, bare), ["two selected links"]);
  const step = click(state, { kind: "focus", focus: "start" }, bare);
  equal(step.action, undefined);
  match(step.state.message!.text, /^needs a server, a client certificate, two selected links$/);
});

Deno.test("a selected link that is unplugged is not selected any more", () => {
  const state = initialForm(chosen("eth0", "wlan0"));
  equal(followLinks(state, FACTS), state);
  const links = [machineLink("eth0", { problem: "has no carrier" }), machineLink("wlan0")];
  const after = followLinks(state, formFacts({ links }));
  deepEqual(selectedLinks(after.settings), ["wlan0"]);
  equal(after.message!.text, "eth0 has no carrier, and is not selected any more");
  const gone = followLinks(after, formFacts({ links: [machineLink("eth0")] }));
  equal(gone.message!.text, "wlan0 is gone, and is not selected any more");
  equal(followLinks(state, formFacts({ links: null })), state);
});

Deno.test("other links make addresses and weights of the earlier ones void", () => {
  const settings = new Map([...chosen("eth0", "wlan0"), ["ips", "192.0.2.10,"]]);
  const { state } = click(initialForm(settings), { kind: "link", name: "wlan0" });
  equal(state.settings.has("ips"), false);
});

Deno.test("the mode is changed by key and click", () => {
  const state = press(initialForm(chosen()), ["shift+tab", "shift+tab", "shift+tab"]);
  equal(state.focus, "mode");
  const other = press(state, ["right"]);
  equal(other.settings.get("mode"), "load-balance");
  equal(press(other, ["left"]).settings.get("mode"), "bonding");
  equal(
    click(state, { kind: "mode", mode: "load-balance" }).state.settings.get("mode"),
    "load-balance",
  );
});

Deno.test("one of several certificates is chosen", () => {
  const choices = ["/p/a.bundle", "/p/b.bundle"];
  const facts = formFacts({ certificate: { choices, state: { kind: "bad", text: "several" } } });
  const state = press({ ...initialForm(chosen()), focus: "certificate" }, ["right"], facts);
  equal(state.settings.get("cert"), "/p/a.bundle");
  equal(press(state, ["right"], facts).settings.get("cert"), "/p/b.bundle");
  equal(press(state, ["left"], facts).settings.get("cert"), "/p/b.bundle");
});

Deno.test("settings are turned, chosen from and edited, and put back", () => {
  const names = FACTS.options.map(({ name }) => name);
  deepEqual(names, ["mtu", "scheduler", "dns", "kill-switch"]);
  let state = press(initialForm(chosen()), ["s", "enter", ..."1300", "enter"]);
  equal(state.settings.get("mtu"), "1300");
  state = press(state, ["down", "enter"]);
  equal(state.settings.get("scheduler"), "stripe");
  state = press(state, ["down", "down", "space"]);
  equal(state.settings.get("kill-switch"), true);
  equal(press(state, ["space"]).settings.has("kill-switch"), false);
  state = press(state, ["up", "up", "up", "delete"]);
  equal(state.settings.has("mtu"), false);
  equal(press(state, ["enter", "9", "escape"]).settings.has("mtu"), false);
  equal(press(state, ["escape"]).view, "form");
});

Deno.test("quitting asks once, and q can be typed into the server field", () => {
  equal(press(initialForm(empty), ["q"]).settings.get("server"), "q");
  const asked = press(initialForm(chosen()), ["q"]);
  equal(asked.view, "asking to quit");
  equal(press(asked, ["n"]).view, "form");
  const step = reactForm(asked, { kind: "key", key: "y", text: "y" }, FACTS);
  equal(step.action, "quit");
  equal(click(asked, { kind: "quit", answer: "yes" }).action, "quit");
  equal(press(initialForm(empty), ["ctrl+c"]).view, "asking to quit");
});
