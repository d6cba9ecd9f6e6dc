import { deepEqual } from "node:assert/strict";
import { volumeRows } from "./history.js";

const volume = (month: string, name: string) => ({
  ...{ month, name, receivedBytes: 18e6, sentBytes: 1e6 },
});

Deno.test("the table has the volume of a metered link from where its lane has it", () => {
  const volumes = [volume("2026-11", "dsl"), volume("2026-11", "fiber"), volume("2026-10", "dsl")];
  const counts = new Map([["dsl", { cap: 1e9, counted: 10e6 }], ["fiber", {}]]);
  const [metered, free, before] = volumeRows(volumes, counts);
  deepEqual(metered, {
    ...{ month: "2026-11", name: "dsl", received: "–", sent: "–", together: "10 MB" },
    ...{ cap: "1.0 GB", isOver: false },
  });
  deepEqual([free.received, free.sent, free.together, free.cap], ["18 MB", "1.0 MB", "19 MB", "–"]);
  deepEqual([before.received, before.together], ["18 MB", "19 MB"]);
  deepEqual(volumeRows([volume("2026-11", "dsl")], new Map())[0].together, "19 MB");
});
