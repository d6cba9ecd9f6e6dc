import { deepEqual, throws } from "node:assert/strict";
import { UsageError } from "./exit.ts";
import { parseList } from "./list.ts";

Deno.test("parseList() splits at commas", () => {
  deepEqual(parseList("-ifaces", "eth0, wlan0", "refuse"), ["eth0", "wlan0"]);
  deepEqual(parseList("-ifaces", "", "refuse"), []);
  deepEqual(parseList("-ips", "1.2.3.4,,", "keep"), ["1.2.3.4", "", ""]);
});

Deno.test("parseList() refuses empty items and endless lists", () => {
  throws(
    () => parseList("-ifaces", "eth0,,wlan0", "refuse"),
    new UsageError("-ifaces has an empty item in 'eth0,,wlan0'"),
  );
  throws(
    () => parseList("-ips", ",".repeat(64), "keep"),
    new UsageError("-ips takes at most 64 items, not 65"),
  );
});
