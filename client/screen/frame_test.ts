import { deepEqual, equal, ok } from "node:assert/strict";
import { visibleWidth } from "@earendil-works/pi-tui";
import fc from "fast-check";
import { summarize, type UplinkFigures } from "../balance/status.ts";
import { ConnectProgress } from "../bonding/connect_progress.ts";
import { balanceModel } from "./balance_view.ts";
import { bondModel } from "./bond_view.ts";
import type { Frame, Size } from "../../lib/cli/screen/canvas.ts";
import { drawFrame } from "./frame.ts";
import type { LogLine } from "../../lib/cli/log_lines.ts";
import { INITIAL_STATE } from "./screen_state.ts";
import { paint, plainText } from "../../lib/cli/screen/styled_line.ts";
import type { Traffic } from "../../lib/status/traffic_history.ts";
import { pathReport } from "../../lib/status/test_session_report.ts";
import { bondStatus } from "./test_bond_status.ts";

const LOG: LogLine[] = [
  logLine("info", "link fiber: path is up"),
  logLine(
    "warning",
    "cannot use link lte: Cannot bind: no such device, and this message goes on for quite a while " +
      "so that it has to be wrapped",
  ),
];

const BONDED = bondModel(
  bondStatus(["fiber", "wlp0s20f3u1", "日本語回線です", "lte"], [
    pathReport(0, "fiber"),
    pathReport(1, "wlp0s20f3u1", { isGood: false, isBadFor: "jitter", jitterMs: 31 }),
    pathReport(2, "日本語回線です", { state: "suspect", rttMs: 812.4, heardMsAgo: 1900 }),
  ], (link) => link === "lte" ? traffic(0, 0) : traffic(1_550_000, 12)),
  3_723_000,
);

const FAMILY = {
  state: "healthy",
  gateway: "192.0.2.1",
  problem: null,
  weight: 3,
  idleFor: null,
  rttMs: 12.34,
  jitterMs: null,
  loss: 0.05,
  score: 90,
  probes: 20,
} as const;

const UPLINKS = summarize("spread", [
  uplink("wan1", 1_200_000_000, FAMILY, { ...FAMILY, state: "unanswered", weight: 0, loss: 1 }),
  uplink("wan2", 400_000_000, { ...FAMILY, problem: "has no carrier", weight: 0 }, null),
]);
const BALANCED = balanceModel({ ...UPLINKS, unmatched: [] }, 61_000);

function logLine(level: LogLine["level"], text: string): LogLine {
  return { time: "08:00:01", level, text, whole: `${text}\n` };
}

function traffic(receivedBytesPerSecond: number, sentBytesPerSecond: number): Traffic {
  return {
    receivedBytes: 1_200_000_000,
    sentBytes: 33_000_000,
    receivedBytesPerSecond,
    sentBytesPerSecond,
    lastMinute: Array.from({ length: 60 }, (_, second) => second < 20 ? 0 : 1000 * second ** 2),
  };
}

function uplink(
  name: string,
  receivedBytes: number,
  ipv4: UplinkFigures["families"][4],
  ipv6: UplinkFigures["families"][6],
): UplinkFigures {
  const carried = { ...traffic(1_550_000, 12), receivedBytes };
  return { name, volume: null, ...carried, families: { 4: ipv4, 6: ipv6 } };
}

/** Without the blanks at the ends of lines. */
function shown({ lines }: Frame<unknown>, { columns, rows }: Size): string[] {
  const text = lines.map(plainText);
  equal(text.length, rows);
  for (const line of text) equal(visibleWidth(line), columns, line);
  return text.map((line) => line.trimEnd());
}

