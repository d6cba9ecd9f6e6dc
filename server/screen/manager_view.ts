/** The certificate manager as a function of what there is, what the user does, and the size. */
import { basename } from "node:path";
import { visibleWidth } from "@earendil-works/pi-tui";
import { Canvas, type Frame, rule, type Size } from "../../lib/cli/screen/canvas.ts";
import {
  cut,
  fit,
  joinFitting,
  type Line,
  span,
  spread,
  type Tone,
  wrap,
} from "../../lib/cli/screen/styled_line.ts";
import { drawHelp, type HelpEntry } from "../../lib/cli/screen/help_view.ts";
import { drawTooSmall, isTooSmall, TOO_SMALL_FOOTER } from "../../lib/cli/screen/too_small.ts";
import { formatDate } from "../../lib/pki/certificate.ts";
import type { ClientDetails, ClientSummary } from "../../lib/pki/client_registry.ts";
import type { Prescribed } from "../../lib/status/server_status.ts";
import { settingRows } from "../clients/client_text.ts";
import type { SeenClient } from "../certificates/seen_client.ts";
import {
  type ManagerButton,
  type ManagerFacts,
  type ManagerState,
  type ManagerTarget,
  REGENERATE_WORD,
} from "./manager_state.ts";
import { drawQuestion } from "../../lib/cli/screen/question_line.ts";

export const MANAGER_LEAST: Size = { columns: 40, rows: 12 };
/** From here on the authority stands below the list. */
const AUTHORITY_FROM_ROWS = 18;
const AUTHORITY_LINES = 4;
/** Of a value among the details of a client. */
const VALUE_LINES_MAX = 6;

const BUTTONS: readonly (readonly [ManagerButton, string])[] = [
  ["new", "[New]"],
  ["show", "[Show]"],
  ["revoke", "[Revoke]"],
  ["renew", "[Renew]"],
  ["delete", "[Delete]"],
  ["regenerate", "[Regenerate CA]"],
  ["refresh", "[Refresh]"],
  ["quit", "[Quit]"],
];

const HELP: readonly HelpEntry[] = [
  ["up, down, a click", "select a client; Home, End, PgUp, PgDn, wheel as well"],
  ["n", "a certificate for a new client"],
  ["Enter, s", "show a client; there c shows its bundle as a QR code"],
  ["r", "revoke: a running server refuses it within a second or two"],
  ["w", "renew: revoke unless that is done, and make a new certificate"],
  ["d, Delete", "remove a client's files; one that is in use is revoked first"],
  ["g", "a new authority: every client needs a new certificate"],
  ["F5", "read the files again; they are read every two seconds anyway"],
  ["F2", "leave the mouse to the terminal, to mark text"],
  ["q, Esc, Ctrl-C", "quit; asks first; a server that runs is not touched"],
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
  if (isTooSmall(size, MANAGER_LEAST)) {
    drawTooSmall(canvas, MANAGER_LEAST);
    drawFooter(canvas, state, TOO_SMALL_FOOTER);
    return canvas;
  }
  const { length } = facts.clients;
  const count = `${length} ${length === 1 ? "client" : "clients"} `;
  canvas.add([span(spread(" Fluxify certificates", count, canvas.width), "bar")]);
  const { view } = state;
  if (view.name === "help") drawHelp(canvas, HELP);
  else if (view.name === "show") drawClient(canvas, view, facts);
  else {
    const authority = canvas.height >= AUTHORITY_FROM_ROWS ? AUTHORITY_LINES : 0;
    const fixed = authority + buttonLines(canvas.width).length;
    // Heading, a client, and how many more there are, stay.
    const below = belowList(state, canvas.width, canvas.room - fixed - 3);
    drawClients(canvas, state, facts, fixed + below.length);
    drawButtons(canvas);
    for (const line of below) canvas.add(line);
    if (authority > 0) drawAuthority(canvas, facts);
  }
  canvas.fillTo(canvas.height - 1);
  drawFooter(canvas, state);
  return canvas;
}

interface ClientColumn {
  readonly heading: string;
  readonly width: number;
  /** From how many columns of the screen on. */
  readonly from: number;
  text(client: SeenClient): string;
}

const CLIENT_COLUMNS: readonly ClientColumn[] = [
  { heading: "STATUS", width: 13, from: 0, text: ({ status }) => status },
  { heading: "EXPIRES", width: 10, from: 0, text: ({ notAfter }) => dayOf(notAfter) },
  { heading: "LAST SEEN", width: 16, from: 57, text: ({ lastSeen }) => minuteOf(lastSeen) },
  { heading: "CREATED", width: 10, from: 68, text: ({ createdAt }) => dayOf(createdAt) },
  { heading: "REVOKED", width: 10, from: 80, text: ({ revokedAt }) => dayOf(revokedAt) },
  { heading: "SERIAL", width: 32, from: 150, text: ({ serial }) => serial || "-" },
  { heading: "FILE", width: 26, from: 106, text: ({ certPath }) => basename(certPath) || "-" },
];
const MARK_WIDTH = 2;
const NAME_WIDTH = 12;

