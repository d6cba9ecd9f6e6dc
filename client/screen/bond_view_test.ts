import { deepEqual, equal } from "node:assert/strict";
import { bondModels, gainOverBest } from "./bond_view.ts";
import { bondStatus, pathReport } from "./test_bond_status.ts";

Deno.test("bondModels() tells rates from what a link has carried between two readings", async () => {
  let status = bondStatus(["one"], [pathReport(0, "one", { receivedBytes: 0, sentBytes: 0 })]);
  const read = bondModels(() => Promise.resolve(status), 5_000);
  equal((await read(6_000)).uptimeMs, 1_000);
  status = bondStatus(["one"], [
    pathReport(0, "one", { receivedBytes: 250_000, sentBytes: 125 }),
  ]);
  const { rows: [row], totals } = await read(8_000);
  deepEqual([row!.cells.down!.text, row!.cells.up!.text], ["1.0 Mbit/s", "500 bit/s"]);
  deepEqual(totals, ["down 1.0 Mbit/s", "up 500 bit/s", "received 250 kB", "sent 125 B"]);
});

Deno.test("bondModels() shows a link without a path, and that there is no session", async () => {
  const read = bondModels(() => Promise.resolve(bondStatus(["one", "two"], [])), 0);
  const { rows } = await read(0);
  deepEqual(rows.map(({ cells }) => cells.state), [
    { text: "down", tone: "bad" },
    { text: "down", tone: "bad" },
  ]);
  const gone = { ...bondStatus(["one"], []), problems: new Map([["one", "has no carrier"]]) };
  const { rows: [lost] } = await bondModels(() => Promise.resolve(gone), 0)(0);
  deepEqual(lost!.cells.quality, { text: "has no carrier", tone: "bad" });
  deepEqual(lost!.details[0], ["state", "has no carrier"]);
  const without = { ...bondStatus(["one"]), session: null };
  const { facts, rows: [idle] } = await bondModels(() => Promise.resolve(without), 0)(0);
  equal(facts.at(-1), "no session");
  equal(idle!.cells.quality!.text, "no session");
});

Deno.test("gain, compression and reordering are told; what is not known is a dash", async () => {
  const traffic = (received: number, sent: number) => ({
    ...{ receivedBytes: 0, sentBytes: 0, lastMinute: [] },
    ...{ receivedBytesPerSecond: received, sentBytesPerSecond: sent },
  });
  equal(gainOverBest([traffic(2_000_000, 0), traffic(1_000_000, 500_000)]), 1.5);
  // Down over the one and up over the other: neither direction has more than one link.
  equal(gainOverBest([traffic(3_000_000, 0), traffic(0, 2_000_000)]), 1);
  equal(gainOverBest([traffic(3_000_000, 0), traffic(0, 0)]), 1);
  equal(gainOverBest([traffic(100, 100), traffic(100, 0)]), null);
  equal(gainOverBest([]), null);
  const { more } = await bondModels(() => Promise.resolve(bondStatus(["one"])), 0)(0);
  deepEqual(more, [
    ["gain over the best link -", "compression 1.5x, 3.0 kB carried as 2.0 kB"],
    ["reorder: buffered 3", "reordered 2", "drops 0", "flushes 1", "max depth 4"],
  ]);
  const without = { ...bondStatus(["one"]), session: null };
  deepEqual((await bondModels(() => Promise.resolve(without), 0)(0)).more, []);
});

Deno.test("a state has its word and its colour, and only a path that is up is judged", async () => {
  const paths = (["probing", "up", "suspect", "down"] as const).map((state, id) =>
    pathReport(id, state, { state, isGood: id % 2 === 0, isBadFor: "loss" })
  );
  const status = bondStatus(paths.map(({ name }) => name), paths);
  const { rows } = await bondModels(() => Promise.resolve(status), 0)(0);
  deepEqual(rows.map(({ cells }) => [cells.state, cells.quality!.text]), [
    [{ text: "probing", tone: "warn" }, "-"],
    [{ text: "up", tone: "good" }, "avoided: loss"],
    [{ text: "suspect", tone: "warn" }, "-"],
    [{ text: "down", tone: "bad" }, "-"],
  ]);
});

Deno.test("what was measured of a path that is down is dim, and what is bad is marked", async () => {
  const paths = [
    pathReport(0, "one", { state: "down", isBadFor: "loss", isGood: false }),
    pathReport(1, "two", { isBadFor: "rtt", isGood: false }),
  ];
  const { rows } = await bondModels(() => Promise.resolve(bondStatus(["one", "two"], paths)), 0)(0);
  deepEqual(rows.map(({ cells }) => [cells.rtt!.tone, cells.loss!.tone, cells.score!.tone]), [
    ["dim", "dim", "dim"],
    ["warn", "plain", "plain"],
  ]);
});
