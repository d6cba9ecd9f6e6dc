/** The help of a screen: what each key does, one entry below the other. */
import type { Canvas } from "./canvas.ts";
import { fit, span, wrap } from "./styled_line.ts";

/** Keys, and what they do. */
export type HelpEntry = readonly [keys: string, text: string];

const KEYS_WIDTH = 20;
/** Of what a key does. */
const LINES_MAX = 6;

/** Whole sentences where there is room for all of them, else the beginning of each. */
export function drawHelp(canvas: Canvas<unknown>, entries: readonly HelpEntry[]): void {
  const width = Math.max(1, canvas.width - KEYS_WIDTH - 1);
  const wrapped = entries.map(([keys, text]) => ({ keys, lines: wrap(text, width, LINES_MAX) }));
  const isRoom = wrapped.reduce((sum, { lines }) => sum + lines.length, 0) <= canvas.room;
  if (!isRoom) {
    for (const [keys, text] of entries) canvas.add([span(` ${fit(keys, KEYS_WIDTH)}${text}`)]);
    return;
  }
  for (const { keys, lines } of wrapped) {
    for (const [index, line] of lines.entries()) {
      canvas.add([span(` ${fit(index === 0 ? keys : "", KEYS_WIDTH)}${line}`)]);
    }
  }
}