function dayOf(date: Date | null): string {
  return date === null ? "-" : formatDate(date).slice(0, 10);
}

function minuteOf(date: Date | null): string {
  return date === null ? "-" : formatDate(date).slice(0, 16);
}

function drawClients(
  canvas: Canvas<ManagerTarget>,
  state: ManagerState,
  facts: ManagerFacts,
  linesBelow: number,
): void {
  const { clients } = facts;
  const columns = CLIENT_COLUMNS.filter(({ from }) => canvas.width >= from);
  const used = columns.reduce((sum, { width }) => sum + width + 1, MARK_WIDTH);
  const longest = Math.max(NAME_WIDTH, ...clients.map(({ name }) => visibleWidth(name)));
  const nameWidth = Math.max(NAME_WIDTH, Math.min(longest, canvas.width - used));
  const heading = columns.map((one) => fit(one.heading, one.width)).join(" ");
  canvas.add([span(`  ${fit("NAME", nameWidth)} ${heading}`, "dim")]);
  if (clients.length === 0) {
    const text = facts.problem ?? "no clients yet: n makes one";
    canvas.add([span(`  ${text}`, "warn")]);
  }
  // One line is for how many more there are.
  const room = Math.max(1, canvas.room - linesBelow - 1);
  const row = Math.min(state.row, clients.length - 1);
  const first = Math.max(0, Math.min(row - room + 1, clients.length - room));
  for (const [index, client] of clients.slice(first, first + room).entries()) {
    const isOwn = first + index === row;
    const tone: Tone = isOwn ? "strong" : "plain";
    canvas.target(0, canvas.width, { kind: "row", row: first + index });
    canvas.add([
      span(isOwn ? "> " : "  ", "strong"),
      span(`${fit(client.name, nameWidth)} `, tone),
      ...columns.map((one) =>
        span(
          `${fit(one.text(client), one.width)} `,
          one.heading === "STATUS" ? STATUS_TONE[client.status] : tone,
        )
      ),
    ]);
  }
  const left = clients.length - room;
  canvas.add(left > 0 ? [span(`  ${left} more: up, down, Home, End`, "dim")] : []);
}

/** As many on each line as there is room for. */
function buttonLines(width: number): (typeof BUTTONS[number])[][] {
  const lines: (typeof BUTTONS[number])[][] = [[]];
  let at = MARK_WIDTH;
  for (const button of BUTTONS) {
    const length = button[1].length;
    if (at + length > width) {
      lines.push([]);
      at = MARK_WIDTH;
    }
    lines.at(-1)!.push(button);
    at += length + 2;
  }
  return lines;
}

function drawButtons(canvas: Canvas<ManagerTarget>): void {
  for (const buttons of buttonLines(canvas.width)) {
    const line = [span(" ".repeat(MARK_WIDTH))];
    let at = MARK_WIDTH;
    for (const [button, text] of buttons) {
      canvas.target(at, at + text.length, { kind: "button", button });
      line.push(span(text, "strong"), span("  "));
      at += text.length + 2;
    }
    canvas.add(line);
  }
}

/** What is asked, and what was said; questions to be answered with y or n are in the footer. */
function belowList({ view, message }: ManagerState, width: number, linesMax: number): Line[] {
  const lines: Line[] = [];
  const say = (text: string, tone: Tone) => {
    for (const piece of wrap(text, width - 3, Math.max(1, linesMax - lines.length))) {
      lines.push([span("  "), span(piece, tone)]);
    }
  };
  if (view.name === "regenerate") {
    say("A new authority ends every client's certificate; the old files are kept.", "warn");
  }
  if (view.name === "new" || view.name === "regenerate") {
    const label = view.name === "new" ? "Name of the new client" : `Type ${REGENERATE_WORD}`;
    const cursor = view.state === "open" ? "_" : " ...";
    // The end of a long one is what is being typed.
    const room = Math.max(1, width - label.length - 6 - cursor.length);
    lines.push([
      span(`  ${label}: `, view.name === "new" ? "plain" : "warn"),
      span(`${view.text.slice(-room)}${cursor}`, "strong"),
    ]);
  }
  for (const sentence of message?.lines ?? []) {
    if (lines.length < linesMax) say(sentence, message?.kind === "error" ? "bad" : "good");
  }
  return lines;
}

