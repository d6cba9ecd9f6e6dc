/** A screen on a terminal that has no room for it: what it takes is said, and it can be left. */
import type { Canvas, Size } from "./canvas.ts";
import { span, wrap } from "./styled_line.ts";

export function isTooSmall(size: Size, least: Size): boolean {
  return size.columns < least.columns || size.rows < least.rows;
}

/** All that can be done there. */
export const TOO_SMALL_FOOTER = ["q quit"];

/** Fills all lines but the last, which is the footer's. */
export function drawTooSmall(canvas: Canvas<unknown>, least: Size): void {
  const text = `this screen takes ${least.columns}x${least.rows}, and the terminal has ` +
    `${canvas.width}x${canvas.height}: make it larger; q quits`;
  for (const line of wrap(text, canvas.width, Math.max(1, canvas.height - 1))) {
    canvas.add([span(line, "warn")]);
  }
  canvas.fillTo(canvas.height - 1);
}
