import { equal, throws } from "node:assert/strict";
import { parseInterfaceBytes } from "./testbed.ts";

const TEXT = [
  "Inter-|   Receive                                  |  Transmit",
  " face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs",
  "    lo:       5    1 0 0 0 0 0 0        5    1 0 0 0 0 0 0",
  "  wan1: 1556853 9000 0 0 0 0 0 0    10079  100 0 0 0 0 0 0",
  "",
].join("\n");

Deno.test("an interface's bytes are those of both directions", () => {
  equal(parseInterfaceBytes(TEXT, "wan1"), 1556853 + 10079);
});

Deno.test("an interface that is not there is refused", () => {
  throws(() => parseInterfaceBytes(TEXT, "wan2"), /Cannot read the counters of wan2/);
  throws(() => parseInterfaceBytes("wan1: 1 2 3", "wan1"), /wan1/);
});
