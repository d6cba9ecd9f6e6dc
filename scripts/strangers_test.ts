import { ok } from "node:assert/strict";
import { measureStrangers } from "./strangers.ts";

/** With node:tls as the server, 6000 strangers left 140 MiB behind. */
const CONNECTIONS = 6_000;
const MAY_GROW_MIB = 20;

Deno.test("strangers leave nothing in the server's memory, and clients are served beside them", async () => {
  const { grownMib, honest } = await measureStrangers(CONNECTIONS, {
    warmUp: 3_000,
    restSeconds: 1,
    // How long a client waits is for the task to measure, on a machine that does nothing else.
    honestTimeoutMs: 30_000,
  });
  ok(grownMib < MAY_GROW_MIB, `grew by ${grownMib} MiB`);
  ok(honest.served >= 0.95 * honest.tried, `${honest.served} of ${honest.tried} clients`);
});
