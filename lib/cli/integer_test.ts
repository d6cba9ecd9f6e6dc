import { equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "./exit.ts";
import { integerIn, parseInteger } from "./integer.ts";

Deno.test("integerIn() accepts its range and nothing else", () => {
  const parse = integerIn("-port", 1, 65535);
  equal(parse("1"), 1);
  equal(parse("65535"), 65535);
  const refused = ["0", "65536", "x", "", " 1", "1 ", "-1", "+1", "1.0", "1e3", "0x50", "010"];
  refused.push("9".repeat(16), "٣", "8000,", "NaN");
  for (const text of refused) {
    throws(() => parse(text), new UsageError(`-port must be 1 to 65535, not '${text}'`));
  }
});

Deno.test("integerIn() can accept one value beside its range", () => {
  const parse = integerIn("-mtu", 576, 9000, 0);
  equal(parse("0"), 0);
  equal(parse("576"), 576);
  throws(() => parse("575"), new UsageError("-mtu must be 0 or 576 to 9000, not '575'"));
});

Deno.test("parseInteger() reads back every integer it can hold", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 10 ** 15 - 1 }), (value) => {
    equal(parseInteger(String(value)), value);
  }));
});