Deno.test("drawFrame() shows bonding on 80 columns and 24 rows", () => {
  const size = { columns: 80, rows: 24 };
  const frame = drawFrame(BONDED, { ...INITIAL_STATE }, LOG, size);
  deepEqual(shown(frame, size), [
    " Fluxify bonding to vpn.example.org                                  up 1:02:03",
    " 10.8.0.2 and fd00:8::2   server 203.0.113.10   scheduler flow   native engine",
    " down 37.2 Mbit/s   up 288 bit/s   received 4.8 GB   sent 132 MB",
    " 2 of 4 links up   on average RTT 20.1 ms   jitter 15.7 ms   loss 0 %   score 98",
    " gain over the best link 3.0x   compression 1.5x, 3.0 kB carried as 2.0 kB",
    " reorder: buffered 3   reordered 2   drops 0   flushes 1   max depth 4",
    "",
    "  LINK     STATE   QUALITY             RTT  JITTER  LOSS        DOWN          UP",
    "  fiber    up      good            20.1 ms 0.34 ms   0 % 12.4 Mbit/s    96 bit/s",
    "  wlp0s20… up      avoided: jitter 20.1 ms 31.0 ms   0 % 12.4 Mbit/s    96 bit/s",
    "  日本語…  suspect -                812 ms 0.34 ms   0 % 12.4 Mbit/s    96 bit/s",
    "  lte      down    not in use                                0 bit/s     0 bit/s",
    "─ log ──────────────────────────────────────────────────────────────────────────",
    " 08:00:01 link fiber: path is up",
    " 08:00:01 cannot use link lte: Cannot bind: no such device, and this message",
    "          goes on for quite a while so that it has to be wrapped",
    ...blank(7),
    " [Stop]  [Help]  q stop  ? help  up/down select  wheel log  s scheduler  l links",
  ]);
});

Deno.test("drawFrame() shows the details of a selected link", () => {
  const size = { columns: 80, rows: 24 };
  const frame = drawFrame(BONDED, { ...INITIAL_STATE, selected: "wlp0s20f3u1" }, LOG, size);
  deepEqual(shown(frame, size), [
    " Fluxify bonding to vpn.example.org                                  up 1:02:03",
    " 10.8.0.2 and fd00:8::2   server 203.0.113.10   scheduler flow   native engine",
    " down 37.2 Mbit/s   up 288 bit/s   received 4.8 GB   sent 132 MB",
    " 2 of 4 links up   on average RTT 20.1 ms   jitter 15.7 ms   loss 0 %   score 98",
    " gain over the best link 3.0x   compression 1.5x, 3.0 kB carried as 2.0 kB",
    " reorder: buffered 3   reordered 2   drops 0   flushes 1   max depth 4",
    "",
    "  LINK     STATE   QUALITY             RTT  JITTER  LOSS        DOWN          UP",
    "  fiber    up      good            20.1 ms 0.34 ms   0 % 12.4 Mbit/s    96 bit/s",
    "> wlp0s20… up      avoided: jitter 20.1 ms 31.0 ms   0 % 12.4 Mbit/s    96 bit/s",
    "  日本語…  suspect -                812 ms 0.34 ms   0 % 12.4 Mbit/s    96 bit/s",
    "  lte      down    not in use                                0 bit/s     0 bit/s",
    "─ wlp0s20f3u1 ──────────────────────────────────────────────────────────────────",
    " leads to    203.0.113.10:8000         path MTU    1400 bytes",
    " RTT         20.1 ms, least 19.5 ms    last heard  0.1 s ago",
    " jitter      31.0 ms, one way 0.20 ms  seen as     not told",
    " loss        0 %, score 98             is          up for 3:20",
    " capacity    50.0 Mbit/s               carried     1.2 GB in, 33.0 MB out",
    " last minute ____________________▁▂▂▂▂▂▂▂▂▃▃▃▃▃▃▄▄▄▄▄▄▅▅▅▅▅▆▆▆▆▇▇▇▇████",
    "─ log ──────────────────────────────────────────────────────────────────────────",
    " 08:00:01 link fiber: path is up",
    " 08:00:01 cannot use link lte: Cannot bind: no such device, and this message",
    "          goes on for quite a while so that it has to be wrapped",
    " [Stop]  [Help]  q stop  ? help  up/down select  wheel log  s scheduler  l links",
  ]);
});

