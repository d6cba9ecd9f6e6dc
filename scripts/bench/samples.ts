/** All that was measured: for each figure and subject the values of the single runs. */

import type { FigureName } from "./figures.ts";
import type { SubjectName } from "./subject.ts";

export class Samples {
  #values = new Map<string, number[]>();

  add(figure: FigureName, subject: SubjectName, value: number): void {
    const key = `${figure} ${subject}`;
    this.#values.set(key, [...this.#values.get(key) ?? [], value]);
  }

  /** Null when nothing was measured. */
  median(figure: FigureName, subject: SubjectName): number | null {
    return median(this.#values.get(`${figure} ${subject}`) ?? []);
  }
}

/** The middle value, or the mean of the two in the middle; null of nothing. */
export function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  return upper === undefined || lower === undefined ? null : (lower + upper) / 2;
}
