/** Collects the garbage of a thread at a moment that suits, which the runtime has no call for. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * Collects all garbage of this thread's heap. Takes some 10 ms, in which the thread does nothing else.
 */
export function collectGarbage(): void {
  // V8 gives its `gc` to contexts that are made after the flag is set.
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
}
