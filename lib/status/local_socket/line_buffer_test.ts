import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { LineBuffer } from "./line_buffer.ts";

function linesOf(buffer: LineBuffer, ...pieces: string[]): { lines: string[]; fits: boolean } {
  const lines: string[] = [];
  const take = (line: Uint8Array) => void lines.push(new TextDecoder().decode(line));
  const fits = pieces.every((piece) => buffer.push(new TextEncoder().encode(piece), take));
  return { lines, fits };
}

Deno.test("LineBuffer: lines are whole, however they are cut", () => {
  deepEqual(linesOf(new LineBuffer(8), "a", "b\nc", "d\n\ne"), {
    lines: ["ab", "cd", ""],
    fits: true,
  });
});

Deno.test("LineBuffer: a line of the limit is taken, and one byte more is refused", () => {
  deepEqual(linesOf(new LineBuffer(4), "1234\n"), { lines: ["1234"], fits: true });
  deepEqual(linesOf(new LineBuffer(4), "a\n12345\nb\n"), { lines: ["a"], fits: false });
  equal(linesOf(new LineBuffer(4), "123", "45").fits, false);
});

Deno.test("LineBuffer gives what was put in, for every way to cut it", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 60 });
  fc.assert(fc.property(text, fc.array(fc.nat(60), { maxLength: 6 }), (whole, cuts) => {
    const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)), whole.length]
      .sort((a, b) => a - b);
    const pieces = at.slice(1).map((end, index) => whole.slice(at[index], end));
    const { lines, fits } = linesOf(new LineBuffer(60), ...pieces);
    equal(fits, true);
    deepEqual(lines, whole.split("\n").slice(0, -1));
  }));
});
