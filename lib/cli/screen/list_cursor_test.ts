import { equal } from "node:assert/strict";
import { rowAfter } from "./list_cursor.ts";

Deno.test("rowAfter() moves by one, by a page and to the ends, and stays in the list", () => {
  const cases: [key: string, row: number, count: number, expected: number | null][] = [
    ["down", 0, 3, 1],
    ["j", 2, 3, 2],
    ["up", 2, 3, 1],
    ["k", 0, 3, 0],
    ["pageDown", 1, 30, 9],
    ["pageDown", 25, 30, 29],
    ["pageUp", 9, 30, 1],
    ["home", 7, 30, 0],
    ["end", 0, 30, 29],
    ["up", 50, 3, 1],
    ["end", 0, 0, 0],
    ["down", 0, 0, 0],
    ["enter", 1, 3, null],
    ["constructor", 1, 3, null],
  ];
  for (const [key, row, count, expected] of cases) {
    equal(rowAfter(key, row, count), expected, `${key} from ${row} of ${count}`);
  }
});
