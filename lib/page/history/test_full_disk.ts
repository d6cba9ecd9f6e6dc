/** Records on a disk that is full for a while; writes what became of it, as JSON. */
import { join } from "node:path";
import { HistoryStore } from "./history_store.ts";

const directory = join(Deno.args[0] ?? "", "disk");
await Deno.mkdir(directory);
const mount = ["-t", "tmpfs", "-o", "size=400k", "tmpfs", directory];
if (!(await new Deno.Command("mount", { args: mount }).output()).success) {
  throw new Error("Cannot mount a small disk");
}
using store = HistoryStore.open({ path: join(directory, "history.db") }, () => {});
const filler = join(directory, "filler");
const start = Date.now() / 1000;
let [refused, carried] = [0, 0];
for (let number = 0; number < 300; number++) {
  if (number === 100) fill();
  if (number === 200) await Deno.remove(filler);
  carried = number * 1000;
  try {
    store.record(start + number * 10, [{
      ...{ name: "a", run: "1", receivedBytes: carried, sentBytes: 0 },
      ...{ rttMs: 20, loss: 0, isUp: true },
    }]);
  } catch {
    refused++;
  }
}
const volume = store.volumes().reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
console.log(JSON.stringify({ refused, volume, carried }));

function fill(): void {
  using file = Deno.openSync(filler, { create: true, write: true });
  try {
    for (;;) file.writeSync(new Uint8Array(4096));
  } catch {
    // It is full.
  }
}
