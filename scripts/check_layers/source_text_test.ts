import { deepEqual, equal } from "node:assert/strict";
import { blankText, findImports, lineAt } from "./source_text.ts";

Deno.test("blankText() keeps code, quotes, offsets and line breaks", () => {
  const cases: [string, string][] = [
    ["a // b\nc", "a     \nc"],
    ["a /* b\nc */ d", "a     \n     d"],
    ['f("a\\"b", \'c\')', "f(\"    \", ' ')"],
    ["`a ${b + `c${d}`} e` + f", "`  ${b + ` ${d}`}  ` + f"],
    ["`${{ a: 1 }} b` c", "`${{ a: 1 }}  ` c"],
    ['x = /a\\/[/"]b/g.y', "x = /        /g.y"],
    ["a / b / c", "a / b / c"],
    ["return /'/;", "return / /;"],
    ["'open", "'    "],
  ];
  for (const [source, code] of cases) equal(blankText(source), code, source);
});

Deno.test("findImports() finds every way to name a module", () => {
  const source = `// import "not this";
import { a, type B } from "./a.ts";
import type { C } from './c.ts';
export * from "./d.ts";
import
  "./e.ts";
const f = await import("./f.ts");
const g: import("./g.ts").G = 'import "./not.ts"';
export const from = 1;
`;
  deepEqual(findImports(source, blankText(source)), [
    { specifier: "./a.ts", clause: "{ a, type B }", line: 2 },
    { specifier: "./c.ts", clause: "type { C }", line: 3 },
    { specifier: "./d.ts", clause: "*", line: 4 },
    { specifier: "./e.ts", clause: "", line: 6 },
    { specifier: "./f.ts", clause: "", line: 7 },
    { specifier: "./g.ts", clause: "", line: 8 },
  ]);
});

Deno.test("lineAt() counts from 1", () => {
  equal(lineAt("a\nb\nc", 0), 1);
  equal(lineAt("a\nb\nc", 1), 1);
  equal(lineAt("a\nb\nc", 2), 2);
  equal(lineAt("a\nb\nc", 4), 3);
});