Deno.test("drawFrame() shows bonding on 120 columns and 40 rows, asked to stop", () => {
  const size = { columns: 120, rows: 40 };
  const frame = drawFrame(
    BONDED,
    { ...INITIAL_STATE, view: "asking to stop", selected: "fiber" },
    LOG,
    size,
  );
  deepEqual(shown(frame, size), [
    " Fluxify bonding to vpn.example.org                                                                          up 1:02:03",
    " 10.8.0.2 and fd00:8::2   server 203.0.113.10   scheduler flow   session 00000001   native engine",
    " down 37.2 Mbit/s   up 288 bit/s   received 4.8 GB   sent 132 MB",
    " 2 of 4 links up   on average RTT 20.1 ms   jitter 15.7 ms   loss 0 %   score 98",
    " gain over the best link 3.0x   compression 1.5x, 3.0 kB carried as 2.0 kB",
    " reorder: buffered 3   reordered 2   drops 0   flushes 1   max depth 4",
    "",
    "  LINK            STATE    QUALITY              RTT   JITTER   LOSS  SCORE  SHARE         DOWN           UP  LAST MINUTE",
    "> fiber           up       good             20.1 ms  0.34 ms    0 %     98   33 %  12.4 Mbit/s     96 bit/s  ___▁▂▃▃▅▆▇█",
    "  wlp0s20f3u1     up       avoided: jitter  20.1 ms  31.0 ms    0 %     98   33 %  12.4 Mbit/s     96 bit/s  ___▁▂▃▃▅▆▇█",
    "  日本語回線です  suspect  -                 812 ms  0.34 ms    0 %     98   33 %  12.4 Mbit/s     96 bit/s  ___▁▂▃▃▅▆▇█",
    "  lte             down     not in use                                         0 %      0 bit/s      0 bit/s  ___▁▂▃▃▅▆▇█",
    "─ fiber ────────────────────────────────────────────────────────────────────────────────────────────────────────────────",
    " leads to    203.0.113.10:8000         capacity    50.0 Mbit/s               is          up for 3:20",
    " RTT         20.1 ms, least 19.5 ms    path MTU    1400 bytes                carried     1.2 GB in, 33.0 MB out",
    " jitter      0.34 ms, one way 0.20 ms  last heard  0.1 s ago",
    " loss        0 %, score 98             seen as     not told",
    " last minute ____________________▁▂▂▂▂▂▂▂▂▂▃▃▃▃▃▃▃▄▄▄▄▄▅▅▅▅▅▆▆▆▆▆▇▇▇▇████",
    "─ log ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────",
    " 08:00:01 link fiber: path is up",
    " 08:00:01 cannot use link lte: Cannot bind: no such device, and this message goes on for quite a while so that it has to",
    "          be wrapped",
    ...blank(17),
    " Stop? y/n  [Yes]  [No]  the machine's own routes come back",
  ]);
});

Deno.test("drawFrame() shows bonding on 40 columns and 10 rows, with the selected link in sight", () => {
  const size = { columns: 40, rows: 10 };
  const frame = drawFrame(BONDED, { ...INITIAL_STATE, selected: "lte" }, LOG, size);
  deepEqual(shown(frame, size), [
    " Fluxify bonding to vpn.exa… up 1:02:03",
    " down 37.2 Mbit/s   up 288 bit/s",
    "  LINK       STATE       RTT        DOWN",
    "  wlp0s20f3… avoided 20.1 ms 12.4 Mbit/s",
    "  日本語回…  suspect  812 ms 12.4 Mbit/s",
    "> lte        down                0 bit/s",
    "─ log ──────────────────────────────────",
    "          message goes on for quite a",
    "          while so that it has to be wr…",
    " [Stop]  [Help]  q stop  ? help",
  ]);
});

