/** Waits until there is no such process, at most half a minute. */
export async function processEnd(process: number): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    try {
      await Deno.stat(`/proc/${process}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`process ${process} does not end`);
}
