import { deepEqual, equal, throws } from "node:assert/strict";
import { markMatch, markText, parseMark } from "./traffic_mark.ts";

Deno.test("a mark is a number, decimal or hexadecimal, with a mask or as a whole", () => {
  deepEqual(parseMark("5"), { value: 5, mask: 0xffffffff });
  deepEqual(parseMark("0x5"), { value: 5, mask: 0xffffffff });
  deepEqual(parseMark("0xC0000000/0xf0000000"), { value: 0xc0000000, mask: 0xf0000000 });
  equal(markText(parseMark("0x50/0xf0")), "0x50/0xf0");
  equal(markMatch(parseMark("0x80000000")), "meta mark and 0xffffffff == 0x80000000");
});

Deno.test("what is no mark is refused in words", () => {
  for (
    const text of ["", "0", "-1", "0x", "x", "4294967296", "1/0", "1/2/3", "1/", "0x100000000"]
  ) {
    throws(() => parseMark(text), RangeError, text);
  }
  throws(() => parseMark("0x11/0x10"), /bits outside its mask/);
});
