/**
 * Gives memory back to the system that a program no longer uses. What it needs to load and start is
 * garbage soon, but a program that has little to do allocates too little for the runtime to look for
 * it, and the allocator of libc keeps what is freed: a third of the memory of a program at rest.
 */
import { Libc } from "../ffi/libc/libc.ts";
import { collectGarbage } from "../ffi/memory/garbage.ts";

/** By then, a program has started. */
const FIRST_MS = 5_000;
const EVERY_MS = 300_000;

/** Begins to do so, at times, until disposed of. */
export function releaseMemory(): Disposable {
  const release = () => {
    collectGarbage();
    trimMemory();
  };
  let timer = setTimeout(() => {
    release();
    timer = setInterval(release, EVERY_MS);
    Deno.unrefTimer(timer);
  }, FIRST_MS);
  Deno.unrefTimer(timer);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** Where there is no glibc, there is nothing to do. */
function trimMemory(): void {
  try {
    const libc = Libc.open();
    libc.trimMemory();
    libc.unload();
  } catch {
    // Another libc has its own ways.
  }
}
