import { equal, match } from "node:assert/strict";
import { ForeignSources } from "./foreign_sources.ts";

Deno.test("ForeignSources says so once, and again when there are ten times as many", () => {
  let packets = 0;
  const sources = new ForeignSources({ get: () => packets });
  const after = (count: number) => {
    packets = count;
    return sources.look();
  };
  equal(after(9), null);
  match(after(40)!, /^dropped 40 packets .* needs -share on$/);
  equal(after(40), null);
  equal(after(399), null);
  match(after(400)!, /^dropped 400 packets/);
});
