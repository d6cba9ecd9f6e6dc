import { deepEqual, equal, ok } from "node:assert/strict";
import { visibleWidth } from "@earendil-works/pi-tui";
import fc from "fast-check";
import {
  cut,
  fit,
  fitLine,
  joinFitting,
  paint,
  plainText,
  span,
  spread,
  wrap,
} from "./styled_line.ts";

Deno.test("cut() and fit() measure in columns, and show control characters as text", () => {
  equal(cut("wlan0", 5), "wlan0");
  equal(cut("wlan01", 5), "wlan…");
  equal(cut("日本語", 5), "日本…");
  equal(cut("日本語", 4), "日…");
  equal(cut("a\x1b[31mb\n", 20), "a\\x1b[31mb\\n");
  equal(cut("abc", 0), "");
  equal(fit("日本語", 4), "日… ");
  equal(fit("7", 3, "right"), "  7");
});

Deno.test("spread() and joinFitting() leave out what has no room", () => {
  equal(spread("left", "right", 12), "left   right");
  equal(spread("a long left", "right", 12), "a lon… right");
  equal(spread("left", "right", 5), "right");
  equal(joinFitting(["one", "a longer one", "two"], 10), "one   two");
  equal(joinFitting(["a very long one"], 6), "a ver…");
  equal(joinFitting([], 6), "");
});

Deno.test("wrap() breaks at spaces, and tells what it leaves out", () => {
  deepEqual(wrap("one two three", 7, 4), ["one two", "three"]);
  deepEqual(wrap("onetwothree", 4, 4), ["onet", "woth", "ree"]);
  deepEqual(wrap("one two three four", 5, 2), ["one", "two …"]);
  deepEqual(wrap("", 5, 2), [""]);
  deepEqual(wrap("AB:CD:EF:01", 7, 4), ["AB:CD:", "EF:01"]);
  deepEqual(wrap("/etc/fluxify/pki/ca.pem", 14, 4), ["/etc/fluxify/", "pki/ca.pem"]);
  deepEqual(wrap("日本", 1, 3), ["…"]);
});

Deno.test("wrap() and fitLine() keep to their width, whatever the text", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 80 });
  const width = fc.integer({ min: 1, max: 30 });
  fc.assert(fc.property(text, width, (words, columns) => {
    const pieces = wrap(words, columns, 5);
    ok(pieces.length <= 5);
    for (const piece of pieces) ok(visibleWidth(piece) <= columns);
    equal(visibleWidth(plainText(fitLine([span(words), span(words)], columns))), columns);
  }));
});

Deno.test("paint() resets after each tone", () => {
  equal(paint([span("a"), span("up", "good"), span("", "bad")]), "a\x1b[32mup\x1b[0m");
});
