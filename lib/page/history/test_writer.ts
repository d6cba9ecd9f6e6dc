/** Writes a history as fast as it can, until it is killed; a line for each reading. */
import { HistoryStore } from "./history_store.ts";

const [path = "", limit = ""] = Deno.args;
using store = HistoryStore.open({ path, limitBytes: Number(limit) }, () => {});
const run = String(Deno.pid);
for (let number = 0;; number++) {
  const now = Date.now() / 1000;
  store.record(
    now + number,
    ["a", "b", "c"].map((name) => ({
      ...{ name, run, receivedBytes: number * 1000, sentBytes: number },
      ...{ rttMs: 20, loss: 0, isUp: true },
    })),
  );
  await Deno.stdout.write(new TextEncoder().encode(`${number}\n`));
}
