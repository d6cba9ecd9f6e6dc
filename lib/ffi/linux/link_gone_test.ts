import { equal } from "node:assert/strict";
import { EAGAIN, ECONNREFUSED, EMSGSIZE, ENODEV, ENXIO } from "../libc/errno.ts";
import { isLinkGone, isLinkGoneCode } from "./link_gone.ts";

Deno.test("what says that a link is gone is the same by number and by name", () => {
  for (const [errno, code] of [[ENODEV, "ENODEV"], [ENXIO, "ENXIO"]] as const) {
    equal(isLinkGone(errno), true);
    equal(isLinkGoneCode(code), true);
  }
  const others = [[EAGAIN, "EAGAIN"], [EMSGSIZE, "EMSGSIZE"], [ECONNREFUSED, "ECONNREFUSED"]];
  for (const [errno, code] of others as [number, string][]) {
    equal(isLinkGone(errno), false);
    equal(isLinkGoneCode(code), false);
  }
  equal(isLinkGoneCode(""), false);
});
