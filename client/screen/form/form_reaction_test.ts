import { deepEqual, equal, match } from "node:assert/strict";
import type { Settings } from "../../config/settings.ts";
import {
  followFacts,
  type FormFacts,
  type FormState,
  type FormTarget,
  initialForm,
  listedLinks,
  selectedLinks,
  usableLinks,
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
  state = press(state, ["enter"]);
  equal(state.settings.get("server"), "vpn.example.com");
  state = press(state, ["tab", "space", "down", "enter"]);
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

Deno.test("a selected link that is away stays selected, and counts again when it is back", () => {
  const state = initialForm(chosen("eth0", "wlan0"));
  const away = formFacts({
    links: [machineLink("eth0", { problem: "has no carrier" }), machineLink("wlan0")],
  });
  deepEqual(selectedLinks(state.settings), ["eth0", "wlan0"]);
  deepEqual(usableLinks(state, away), ["wlan0"]);
  deepEqual(whatIsMissing(state, away), ["1 more selected link"]);
  deepEqual(whatIsMissing(state, FACTS), []);
  const gone = formFacts({ links: [machineLink("wlan0")] });
  deepEqual(listedLinks(state, gone).map(({ name, problem }) => [name, problem]), [
    ["wlan0", null],
    ["eth0", "is not there"],
  ]);
  const { state: without } = click(state, { kind: "link", name: "eth0" }, gone);
  deepEqual(selectedLinks(without.settings), ["wlan0"]);
});

Deno.test("what was said is over once the machine has what was missing", () => {
  const state = initialForm(chosen("eth0", "wlan0"));
  const bare = formFacts({ certificate: { choices: [], state: { kind: "bad", text: "none" } } });
  const { state: said } = click(state, { kind: "focus", focus: "start" }, bare);
  match(said.message!.text, /needs a client certificate/);
  equal(followFacts(said, bare, bare), said);
  equal(followFacts(said, bare, FACTS).message, null);
  // Why a start failed stays, whatever the links do meanwhile.
  const failed: FormState = { ...state, message: { kind: "error", text: "the server refuses" } };
  equal(followFacts(failed, bare, FACTS), failed);
});

Deno.test("a server is taken when its field is left, and stays in it when it is refused", () => {
  const typed = press(initialForm(chosen("eth0", "wlan0")), [
    ...["shift+tab", "shift+tab", "ctrl+u"],
    ...[..."vpn..x"],
  ]);
  equal(typed.edited, "vpn..x");
  equal(typed.settings.get("server"), "h");
  deepEqual(whatIsMissing(typed, FACTS), ["a valid server name"]);
  for (const key of ["enter", "tab", "up", "f5", "f1"]) {
    const step = reactForm(typed, { kind: "key", key, text: "" }, FACTS);
    equal(step.action, undefined);
    deepEqual([step.state.edited, step.state.focus, step.state.view], ["vpn..x", "server", "form"]);
    match(step.state.message!.text, /must be an IP address or a host name, not 'vpn\.\.x'/);
    equal(step.state.settings.get("server"), "h");
  }
  const clicked = click(typed, { kind: "focus", focus: "diagnose" });
  equal(clicked.action, undefined);
  equal(clicked.state.edited, "vpn..x");
  const dropped = press(typed, ["escape"]);
  deepEqual([dropped.edited, dropped.view], [null, "form"]);
  const left = reactForm(press(typed, ["ctrl+c"]), { kind: "key", key: "y", text: "y" }, FACTS);
  deepEqual([left.action, left.state.settings.get("server")], ["quit", "h"]);
  const right = press(typed, ["backspace", "backspace", "x", "enter"]);
  deepEqual([right.settings.get("server"), right.edited], ["vpn.x", null]);
});

Deno.test("the port behind a server's name is that of the control plane", () => {
  const typed = press(initialForm(empty), [..."h.example:9443", "enter"]);
  deepEqual([typed.settings.get("server"), typed.settings.get("ctrl")], ["h.example", "9443"]);
});

Deno.test("a setting that is refused stays open, so what is typed on is no command", () => {
  const open = press(initialForm(chosen()), ["s", "enter", ..."12", "enter"]);
  equal(open.edited, "12");
  match(open.message!.text, /"mtu" is not right/);
  const on = press(open, ["q"]);
  deepEqual([on.view, on.edited, on.message], ["settings", "12q", null]);
  equal(press(on, ["backspace", ..."80", "enter"]).settings.get("mtu"), "1280");
  // The same by mouse: another setting is not begun over it.
  const elsewhere = click(open, { kind: "setting", name: "kill-switch" }).state;
  deepEqual([elsewhere.edited, elsewhere.settings.has("kill-switch")], ["12", false]);
  equal(click(open, { kind: "back" }).state.view, "settings");
});

Deno.test("Home, End and the pages move along settings and links", () => {
  const last = FACTS.options.length - 1;
  const panel = press(initialForm(chosen()), ["s", "end"]);
  equal(panel.row, last);
  equal(press(panel, ["home"]).row, 0);
  equal(press(panel, ["pageUp"]).row, 0);
  const links = press(initialForm(chosen()), ["end"]);
  deepEqual([links.focus, links.row], ["links", 2]);
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
  equal(state.settings.get("scheduler"), "flow");
  state = press(state, ["down", "down", "space"]);
  equal(state.settings.get("kill-switch"), true);
  equal(press(state, ["space"]).settings.has("kill-switch"), false);
  state = press(state, ["up", "up", "up", "delete"]);
  equal(state.settings.has("mtu"), false);
  equal(press(state, ["enter", "9", "escape"]).settings.has("mtu"), false);
  equal(press(state, ["escape"]).view, "form");
});

Deno.test("quitting asks once, and q can be typed into the server field", () => {
  equal(press(initialForm(empty), ["q"]).edited, "q");
  const asked = press(initialForm(chosen()), ["q"]);
  equal(asked.view, "asking to quit");
  equal(press(asked, ["n"]).view, "form");
  const step = reactForm(asked, { kind: "key", key: "y", text: "y" }, FACTS);
  equal(step.action, "quit");
  equal(click(asked, { kind: "quit", answer: "yes" }).action, "quit");
  equal(press(initialForm(empty), ["ctrl+c"]).view, "asking to quit");
});

Deno.test("what the server said stays until the server or the certificate is another", () => {
  const message = {
    kind: "error",
    text: "the certificate is revoked",
    about: "the server",
  } as const;
  const refused: FormState = { ...initialForm(chosen("eth0", "wlan0")), message };
  for (const keys of [["tab"], ["down", "space"], ["a"], ["s", "down", "escape"], ["q", "n"]]) {
    equal(press(refused, keys).message, message, keys.join(" "));
  }
  equal(click(refused, { kind: "link", name: "wlan0" }).state.message, message);
  const server: FormState = { ...refused, focus: "server" };
  equal(press(server, ["x"]).message, message, "typed and not taken yet");
  equal(press(server, ["x", "enter"]).message, null);
  equal(press(server, ["enter"]).message, message);
  const choices = ["/p/laptop.bundle", "/p/new.bundle"];
  const two = formFacts({ certificate: { ...FACTS.certificate, choices } });
  equal(press({ ...refused, focus: "certificate" }, ["right"], two).message, null);

  const state = { kind: "good", text: "laptop, until 2029-01-01: laptop.bundle" } as const;
  const renewed = formFacts({ certificate: { ...FACTS.certificate, state } });
  equal(followFacts(refused, FACTS, renewed).message, null);
  equal(followFacts(refused, FACTS, formFacts({ links: [] })).message, message);
  // What is not about the server goes with the next key.
  const other: FormState = { ...refused, message: { kind: "error", text: "no such link" } };
  equal(press(other, ["tab"]).message, null);
});

Deno.test("the settings have a help of their own, which leads back to them", () => {
  const open = press(initialForm(chosen()), ["s", "down", "?"]);
  equal(open.view, "help of settings");
  for (const key of ["?", "escape", "enter", "q", "f1"]) {
    const { view, row } = press(open, [key]);
    deepEqual([view, row], ["settings", 1], key);
  }
});
