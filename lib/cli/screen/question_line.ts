/** The line at the foot of a screen that asks for yes or no, by key or by click. */
import { visibleWidth } from "@earendil-works/pi-tui";
import type { Canvas } from "./canvas.ts";
import { span } from "./styled_line.ts";

/** `question` ends before `y/n`; `target` is what a click on an answer means. */
export function drawQuestion<T>(
  canvas: Canvas<T>,
  question: string,
  target: (answer: "yes" | "no") => T,
): void {
  const text = ` ${question}? y/n   `;
  const at = visibleWidth(text);
  canvas.target(at, at + 5, target("yes"));
  canvas.target(at + 7, at + 11, target("no"));
  canvas.add([span(text, "warn"), span("[Yes]", "button"), span("  "), span("[No]", "button")]);
}
