/** Messages say what could not be done, and behind the first "; " what to do about it. */

/** Takes a message apart; `advice` is null where it has none. */
export function splitAdvice(message: string): { what: string; advice: string | null } {
  const at = message.indexOf("; ");
  if (at < 0) return { what: message, advice: null };
  return { what: message.slice(0, at), advice: message.slice(at + 2) };
}

/** Several failures of one thing: each is told, and the same advice once, at the end. */
export function inOneMessage(messages: readonly string[]): string {
  const parts = messages.map(splitAdvice);
  const whats = [...new Set(parts.map(({ what }) => what))].join(", then: ");
  const advice = [...new Set(parts.flatMap(({ advice }) => advice ?? []))];
  return [whats, ...advice].join("; ");
}
