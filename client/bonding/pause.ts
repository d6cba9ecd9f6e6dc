/** Waits until `ms` have passed, `signal` is aborted, or `sooner` settles; leaves nothing behind. */
export async function pause(
  ms: number,
  signal: AbortSignal,
  sooner?: Promise<unknown>,
): Promise<void> {
  const over = Promise.withResolvers<void>();
  const end = () => over.resolve();
  const timer = setTimeout(end, ms);
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  try {
    await Promise.race(sooner === undefined ? [over.promise] : [over.promise, sooner]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}
