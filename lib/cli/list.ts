import { UsageError } from "./exit.ts";

/** Far above any machine's number of links or names; it bounds what later loops walk. */
export const LIST_ITEMS_MAX = 64;

/**
 * Reads the comma-separated value of the option `flag`. Spaces around an item do not count, and an
 * empty text is an empty list. `emptyItems` says whether an item may be empty (`a,,b`) and then
 * stand for "none". Throws UsageError.
 */
export function parseList(flag: string, text: string, emptyItems: "keep" | "refuse"): string[] {
  if (text.trim() === "") return [];
  const items = text.split(",").map((item) => item.trim());
  if (items.length > LIST_ITEMS_MAX) {
    throw new UsageError(`${flag} takes at most ${LIST_ITEMS_MAX} items, not ${items.length}`);
  }
  if (emptyItems === "refuse" && items.includes("")) {
    throw new UsageError(`${flag} has an empty item in '${text}'`);
  }
  return items;
}
