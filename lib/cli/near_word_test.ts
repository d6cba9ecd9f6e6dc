import { equal } from "node:assert/strict";
import { isNear } from "./near_word.ts";

Deno.test("isNear() takes one slip, and two in long words", () => {
  for (const typed of ["port", "prot", "por", "ports", "pork", "oprt"]) {
    equal(isNear(typed, "port"), true, typed);
  }
  for (const typed of ["cert", "pt", "torp", "", "ports-of"]) {
    equal(isNear(typed, "port"), false, typed);
  }
  equal(isNear("sevrer", "server"), true);
  equal(isNear("sevre", "server"), true);
  equal(isNear("sever-all", "server"), false);
  equal(isNear("", ""), true);
});
