/** The certificate manager as a function of what there is, what the user does, and the size. */
import { Canvas, type Frame, rule, type Size } from "../../lib/cli/screen/canvas.ts";
import {
  fit,
  joinFitting,
  span,
  spread,
  type Tone,
  wrap,
} from "../../lib/cli/screen/styled_line.ts";
import { formatDate } from "../../lib/pki/certificate.ts";
import type { ClientSummary } from "../../lib/pki/client_registry.ts";
import {
  type ManagerButton,
  type ManagerFacts,
  type ManagerState,
  type ManagerTarget,
  REGENERATE_WORD,
} from "./manager_state.ts";

const COLUMNS_MIN = 40;
const ROWS_MIN = 12;
const MESSAGE_LINES_MAX = 3;
/** Below the list: buttons, message, authority and footer. */
const LINES_BELOW = 10;

const BUTTONS: readonly (readonly [ManagerButton, string])[] = [
  ["new", "[New]"],
  ["show", "[Show]"],
  ["revoke", "[Revoke]"],
  ["renew", "[Renew]"],
  ["regenerate", "[Regenerate CA]"],
  ["refresh", "[Refresh]"],
  ["quit", "[Quit]"],
];

const HELP = [
  "up, down, a click   select a client",
  "n                   a certificate for a new client",
  "Enter, s            show a client; there c shows its bundle as a QR code",
  "r                   revoke: a running server refuses it within a second or two",
  "w                   renew: revoke, and make a new certificate",
  "g                   a new authority: every client needs a new certificate",
  "F5                  read the files again; they are read every two seconds anyway",
  "F2                  leave the mouse to the terminal, to mark text",
  "q, Ctrl-C           quit; a server that runs is not touched",
];

const STATUS_TONE: Record<ClientSummary["status"], Tone> = {
  "valid": "good",
  "revoked": "dim",
  "expired": "bad",
  "not yet valid": "warn",
  "foreign": "bad",
  "unreadable": "bad",
};

export function drawManager(
  state: ManagerState,
  facts: ManagerFacts,
  size: Size,
): Frame<ManagerTarget> {
  const canvas = new Canvas<ManagerTarget>(Math.max(1, size.columns), Math.max(1, size.rows));
  if (canvas.width < COLUMNS_MIN || canvas.height < ROWS_MIN) {
    canvas.add([span("the terminal is too small", "warn")]);
    canvas.fillTo(canvas.height);
    return canvas;
  }
  canvas.add([
    span(spread(" Fluxify certificates", `${facts.clients.length} clients `, canvas.width), "bar"),
  ]);
  const { view } = state;
  if (view.name === "help") { for (const line of HELP) canvas.add([span(` ${line}`)]); }
  else if (view.name === "show") drawClient(canvas, view.as, facts);
  else {
    drawClients(canvas, state, facts);
    drawButtons(canvas);
    drawQuestion(canvas, state);
    drawAuthority(canvas, facts);
  }
  canvas.fillTo(canvas.height - 1);
  drawFooter(canvas, state);
  return canvas;
}

function drawClients(
  canvas: Canvas<ManagerTarget>,
  state: ManagerState,
  facts: ManagerFacts,
): void {
  const { clients } = facts;
  const wide = canvas.width >= 100;
  const heading = [
    "  ",
    fit("NAME", 20),
    " ",
    ...wide ? [fit("SERIAL", 34)] : [],
    fit("EXPIRES", 21),
    "STATUS",
  ];
  canvas.add([span(heading.join(""), "dim")]);
  if (clients.length === 0) {
    canvas.add([
      span(`  ${facts.problem ?? "no clients yet: n makes a certificate for one"}`, "warn"),
    ]);
  }
  const room = Math.max(1, canvas.room - LINES_BELOW);
  const row = Math.min(state.row, clients.length - 1);
  const first = Math.max(0, Math.min(row - room + 1, clients.length - room));
  for (const [index, client] of clients.slice(first, first + room).entries()) {
    const isOwn = first + index === row;
    const tone: Tone = isOwn ? "strong" : "plain";
    const expires = client.notAfter === null ? "-" : formatDate(client.notAfter);
    canvas.target(0, canvas.width, { kind: "row", row: first + index });
    canvas.add([
      span(isOwn ? "> " : "  ", "strong"),
      span(`${fit(client.name, 20)} `, tone),
      ...wide ? [span(fit(client.serial || "-", 34), tone)] : [],
      span(fit(expires, 21), tone),
      span(client.status, STATUS_TONE[client.status]),
    ]);
  }
  const left = clients.length - room;
  if (left > 0) canvas.add([span(`  ${left} more: up, down`, "dim")]);
}

