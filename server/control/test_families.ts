/**
 * For tests: a control server on every address of the namespace this runs in. Prints the loopback
 * addresses over which a client got a session, then ends.
 */
import { ask, startBench } from "./test_bench.ts";

await using bench = await startBench();
for (const host of ["127.0.0.1", "::1"]) {
  if ((await ask(bench, bench.alice, { host }))?.session_id === 7) console.log(host);
}
