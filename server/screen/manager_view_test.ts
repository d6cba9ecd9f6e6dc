import { equal, ok } from "node:assert/strict";
import { visibleWidth } from "@earendil-works/pi-tui";
import { plainText } from "../../lib/cli/screen/styled_line.ts";
import { INITIAL_MANAGER, type ManagerFacts, type ManagerState } from "./manager_state.ts";
import { drawManager, MANAGER_LEAST } from "./manager_view.ts";
import { managerFacts } from "./test_manager.ts";

function textOf(state: ManagerState, facts: ManagerFacts, columns: number, rows: number): string {
  const { lines } = drawManager(state, facts, { columns, rows });
  equal(lines.length, rows);
  for (const line of lines) equal(visibleWidth(plainText(line)), columns);
  return lines.map((line) => plainText(line).trimEnd()).join("\n");
}

Deno.test("the manager on 80 columns", () => {
  equal(
    textOf(INITIAL_MANAGER, managerFacts(), 80, 18),
    `
 Fluxify certificates                                                 2 clients
  NAME         STATUS        EXPIRES    LAST SEEN        CREATED    REVOKED
> alice        valid         2028-01-01 2026-11-28 13:05 2026-01-01 -
  laptop       revoked       2028-01-01 -                2026-01-01 2026-06-01

  [New]  [Show]  [Revoke]  [Renew]  [Delete]  [Regenerate CA]  [Refresh]  [Quit]
─ authority in /etc/pki ────────────────────────────────────────────────────────
  CA      until 2028-01-01 00:00 UTC  /etc/pki/ca.pem
  server  until 2028-01-01 00:00 UTC  /etc/pki/server.pem
  for     vpn.example.com, 203.0.113.10







 up/down select  n new  Enter show  r revoke  w renew  d delete  ? help  q quit`.slice(1),
  );
});

Deno.test("the least size shows a client, every button and what was said; a smaller one says so", () => {
  const { columns, rows } = MANAGER_LEAST;
  const said: ManagerState = {
    ...INITIAL_MANAGER,
    row: 1,
    message: { kind: "error", lines: ["a sentence that has to be broken to fit on forty columns"] },
  };
  const text = textOf(said, managerFacts(), columns, rows);
  for (
    const shown of ["> laptop", "[New]", "[Regenerate CA]", "[Quit]", "fit on forty columns"]
  ) {
    ok(text.includes(shown), text);
  }
  const small = textOf(INITIAL_MANAGER, managerFacts(), columns - 1, rows);
  ok(/takes 40x12, and the\nterminal has 39x12: make it larger; q\nquits/.test(small), small);
  const asking: ManagerState = { ...INITIAL_MANAGER, view: { name: "asking to quit" } };
  ok(textOf(asking, managerFacts(), 30, 5).includes("Quit? y/n   [Yes]  [No]"));
});

Deno.test("what was done is shown whole, a sentence a line; a digest is broken between bytes", () => {
  const lines = [
    "Certificate for phone issued: serial 7A2D3A2F15D54E7B8EE0F9A7CE3B5F52, valid until 2028-01-01",
    "Copy /etc/fluxify/pki/clients/phone.bundle to the client over a safe channel: it holds the key",
    "On the client: fluxify-client -b -server vpn.example.com -cert phone.bundle",
  ];
  const done: ManagerState = { ...INITIAL_MANAGER, message: { kind: "note", lines } };
  const text = textOf(done, managerFacts(), 80, 24);
  ok(text.includes("  On the client: fluxify-client -b -server vpn.example.com"), text);
  equal(text.replaceAll(/\s+/g, " ").includes(lines.join(" ")), true, text);

  const bytes = Array.from({ length: 32 }, (_, byte) => byte.toString(16).padStart(2, "0"));
  const shown: ManagerState = {
    ...INITIAL_MANAGER,
    view: { name: "show", client: "alice", as: "text", first: 0 },
  };
  const details = {
    ...managerFacts().clients[0]!,
    ...{ commonName: "alice", notBefore: new Date(0), notAfter: new Date(0) },
    ...{ createdAt: new Date(0), fingerprint: bytes.join(":").toUpperCase() },
    ...{ bundlePath: null, revokedEarlier: [], others: [] },
  };
  for (const columns of [40, 60, 80]) {
    const page = textOf(shown, managerFacts({ details }), columns, 40);
    const digest = /SHA-256 +([^]*?)\n {2}certificate/.exec(page)![1]!;
    const prescribed = {
      ...{ rate: { down: 6_250_000, up: 1_250_000 }, quotaBytes: 1e11, usedBytes: 42e9 },
      ...{ expires: "2027-01-31", reach: ["10.1.0.0/16"], address: null, routes: [] },
    };
    const limited = textOf(shown, managerFacts({ details, prescribed }), columns, 40);
    ok(/\n +quota +42\.0 GB of 100 GB/.test(limited), limited);
    ok(/\n +last day +2027-01-31/.test(limited) && !/\n +routes/.test(limited), limited);
    for (const line of digest.split("\n")) ok(/^\s*([0-9A-F]{2}:?)+$/.test(line), digest);
  }
});

Deno.test("every view has exactly its lines at every size", () => {
  const views: ManagerState["view"][] = [
    { name: "list" },
    { name: "help" },
    { name: "new", text: "phone", state: "open" },
    { name: "asking", action: "revoke", client: "alice" },
    { name: "regenerate", text: "REG", state: "open" },
    { name: "asking to quit" },
    { name: "show", client: "alice", as: "text", first: 0 },
    { name: "show", client: "alice", as: "QR code", first: 0 },
  ];
  const many = Array.from({ length: 60 }, (_, index) => ({
    ...managerFacts().clients[0]!,
    name: `client-${index}`,
  }));
  for (const [columns, rows] of [[1, 1], [40, 12], [80, 24], [120, 40], [200, 60]]) {
    for (const view of views) {
      const state = { ...INITIAL_MANAGER, row: 59, view };
      const text = textOf(state, managerFacts({ clients: many }), columns!, rows!);
      if (view.name === "list" && columns! >= 40) ok(text.includes("> client-59"), text);
    }
  }
});

Deno.test("a QR code that does not fit says how large the terminal would have to be", () => {
  const state: ManagerState = {
    ...INITIAL_MANAGER,
    view: { name: "show", client: "alice", as: "QR code", first: 0 },
  };
  const details = { ...managerFacts().clients[0]! } as unknown as ManagerFacts["details"];
  const qrCode = Array.from({ length: 60 }, () => "█".repeat(120));
  ok(textOf(state, managerFacts({ details, qrCode }), 80, 24).includes("it takes 120x62"));
  ok(textOf(state, managerFacts({ details, qrCode }), 130, 70).includes("█".repeat(120)));
});

Deno.test("the help says whole sentences where there is room, and a small screen how it is left", () => {
  const help = { ...INITIAL_MANAGER, view: { name: "help" as const } };
  const text = textOf(help, managerFacts(), 80, 24);
  equal(text.includes("…"), false, text);
  ok(text.replaceAll(/\s+/g, " ").includes("and make a new certificate"), text);
  const small = textOf(help, managerFacts(), 40, 10);
  ok(/q quits/.test(small.replaceAll("\n", " ")) && / q quit$/.test(small), small);
});