Deno.test("drawFrame() shows load balance on 80 columns and 24 rows, scrolled back", () => {
  const size = { columns: 80, rows: 24 };
  const frame = drawFrame(
    BALANCED,
    { ...INITIAL_STATE, selected: "wan2 IPv4", logBack: 1 },
    LOG,
    size,
  );
  deepEqual(shown(frame, size), [
    " Fluxify load balance over 2 uplinks                                    up 1:01",
    " connections: spread over all",
    " down 24.8 Mbit/s   up 192 bit/s   most on wan1: 74 %   received 1.6 GB",
    "",
    "  UPLINK   IP   HEALTH       BYTES        DOWN          UP     RTT  JITTER  LOSS",
    "  wan1     IPv4 healthy       74 % 12.4 Mbit/s    96 bit/s 12.3 ms       - 5.0 %",
    "  wan1     IPv6 unanswered                                 12.3 ms       - 100 %",
    "> wan2     IPv4 has no carr…  26 % 12.4 Mbit/s    96 bit/s 12.3 ms       - 5.0 %",
    "─ wan2 IPv4 ────────────────────────────────────────────────────────────────────",
    " gateway     192.0.2.1                 score       90",
    " health      has no carrier            received    400 MB",
    " weight      0, 0 % of connections     sent        33.0 MB",
    " RTT         12.3 ms, jitter -         share       26 % of all bytes",
    " loss        5.0 % of 20 probes",
    " last minute ____________________▁▂▂▂▂▂▂▂▂▃▃▃▃▃▃▄▄▄▄▄▄▅▅▅▅▅▆▆▆▆▇▇▇▇████",
    "─ log, 1 newer below ───────────────────────────────────────────────────────────",
    " 08:00:01 link fiber: path is up",
    ...blank(6),
    " [Stop]  [Help]  q stop  ? help  up/down select  wheel log  l links",
  ]);
});

Deno.test("drawFrame() shows load balance on 120 columns and 16 rows", () => {
  const size = { columns: 120, rows: 16 };
  const frame = drawFrame(BALANCED, { ...INITIAL_STATE }, LOG, size);
  deepEqual(shown(frame, size), [
    " Fluxify load balance over 2 uplinks                                                                            up 1:01",
    " connections: spread over all",
    " down 24.8 Mbit/s   up 192 bit/s   most on wan1: 74 %   received 1.6 GB   sent 66.0 MB",
    "",
    "  UPLINK    IP    HEALTH          BYTES         DOWN           UP      RTT   JITTER   LOSS  SCORE  CONNS  LAST MINUTE",
    "  wan1      IPv4  healthy          74 %  12.4 Mbit/s     96 bit/s  12.3 ms        -  5.0 %     90  100 %  ____▁▂▂▃▄▄▅▆▇█",
    "  wan1      IPv6  unanswered                                       12.3 ms        -  100 %     90    0 %",
    "  wan2      IPv4  has no carrier   26 %  12.4 Mbit/s     96 bit/s  12.3 ms        -  5.0 %     90    0 %  ____▁▂▂▃▄▄▅▆▇█",
    "─ log ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────",
    " 08:00:01 link fiber: path is up",
    " 08:00:01 cannot use link lte: Cannot bind: no such device, and this message goes on for quite a while so that it has to",
    "          be wrapped",
    ...blank(3),
    " [Stop]  [Help]  q stop  ? help  up/down select  wheel log  l links",
  ]);
});

Deno.test("drawFrame() shows the help on 80 columns and 12 rows", () => {
  const size = { columns: 80, rows: 12 };
  const frame = drawFrame(BALANCED, { ...INITIAL_STATE, view: "help" }, LOG, size);
  deepEqual(shown(frame, size), [
    " Fluxify load balance over 2 uplinks                                    up 1:01",
    " down 24.8 Mbit/s   up 192 bit/s   most on wan1: 74 %   received 1.6 GB",
    " q, Ctrl-C, [Stop]   end the client; asks first",
    " up, down, k, j      select a link; Esc for none",
    " click on a link     select it, or not any more",
    " wheel, PgUp, PgDn   older and newer lines of the log",
    " Home, End           the oldest and the newest line",
    " F2                  leave the mouse to the terminal to mark text, or hold Shift",
    " ?                   this help; again, Esc or Enter to leave it",
    " l                   the links, to tick others",
    "",
    " [Stop]  [Help]  q stop  ? help  up/down select  wheel log  l links",
  ]);
});