function drawButtons(canvas: Canvas<ManagerTarget>): void {
  canvas.add([]);
  const line = [span("  ")];
  let at = 2;
  for (const [button, text] of BUTTONS) {
    if (at + text.length > canvas.width) break;
    canvas.target(at, at + text.length, { kind: "button", button });
    line.push(span(text, "strong"), span("  "));
    at += text.length + 2;
  }
  canvas.add(line);
}

function drawQuestion(canvas: Canvas<ManagerTarget>, { view, message }: ManagerState): void {
  switch (view.name) {
    case "new":
      canvas.add([span("  Name of the new client: "), span(`${view.text}_`, "strong")]);
      break;
    case "regenerate":
      canvas.add([
        span("  A new authority ends every client's certificate; the old files are kept. ", "warn"),
      ]);
      canvas.add([span(`  Type ${REGENERATE_WORD}: `, "warn"), span(`${view.text}_`, "strong")]);
      break;
    case "asking": {
      const text = `  ${
        view.action === "revoke" ? "Revoke" : "Revoke and renew"
      } ${view.client}? y/n  `;
      const at = text.length;
      canvas.target(at, at + 5, { kind: "answer", answer: "yes" });
      canvas.target(at + 7, at + 11, { kind: "answer", answer: "no" });
      canvas.add([span(text, "warn"), span("[Yes]", "button"), span("  "), span("[No]", "button")]);
      break;
    }
    default:
  }
  if (message === null) return;
  for (const line of wrap(message.text, canvas.width - 3, MESSAGE_LINES_MAX)) {
    canvas.add([span("  "), span(line, message.kind === "error" ? "bad" : "good")]);
  }
}

function drawAuthority(
  canvas: Canvas<ManagerTarget>,
  { authority, directory, problem }: ManagerFacts,
): void {
  canvas.add(rule(`authority in ${directory}`, canvas.width));
  if (authority === null) {
    for (const line of wrap(problem ?? "reading ...", canvas.width - 3, MESSAGE_LINES_MAX)) {
      canvas.add([span("  "), span(line, "bad")]);
    }
    return;
  }
  const { ca, server } = authority;
  canvas.add([span(`  CA      until ${formatDate(ca.notAfter)}  ${ca.path}`)]);
  canvas.add([span(`  server  until ${formatDate(server.notAfter)}  ${server.path}`)]);
  canvas.add([span(`  for     ${server.names.join(", ") || "no names"}`)]);
}

function drawClient(
  canvas: Canvas<ManagerTarget>,
  as: "text" | "QR code",
  { details, qrCode }: ManagerFacts,
): void {
  if (details === null) {
    canvas.add([span("  reading ...", "dim")]);
    return;
  }
  if (as === "QR code") {
    const isRoom = qrCode !== null && qrCode.length <= canvas.room &&
      qrCode.every((line) => line.length <= canvas.width);
    if (isRoom) { for (const line of qrCode) canvas.add([span(line)]); }
    else {
      const size = qrCode === null ? "" : ` (it takes ${qrCode[0]!.length}x${qrCode.length + 2})`;
      const why = qrCode === null
        ? "there is no bundle, or it is too long for a QR code"
        : `the terminal is too small for it${size}: make it larger, or the letters smaller`;
      canvas.add([span(`  no QR code: ${why}`, "warn")]);
    }
    return;
  }
  const rows: [string, string][] = [
    ["name", details.commonName],
    ["status", details.status],
    ["serial", details.serial],
    ["created", formatDate(details.notBefore)],
    ["expires", formatDate(details.notAfter)],
    ["revoked", details.revokedAt === null ? "no" : formatDate(details.revokedAt)],
    ["SHA-256", details.fingerprint],
    ["certificate", details.certPath],
    ["bundle", details.bundlePath ?? "missing: renew makes a new one"],
    ["revoked before", details.revokedEarlier.join(", ") || "none"],
  ];
  for (const [label, value] of rows) {
    const [first = "", ...rest] = wrap(value, canvas.width - 19, MESSAGE_LINES_MAX);
    canvas.add([span(`  ${fit(label, 15)} `, "dim"), span(first)]);
    for (const line of rest) canvas.add([span(`${" ".repeat(18)}${line}`)]);
  }
}

function drawFooter(canvas: Canvas<ManagerTarget>, { view }: ManagerState): void {
  const parts = view.name === "show"
    ? ["Esc back", "c QR code of the bundle, which holds the key"]
    : view.name === "list" || view.name === "asking"
    ? ["up/down select", "n new", "Enter show", "r revoke", "w renew", "? help", "q quit"]
    : view.name === "help"
    ? ["any key goes back"]
    : ["Enter do it", "Esc back"];
  canvas.add([span(` ${joinFitting(parts, canvas.width - 1, "  ")}`, "dim")]);
}
