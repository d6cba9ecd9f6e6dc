import { equal, ok } from "node:assert/strict";
import { visibleWidth } from "@earendil-works/pi-tui";
import { plainText } from "../../lib/cli/screen/styled_line.ts";
import { INITIAL_MANAGER, type ManagerFacts, type ManagerState } from "./manager_state.ts";
import { drawManager } from "./manager_view.ts";
import { managerFacts } from "./test_manager.ts";

function textOf(state: ManagerState, facts: ManagerFacts, columns: number, rows: number): string {
  const { lines } = drawManager(state, facts, { columns, rows });
  equal(lines.length, rows);
  for (const line of lines) equal(visibleWidth(plainText(line)), columns);
  return lines.map((line) => plainText(line).trimEnd()).join("\n");
}

Deno.test("the manager on 80 columns", () => {
  equal(
    textOf(INITIAL_MANAGER, managerFacts(), 80, 16),
    `
 Fluxify certificates                                                 2 clients
  NAME                 EXPIRES              STATUS
> alice                2028-01-01 00:00 UTC valid
  laptop               2028-01-01 00:00 UTC revoked

  [New]  [Show]  [Revoke]  [Renew]  [Regenerate CA]  [Refresh]  [Quit]
─ authority in /etc/pki ────────────────────────────────────────────────────────
  CA      until 2028-01-01 00:00 UTC  /etc/pki/ca.pem
  server  until 2028-01-01 00:00 UTC  /etc/pki/server.pem
  for     vpn.example.com, 203.0.113.10





 up/down select  n new  Enter show  r revoke  w renew  ? help  q quit`.slice(1),
  );
});

Deno.test("every view has exactly its lines at every size", () => {
  const views: ManagerState["view"][] = [
    { name: "list" },
    { name: "help" },
    { name: "new", text: "phone" },
    { name: "asking", action: "revoke", client: "alice" },
    { name: "regenerate", text: "REG" },
    { name: "show", client: "alice", as: "text" },
    { name: "show", client: "alice", as: "QR code" },
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
    view: { name: "show", client: "alice", as: "QR code" },
  };
  const details = { ...managerFacts().clients[0]! } as ManagerFacts["details"];
  const qrCode = Array.from({ length: 60 }, () => "█".repeat(120));
  ok(textOf(state, managerFacts({ details, qrCode }), 80, 24).includes("it takes 120x62"));
  ok(textOf(state, managerFacts({ details, qrCode }), 130, 70).includes("█".repeat(120)));
});
