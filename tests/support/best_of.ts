/**
 * Measures until `isGood`, at most so many times, and returns what was good. For figures that a busy
 * machine only ever makes worse: the best of a few measurements is what the program does.
 * @throws Error with all that was measured, when nothing was good.
 */
export async function bestOf<T>(
  attempts: number,
  measure: () => Promise<T>,
  isGood: (measured: T) => boolean,
): Promise<T> {
  const seen: T[] = [];
  for (let attempt = 0; attempt < attempts; attempt++) {
    const measured = await measure();
    if (isGood(measured)) return measured;
    seen.push(measured);
  }
  throw new Error(`not once within its limits: ${JSON.stringify(seen)}`);
}
