/** The names of keys, also of those that pi-tui does not know from every terminal. */
import { parseKey } from "@earendil-works/pi-tui";

/** Home and End as the Linux console, tmux and screen send them (console_codes(4), terminfo). */
const FURTHER: ReadonlyMap<string, string> = new Map([
  ["\x1b[1~", "home"],
  ["\x1b[4~", "end"],
]);

/** As parseKey() of pi-tui: `q`, `up`, `ctrl+c`; undefined for what is no key. */
export function keyName(sequence: string): string | undefined {
  return FURTHER.get(sequence) ?? parseKey(sequence);
}
