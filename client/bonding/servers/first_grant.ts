/** Asks several servers, each a while after the one before, until one says yes. */
import { pause } from "../pause.ts";

/**
 * Starts the attempts in this order, the next one when the last has failed or `staggerMs` have passed,
 * so that one that is silent holds nobody up. The first to succeed wins, and the others are aborted;
 * `failed` is told of those that failed by themselves.
 *
 * @throws what `worst` chooses of all failures, when none succeeds.
 */
export async function firstGrant<Grant>(
  attempts: readonly ((signal: AbortSignal) => Promise<Grant>)[],
  options: {
    readonly staggerMs: number;
    readonly signal: AbortSignal;
    readonly failed: (index: number, error: unknown) => void;
    readonly worst: (errors: readonly unknown[]) => unknown;
  },
): Promise<Grant> {
  const { staggerMs, signal, failed, worst } = options;
  const others = new AbortController();
  const either = AbortSignal.any([signal, others.signal]);
  const won = Promise.withResolvers<Grant>();
  won.promise.catch(() => {}); // waited for below, unless all have failed before
  const errors: unknown[] = [];
  let isOver = false;
  const run = async (index: number) => {
    try {
      const grant = await attempts[index]!(either);
      isOver = true;
      won.resolve(grant);
    } catch (error) {
      errors.push(error);
      if (!either.aborted) failed(index, error);
    }
  };
  const running: Promise<void>[] = [];
  try {
    for (const index of attempts.keys()) {
      if (isOver || signal.aborted) break;
      const attempt = run(index);
      running.push(attempt);
      await pause(staggerMs, signal, Promise.race([attempt, won.promise.then(() => {})]));
    }
    const allFailed = Promise.all(running).then(() => {
      if (!isOver) throw worst(errors);
    });
    allFailed.catch(() => {});
    await Promise.race([won.promise, allFailed]);
    return await won.promise;
  } finally {
    others.abort();
  }
}
