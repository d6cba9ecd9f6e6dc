const LIMIT_MS = 20_000;
const LOOK_EVERY_MS = 10;

/**
 * Waits until `holds` is true, or gives something that is.
 * @returns that.
 * @throws Error that names `what` when it never does within `limitMs`, and whatever `holds` throws.
 */
export async function until<T>(
  what: string,
  holds: () => T | Promise<T>,
  limitMs = LIMIT_MS,
): Promise<Exclude<T, false | null | undefined>> {
  const deadlineMs = performance.now() + limitMs;
  for (;;) {
    const found = await holds();
    if (found) return found as Exclude<T, false | null | undefined>;
    if (performance.now() > deadlineMs) throw new Error(`It never came to this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