Deno.test("drawFrame() shows the steps of a connection, and why one failed", () => {
  const size = { columns: 60, rows: 16 };
  const progress = new ConnectProgress();
  progress.begin("resolve", "vpn.example.org");
  progress.tell("resolve", "203.0.113.10");
  progress.begin("TCP", "203.0.113.10 over fiber");
  progress.begin("TLS", "");
  progress.fail("the server's certificate is of another authority: copy the bundle again");
  const model = {
    ...{ title: "Fluxify bonding to vpn.example.org", facts: [], totals: ["connecting"] },
    ...{ more: [], uptimeMs: 2_000, columns: [], rows: [], steps: progress.steps },
  };
  deepEqual(shown(drawFrame(model, INITIAL_STATE, [], size), size), [
    " Fluxify bonding to vpn.example.org                 up 0:02",
    "",
    " connecting",
    "",
    " done    resolve   203.0.113.10",
    " done    TCP       203.0.113.10 over fiber",
    " FAILED  TLS       the server's certificate is of another",
    "                   authority: copy the bundle again",
    "         session",
    "         paths",
    "         TUN",
    "─ log ──────────────────────────────────────────────────────",
    ...blank(3),
    " [Stop]  [Help]  q stop  ? help  up/down select  wheel log",
  ]);
});

Deno.test("drawFrame() shows a terminal that is too small", () => {
  const size = { columns: 20, rows: 3 };
  const frame = drawFrame(BALANCED, { ...INITIAL_STATE }, LOG, size);
  deepEqual(shown(frame, size), [
    "this screen takes",
    "24x6, and the termi…",
    " [Stop]  [Help]",
  ]);
});

Deno.test("drawFrame() tells good from bad in colours as well", () => {
  const { lines } = drawFrame(BONDED, INITIAL_STATE, LOG, { columns: 80, rows: 24 });
  const painted = lines.map((line) => paint(line));
  ok(painted[8]!.includes("\x1b[32mup     \x1b[0m"), painted[8]);
  ok(painted[9]!.includes("\x1b[33mavoided: jitter\x1b[0m"), painted[9]);
  ok(painted[11]!.includes("\x1b[1;31mdown   \x1b[0m"), painted[11]);
  ok(painted[14]!.includes("\x1b[33mcannot use link lte"), painted[14]);
});

Deno.test("drawFrame() says where clicks count", () => {
  const size = { columns: 80, rows: 24 };
  const { targets } = drawFrame(BONDED, INITIAL_STATE, LOG, size);
  deepEqual(targets.filter(({ input }) => input.kind === "row").map(({ line }) => line), [
    ...[8, 9, 10, 11],
  ]);
  deepEqual(targets.at(-2), {
    line: 23,
    from: 1,
    to: 7,
    input: { kind: "button", button: "stop" },
  });
  const asking = drawFrame(BONDED, { ...INITIAL_STATE, view: "asking to stop" }, LOG, size);
  deepEqual(asking.targets.slice(-2).map(({ input }) => input), [
    { kind: "button", button: "yes" },
    { kind: "button", button: "no" },
  ]);
});

Deno.test("drawFrame() says when the oldest line of the log is in sight", () => {
  const log = Array.from({ length: 30 }, (_, number) => logLine("info", `line ${number}`));
  const at = (logBack: number) =>
    drawFrame(BONDED, { ...INITIAL_STATE, logBack }, log, { columns: 80, rows: 24 }).isLogAtStart;
  deepEqual([at(0), at(19), at(20)], [false, false, true]);
});

Deno.test("drawFrame() is as large as the screen, whatever is in it", () => {
  const text = fc.string({ unit: "binary", maxLength: 60 });
  const size = fc.record({
    columns: fc.integer({ min: 1, max: 200 }),
    rows: fc.integer({ min: 1, max: 60 }),
  });
  const view = fc.constantFrom("status", "help", "asking to stop" as const);
  fc.assert(
    fc.property(
      fc.array(text, { maxLength: 12 }),
      size,
      view,
      text,
      (names, size, view, message) => {
        const model = bondModel(bondStatus(names, undefined, () => traffic(1e9, 1e12)), 1e12);
        const state = { view, selected: names.at(-1) ?? null, logBack: names.length };
        const frame = drawFrame(
          model,
          state,
          names.map((name) => logLine("error", message + name)),
          size,
        );
        shown(frame, size);
        // deno-lint-ignore no-control-regex
        for (const line of frame.lines) ok(!/[\0-\x1f\x7f-\x9f]/.test(plainText(line)));
        for (const { line, from, to } of frame.targets) {
          ok(line < size.rows && from < to && to <= size.columns);
        }
      },
    ),
    // Measuring strange characters is slow.
    { numRuns: 30 },
  );
});

function blank(lines: number): string[] {
  return Array.from({ length: lines }, () => "");
}
