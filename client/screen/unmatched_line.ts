/** What a screen says of names in flags that no link has: a typing error, or a link that is to come. */

/** None where all match, nor of a client of an earlier version, which does not tell. */
export function unmatchedLine(
  unmatched: readonly string[] | undefined,
  links: readonly { readonly name: string }[],
): string[][] {
  if (unmatched === undefined || unmatched.length === 0) return [];
  const names = links.map(({ name }) => name).join(", ");
  return [[`no link now, though named: ${unmatched.join(", ")}`, `there are: ${names}`]];
}
