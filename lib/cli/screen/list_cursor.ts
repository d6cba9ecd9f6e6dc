/** The cursor of a list by keys, the same on every screen. */

/** Rows that PgUp and PgDn pass over. */
const PAGE_ROWS = 8;

/**
 * The row, from 0, that `key` (as in PageInput) leads to from `row` in a list of `count`; null when
 * the key does not move in lists. Stays within the list, and is 0 in an empty one.
 */
export function rowAfter(key: string, row: number, count: number): number | null {
  const move = Object.hasOwn(TARGETS, key) ? TARGETS[key] : undefined;
  const target = move?.(Math.min(row, count - 1), count);
  return target === undefined ? null : Math.max(0, Math.min(count - 1, target));
}

const TARGETS: Readonly<Record<string, (row: number, count: number) => number>> = {
  up: (row) => row - 1,
  k: (row) => row - 1,
  down: (row) => row + 1,
  j: (row) => row + 1,
  pageUp: (row) => row - PAGE_ROWS,
  pageDown: (row) => row + PAGE_ROWS,
  home: () => 0,
  end: (_, count) => count - 1,
};
