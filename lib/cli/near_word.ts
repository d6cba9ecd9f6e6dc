/** Whether a word may be a slip of the hand for another. */

/** From so many letters on, two slips are near. */
const LONG_WORD = 6;

/** At most one letter too many, too few or other, or two beside each other swapped; two in long words. */
export function isNear(typed: string, meant: string): boolean {
  return slipsBetween(typed, meant) <= (meant.length < LONG_WORD ? 1 : 2);
}

/** The least number of slips that make `typed` of `meant`, no letter touched twice. */
function slipsBetween(typed: string, meant: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: meant.length + 1 }, (_, at) => at);
  for (let row = 1; row <= typed.length; row++) {
    const next = [row];
    for (let at = 1; at <= meant.length; at++) {
      const isSame = typed[row - 1] === meant[at - 1];
      next[at] = Math.min(last[at]! + 1, next[at - 1]! + 1, last[at - 1]! + (isSame ? 0 : 1));
      const isSwapped = row > 1 && at > 1 && typed[row - 1] === meant[at - 2] &&
        typed[row - 2] === meant[at - 1];
      if (isSwapped) next[at] = Math.min(next[at]!, beforeLast[at - 2]! + 1);
    }
    [beforeLast, last] = [last, next];
  }
  return last.at(-1)!;
}
