import { equal } from "node:assert/strict";
import { LinkUse } from "./link_use.ts";

Deno.test("the use of the links is summed up by figure", () => {
  const use = new LinkUse();
  equal(use.describe(), null);
  use.add("tcp1_up", [100, 100], [200, 100]);
  use.add("tcp1_up", [200, 100], [250, 150]);
  use.add("tcp8_up", [0, 0], [0, 0]);
  equal(use.describe(), "wan1/wan2: tcp1_up 75/25 %, tcp8_up 0/0 %");
});
