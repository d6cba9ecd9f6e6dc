import { until } from "./until.ts";

const LIMIT_MS = 30_000;

/** Waits until there is no such process. */
export async function processEnd(process: number): Promise<void> {
  const isGone = () =>
    Deno.stat(`/proc/${process}`).then(() => false, (error) => {
      if (error instanceof Deno.errors.NotFound) return true;
      throw error;
    });
  await until(`process ${process} ends`, isGone, LIMIT_MS);
}
