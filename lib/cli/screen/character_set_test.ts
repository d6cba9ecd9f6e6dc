import { deepEqual, equal, match } from "node:assert/strict";
import { visibleWidth } from "@earendil-works/pi-tui";
import fc from "fast-check";
import { characterSetOf, inAscii } from "./character_set.ts";
import { plainText, span } from "./styled_line.ts";

Deno.test("characterSetOf() reads the locale as POSIX says", () => {
  const cases: [Record<string, string>, "UTF-8" | "ASCII"][] = [
    [{}, "ASCII"],
    [{ LANG: "en_GB.UTF-8" }, "UTF-8"],
    [{ LANG: "C.utf8" }, "UTF-8"],
    [{ LANG: "de_DE@euro" }, "ASCII"],
    [{ LANG: "en_GB.UTF-8", LC_ALL: "C" }, "ASCII"],
    [{ LANG: "en_GB.UTF-8", LC_CTYPE: "POSIX" }, "ASCII"],
    [{ LANG: "C", LC_CTYPE: "C.UTF-8" }, "UTF-8"],
    [{ LC_ALL: "C.UTF-8", LC_CTYPE: "C", LANG: "C" }, "UTF-8"],
    [{ LC_ALL: "", LANG: "en_GB.UTF-8" }, "UTF-8"],
    [{ LC_MESSAGES: "en_GB.UTF-8" }, "ASCII"],
  ];
  for (const [variables, expected] of cases) {
    equal(characterSetOf((name) => variables[name]), expected, JSON.stringify(variables));
  }
});

Deno.test("inAscii() has a sign of its own for each bar, and for rules and ellipses", () => {
  const line = [span("─ dsl ─", "dim"), span("wlan…"), span("_▁▂▃▄▅▆▇██", "strong")];
  deepEqual(inAscii(line), [
    span("- dsl -", "dim"),
    span("wlan~"),
    span("_.:-=+*%##", "strong"),
  ]);
  equal(plainText(inAscii([span("日本 é ")])), "???? ? ");
});

Deno.test("inAscii() is ASCII and as wide as before, whatever the text", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (text) => {
    const [made] = inAscii([span(text)]);
    match(made!.text, /^[\x20-\x7e]*$/);
    equal(visibleWidth(made!.text), visibleWidth(text));
  }));
});
