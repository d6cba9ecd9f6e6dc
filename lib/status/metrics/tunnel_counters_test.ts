import { deepEqual, equal } from "node:assert/strict";
import { tunnelCounters } from "./tunnel_counters.ts";

const DEV = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  904188    1148    0    0    0     0          0         0   904188    1148    0    0    0     0       0          0
fluxify:1200 12 0 0 0 0 0 0 3400 34 0 0 0 0 0 0
fluxify2:     1       2    0    0    0     0          0         0        3       4    0    0    0     0       0          0
`;
const read = (text: string) => () => Promise.resolve(text);

Deno.test("tunnelCounters() reads the line of the device, and no other", async () => {
  deepEqual(await tunnelCounters("fluxify", read(DEV)), {
    ...{ receivedBytes: 1200, receivedPackets: 12, sentBytes: 3400, sentPackets: 34 },
  });
  equal((await tunnelCounters("fluxify2", read(DEV)))?.sentPackets, 4);
  equal(await tunnelCounters("flux", read(DEV)), null);
  equal(await tunnelCounters("x", read("x: 1 2 3\n")), null);
  equal(await tunnelCounters("x", () => Promise.reject(new Error("no /proc"))), null);
});

Deno.test("tunnelCounters() knows the loopback of this machine", async () => {
  equal(typeof (await tunnelCounters("lo"))?.receivedBytes, "number");
});