function drawAuthority(
  canvas: Canvas<ManagerTarget>,
  { authority, directory, problem }: ManagerFacts,
): void {
  canvas.add(rule(`authority in ${directory}`, canvas.width));
  if (authority === null) {
    for (const line of wrap(problem ?? "reading ...", canvas.width - 3, AUTHORITY_LINES - 1)) {
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
  { as, first }: ManagerState["view"] & { name: "show" },
  { details, prescribed, qrCode, clients }: ManagerFacts,
): void {
  if (details === null) {
    canvas.add([span("  reading ...", "dim")]);
    return;
  }
  const lastSeen = clients.find(({ serial }) => serial === details.serial)?.lastSeen ?? null;
  const lines = as === "text"
    ? detailLines(details, lastSeen, prescribed, canvas.width)
    : qrLines(canvas, qrCode);
  const from = Math.max(0, Math.min(first, lines.length - canvas.room));
  for (const line of lines.slice(from, from + canvas.room)) canvas.add(line);
}

function qrLines(canvas: Canvas<ManagerTarget>, qrCode: readonly string[] | null): Line[] {
  const isRoom = qrCode !== null && qrCode.length <= canvas.room &&
    qrCode.every((line) => line.length <= canvas.width);
  if (isRoom) return qrCode.map((line) => [span(line)]);
  const why = qrCode === null
    ? "there is no bundle, or it is too long for a QR code"
    : `the terminal is too small for it (it takes ${qrCode[0]!.length}x${qrCode.length + 2}): ` +
      "make it larger, or the letters smaller";
  return wrap(`no QR code: ${why}`, canvas.width - 3, VALUE_LINES_MAX)
    .map((line) => [span(`  ${line}`, "warn")]);
}

function detailLines(
  details: ClientDetails,
  lastSeen: Date | null,
  prescribed: Prescribed | null,
  width: number,
): Line[] {
  const rows: [string, string][] = [
    ["name", details.commonName],
    ["status", details.status],
    ["serial", details.serial],
    ["created", formatDate(details.createdAt)],
    ["valid from", formatDate(details.notBefore)],
    ["expires", formatDate(details.notAfter)],
    ["last seen", lastSeen === null ? "not known" : formatDate(lastSeen)],
    ...prescribed === null ? [] : limitRows(prescribed),
    ["revoked", details.revokedAt === null ? "no" : formatDate(details.revokedAt)],
    ["SHA-256", details.fingerprint],
    ["certificate", details.certPath],
    ["bundle", details.bundlePath ?? "missing: renew makes a new one"],
    ["revoked before", details.revokedEarlier.join(", ") || "none"],
  ];
  return rows.flatMap(([label, value]) => {
    const [first = "", ...rest] = wrap(value, width - 19, VALUE_LINES_MAX);
    return [
      [span(`  ${fit(label, 15)} `, "dim"), span(first)],
      ...rest.map((line) => [span(`${" ".repeat(18)}${line}`)]),
    ];
  });
}

/** The day a certificate expires is another one than the last on which its client is let in. */
function limitRows(prescribed: Prescribed): [string, string][] {
  return settingRows(prescribed).map((
    [word, text],
  ) => [word === "expires" ? "last day" : word, text]);
}

const QUESTIONS = {
  revoke: "Revoke",
  renew: "Revoke and renew",
  new: "Issue anew for",
  delete: "Delete the files of",
  "revoke and delete": "Revoke and delete",
} as const;

/** `instead`: of what can be done in the view, which is not shown. */
function drawFooter(
  canvas: Canvas<ManagerTarget>,
  { view }: ManagerState,
  instead?: readonly string[],
): void {
  if (view.name === "asking" || view.name === "asking to quit") {
    const question = view.name === "asking to quit"
      ? "Quit"
      : `${QUESTIONS[view.action]} ${
        cut(view.client, canvas.width - QUESTIONS[view.action].length - 21)
      }`;
    return drawQuestion<ManagerTarget>(canvas, question, (answer) => ({ kind: "answer", answer }));
  }
  const parts = instead ??
    (view.name === "show"
      ? ["Esc back", "c QR code of the bundle, which holds the key", "up/down"]
      : view.name === "list"
      ? [
        "up/down select",
        "n new",
        "Enter show",
        "r revoke",
        "w renew",
        "d delete",
        "? help",
        "q quit",
      ]
      : view.name === "help"
      ? ["any key goes back"]
      : view.state === "open"
      ? ["Enter do it", "Esc back"]
      : ["at work ..."]);
  canvas.add([span(` ${joinFitting(parts, canvas.width - 1, "  ")}`, "dim")]);
}
