import { deepEqual, equal } from "node:assert/strict";
import { bondModel } from "./bond_view.ts";
import { pathReport } from "../../lib/status/test_session_report.ts";
import { plainText } from "../../lib/cli/screen/styled_line.ts";
import { layOut, rowLine } from "./table.ts";
import { bondStatus } from "./test_bond_status.ts";

Deno.test("bondModel() shows what each link carries, and the sum", () => {
  const traffic = (receivedBytesPerSecond: number) => ({
    ...{ receivedBytes: 250_000, sentBytes: 125, sentBytesPerSecond: 62.5 },
    ...{ receivedBytesPerSecond, lastMinute: [] },
  });
  const status = bondStatus(["one", "two"], [], (link) => traffic(link === "one" ? 125_000 : 0));
  const { rows: [row], totals, uptimeMs } = bondModel(status, 1_000);
  deepEqual([row!.cells.down!.text, row!.cells.up!.text], ["1.0 Mbit/s", "500 bit/s"]);
  deepEqual(totals, ["down 1.0 Mbit/s", "up 1.0 kbit/s", "received 500 kB", "sent 250 B"]);
  equal(uptimeMs, 1_000);
});

Deno.test("bondModel() tells session and engine, shares, averages, and links that share an address", () => {
  const paths = [
    pathReport(0, "one", { rttMs: 20, seenAs: "203.0.113.7:40000" }),
    pathReport(1, "two", { rttMs: 40, seenAs: "203.0.113.7:40001" }),
    pathReport(2, "three", { state: "down", seenAs: "203.0.113.9:1" }),
  ];
  const status = bondStatus(["one", "two", "three"], paths, (link) => ({
    ...{ receivedBytes: 0, sentBytes: 0, sentBytesPerSecond: 0, lastMinute: [] },
    receivedBytesPerSecond: link === "one" ? 3_000 : 1_000,
  }));
  const { facts, more, rows } = bondModel(status, 0);
  deepEqual(facts.slice(2), [
    "scheduler flow",
    `session ${status.session!.id.toString(16).padStart(8, "0")}`,
    "native engine",
  ]);
  deepEqual(more[0]!.slice(0, 3), [
    "2 of 3 links up",
    "one, two share 203.0.113.7",
    "on average RTT 30.0 ms",
  ]);
  deepEqual(
    rows.map(({ cells }) => [cells.share!.text, cells.for!.text, cells.seenAs!.text]),
    [
      ["60 %", "3:20", "203.0.113.7:40000"],
      ["20 %", "3:20", "203.0.113.7:40001"],
      ["20 %", "3:20", "203.0.113.9:1"],
    ],
  );
});

Deno.test("bondModel() tells what was sent again and repaired, once there is some", () => {
  const counts = { retransmittedPackets: 7, reinjectedPackets: 2, repairedPackets: 3 };
  const paths = [pathReport(0, "one"), pathReport(1, "two", counts)];
  const { rows } = bondModel(bondStatus(["one", "two"], paths), 0);
  const told = rows.map(({ details }) =>
    details.filter(([name]) => name === "sent again" || name === "repaired")
  );
  deepEqual(told, [
    [],
    [["sent again", "7 lost, 2 of other links"], ["repaired", "3 lost packets"]],
  ]);
});

Deno.test("bondModel() shows a link without a path, and that there is no session", () => {
  const { rows } = bondModel(bondStatus(["one", "two"], []), 0);
  deepEqual(rows.map(({ cells }) => cells.state), [
    { text: "down", tone: "bad" },
    { text: "down", tone: "bad" },
  ]);
  const [one] = bondStatus(["one"]).links;
  const gone = { ...bondStatus([], []), links: [{ ...one!, problem: "has no carrier" }] };
  const { rows: [lost] } = bondModel(gone, 0);
  deepEqual(lost!.cells.quality, { text: "has no carrier", tone: "bad" });
  deepEqual(lost!.details[0], ["state", "has no carrier"]);
  const without = { ...bondStatus(["one"]), session: null };
  const { facts, rows: [idle] } = bondModel(without, 0);
  deepEqual(facts.slice(-2), ["no session", "native engine"]);
  equal(idle!.cells.quality!.text, "no session");
});

Deno.test("gain, compression and reordering are told; what is not known is a dash", () => {
  const { more } = bondModel(bondStatus(["one"]), 0);
  deepEqual(more.slice(1), [
    ["gain over the best link -", "compression 1.5x, 3.0 kB carried as 2.0 kB"],
    ["reorder: buffered 3", "reordered 2", "drops 0", "flushes 1", "max depth 4"],
  ]);
  const gaining = bondModel({ ...bondStatus(["one"]), gainOverBest: 1.84 }, 0);
  equal(gaining.more[1]![0], "gain over the best link 1.8x");
  deepEqual(bondModel({ ...bondStatus(["one"]), session: null }, 0).more, []);
});

Deno.test("a state has its word and its colour, and only a path that is up is judged", () => {
  const paths = (["probing", "up", "suspect", "down"] as const).map((state, id) =>
    pathReport(id, state, { state, isGood: id % 2 === 0, isBadFor: "loss" })
  );
  const status = bondStatus(paths.map(({ name }) => name), paths);
  const { rows } = bondModel(status, 0);
  deepEqual(rows.map(({ cells }) => [cells.state, cells.quality!.text]), [
    [{ text: "probing", tone: "warn" }, "-"],
    [{ text: "up", tone: "good" }, "avoided: loss"],
    [{ text: "suspect", tone: "warn" }, "-"],
    [{ text: "down", tone: "bad" }, "-"],
  ]);
});

Deno.test("what was measured of a path that is down is dim, and what is bad is marked", () => {
  const paths = [
    pathReport(0, "one", { state: "down", isBadFor: "loss", isGood: false }),
    pathReport(1, "two", { isBadFor: "rtt", isGood: false }),
  ];
  const { rows } = bondModel(bondStatus(["one", "two"], paths), 0);
  deepEqual(rows.map(({ cells }) => [cells.rtt!.tone, cells.loss!.tone, cells.score!.tone]), [
    ["dim", "dim", "dim"],
    ["warn", "plain", "plain"],
  ]);
});

Deno.test("bondModel() says which names in flags are those of no link", () => {
  const line = ["no link now, though named: nolink", "there are: one, two"];
  const status = { ...bondStatus(["one", "two"]), unmatched: ["nolink"] };
  deepEqual(bondModel(status, 0).more[0], line);
  deepEqual(bondModel({ ...status, session: null }, 0).more, [line]);
});

Deno.test("where there is no room for the quality, the state says why a link is spared", () => {
  const paths = [
    pathReport(0, "one"),
    pathReport(1, "two", { idleFor: "cap reached" }),
    pathReport(2, "three", { idleFor: "backup" }),
    pathReport(3, "four", { isGood: false, isBadFor: "loss" }),
  ];
  const { columns, rows } = bondModel(bondStatus(["one", "two", "three", "four"], paths), 0);
  const statesOn = (width: number) => {
    const layout = layOut(columns, rows, width);
    return rows.map((row) => plainText(rowLine(row, layout, "not selected")).slice(11, 18).trim());
  };
  deepEqual(statesOn(40), ["up", "at cap", "backup", "avoided"]);
  deepEqual(statesOn(80), ["up", "up", "up", "up"]);
});
