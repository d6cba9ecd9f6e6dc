import { deepEqual, equal, ok } from "node:assert/strict";
import { visibleWidth } from "@earendil-works/pi-tui";
import { plainText } from "../../../lib/cli/screen/styled_line.ts";
import { type FormFacts, type FormState, initialForm } from "./form_state.ts";
import { drawForm } from "./form_view.ts";
import { inPanelOrder } from "./settings_view.ts";
import { formFacts, machineLink } from "./test_form.ts";

const CHOSEN = new Map([
  ["mode", "bonding"],
  ["server", "vpn.example.com"],
  ["ifaces", "eth0,wlan0"],
]);

function textOf(state: FormState, facts: FormFacts, columns: number, rows: number): string {
  const { lines } = drawForm(state, facts, [], { columns, rows });
  equal(lines.length, rows);
  for (const line of lines) equal(visibleWidth(plainText(line)), columns);
  return lines.map((line) => plainText(line).trimEnd()).join("\n").trimEnd();
}

Deno.test("the form of 80 columns, ready to start", () => {
  equal(
    textOf(initialForm(CHOSEN), formFacts(), 80, 24),
    `
 Fluxify client                                                     not running
  Mode         (*) bonding  ( ) load balance
  Server       vpn.example.com
  Certificate  laptop, until 2027-01-01: laptop.bundle
─ links: 2 selected, 3 shown, a: all 4 ─────────────────────────────────────────
      LINK            TYPE     STATE GATEWAY         ADDRESS
> [x] eth0            ethernet up    192.0.2.1       192.0.2.10
  [x] wlan0           wifi     up    192.0.2.1       198.51.100.7
   -  wwan0           has no gateway

  [Start]  [Settings]  [Diagnose]  [Quit]  ready
─ log ──────────────────────────────────────────────────────────────────────────











 Tab next  Space select  a show all links  s settings  F5 start  ? help  q quit`.slice(1),
  );
});

Deno.test("the footer is the one for typing while the keys go to the server, and 80 columns tell how to quit", () => {
  const footer = (state: FormState) => textOf(state, formFacts(), 80, 24).split("\n").at(-1)!;
  const typing: FormState = { ...initialForm(CHOSEN), focus: "server" };
  equal(
    footer(typing),
    " type the server's name or address  Enter takes it  F5 start  Esc quit",
  );
  equal(
    footer({ ...typing, edited: "vpn" }),
    " Enter takes it  Esc leaves it as it was  F5 start",
  );
  for (const focus of ["mode", "certificate", "links", "start", "quit"] as const) {
    ok(/^ Tab next .* q quit$/.test(footer({ ...typing, focus })), focus);
  }
  const all: FormState = { ...initialForm(CHOSEN), shows: "all links" };
  ok(/ a fewer links .* q quit/.test(footer(all)), footer(all));
});

Deno.test("a wide form shows more of each link, and the same external address twice", () => {
  const externalAddresses = new Map([["eth0", "203.0.113.9"], ["wlan0", "203.0.113.9"]]);
  const text = textOf(initialForm(CHOSEN), formFacts({ externalAddresses }), 140, 30);
  ok(/LINK +TYPE +STATE SPEED +MTU +EXTERNAL +GATEWAY +ADDRESS/.test(text), text);
  ok(/\[x\] eth0 +ethernet up +1 Gbit +1500 +203.0.113.9 +192.0.2.1 +192.0.2.10/.test(text), text);
  ok(text.includes("eth0 and wlan0 have the same external address"), text);
});

Deno.test("load balance greys out the server, and why nothing can start is beside the button", () => {
  const state = initialForm(new Map([["mode", "load-balance"]]));
  const text = textOf(state, formFacts({ links: [machineLink("eth0")] }), 80, 24);
  ok(text.includes("Server       none: load balance needs no server"), text);
  ok(/\[Quit\] +needs two selected links/.test(text), text);
});

Deno.test("what is looked for, not found or cannot be read is said", () => {
  const state = initialForm(CHOSEN);
  const texts: [Partial<FormFacts>, string][] = [
    [{ links: null }, "looking for links ..."],
    [{ links: [] }, "no links found: plug one in"],
    [{ linksError: "cannot read the links: no ip" }, "cannot read the links: no ip"],
  ];
  for (const [facts, expected] of texts) {
    ok(textOf(state, formFacts(facts), 80, 24).includes(expected), expected);
  }
});

Deno.test("every size has exactly its lines, and the cursor is in sight", () => {
  const links = Array.from({ length: 40 }, (_, index) => machineLink(`eth${index}`));
  const state: FormState = { ...initialForm(CHOSEN), focus: "links", row: 39 };
  for (const [columns, rows] of [[1, 1], [39, 11], [40, 12], [80, 24], [120, 40], [200, 60]]) {
    const views = ["form", "settings", "help", "help of settings", "asking to quit"] as const;
    for (const view of views) {
      const text = textOf(
        { ...state, view, row: view === "form" ? 39 : 0 },
        formFacts({ links }),
        columns!,
        rows!,
      );
      if (view === "form" && columns! >= 40) ok(/^> \[ \] eth39/m.test(text), text);
    }
  }
});

Deno.test("the settings begin with what is changed most", () => {
  const [option] = formFacts().options;
  const named = ["server-choice", "mtu", "kill-switch", "dns", "ctrl", "scheduler", "transport"]
    .map((name) => ({ ...option!, name }));
  deepEqual(inPanelOrder(named).map(({ name }) => name), [
    ...["scheduler", "transport", "dns", "kill-switch"],
    ...["server-choice", "mtu", "ctrl"],
  ]);
});

Deno.test("a screen that is too small says in both places how it is left", () => {
  for (const view of ["form", "settings", "help"] as const) {
    const text = textOf({ ...initialForm(CHOSEN), view }, formFacts(), 40, 10);
    ok(/q quits/.test(text.replaceAll("\n", " ")) && / q quit *$/.test(text), text);
    equal(/Esc back/.test(text), false);
  }
});
