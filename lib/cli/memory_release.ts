/**
 * Gives memory back to the system that a program no longer uses. What it needs to load and start is
 * garbage soon, but a program that has little to do allocates too little for the runtime to look for
 * it, and the allocator of libc keeps what is freed: a third of the memory of a program at rest.
 */
import { Libc } from "../ffi/libc/libc.ts";
import { collectGarbage } from "../ffi/memory/garbage.ts";

/** By then, a program has started. */
const FIRST_MS = 5_000;
const LOOK_EVERY_MS = 10_000;
const EVERY_MS = 300_000;
/** So much at once is what many clients leave behind that came together. */
const GROWN_BYTES = 24 * 1024 * 1024;

interface Parts {
  readonly residentBytes: () => number;
  readonly release: () => void;
}

/** Begins to do so, at times and when much has come together, until disposed of. */
export function releaseMemory(): Disposable {
  const releases = new MemoryReleases({
    residentBytes: () => Deno.memoryUsage().rss,
    release: () => {
      collectGarbage();
      trimMemory();
    },
  });
  let timer = setTimeout(() => {
    releases.release(performance.now());
    timer = setInterval(() => releases.look(performance.now()), LOOK_EVERY_MS);
    Deno.unrefTimer(timer);
  }, FIRST_MS);
  Deno.unrefTimer(timer);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** When memory is given back. */
export class MemoryReleases {
  readonly #parts: Parts;
  #releasedAt = -Infinity;
  #leftBytes = Infinity;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  look(now: number): void {
    const hasGrown = this.#parts.residentBytes() - this.#leftBytes >= GROWN_BYTES;
    if (hasGrown || now - this.#releasedAt >= EVERY_MS) this.release(now);
  }

  release(now: number): void {
    this.#parts.release();
    this.#releasedAt = now;
    this.#leftBytes = this.#parts.residentBytes();
  }
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
