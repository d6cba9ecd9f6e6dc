import assert from "node:assert/strict";
import { formatTable } from "./table.ts";

Deno.test("formatTable() aligns columns and leaves no spaces at the end", () => {
  assert.deepEqual(formatTable(["NAME", "X"], [["a", "1"], ["longer", ""], ["", "22"]]), [
    "NAME    X",
    "a       1",
    "longer",
    "        22",
  ]);
  assert.deepEqual(formatTable(null, [["a", "b"]]), ["a  b"]);
  assert.deepEqual(formatTable(null, []), []);
});
