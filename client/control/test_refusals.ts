/**
 * A client that is refused again and again, for tests of its memory: `PORT WARM_UP MEASURED`. Prints
 * the bytes by which the process grew while it was refused MEASURED times.
 */
import { createTestPki, failure, optionsFor } from "./test_server.ts";

if (import.meta.main) {
  const [port, warmUp, measured] = Deno.args.map(Number) as [number, number, number];
  await using pki = await createTestPki();
  const beRefused = async (times: number) => {
    for (let time = 0; time < times; time++) {
      await failure("server certificate of another authority", optionsFor(port, pki.alice));
    }
  };
  await beRefused(warmUp);
  const before = Deno.memoryUsage().rss;
  await beRefused(measured);
  console.log(Deno.memoryUsage().rss - before);
}
