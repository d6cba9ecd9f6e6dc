/** Writes text to a standard stream, whoever reads it, or does so no more. */

/** `Deno.stdout` or `Deno.stderr`. */
export interface Output {
  writeSync(bytes: Uint8Array): number;
}

/** A stream that takes nothing this many times in a row is given up for that text. */
const REFUSALS_MAX = 16;

/**
 * Writes the whole text. Silent when the reader is gone, as in `cert list | head -1`: it has read
 * what it wanted.
 * @throws what the stream throws for any other reason, such as a full disk
 */
export function writeTo(stream: Output, text: string): void {
  let rest = new TextEncoder().encode(text);
  for (let refusals = 0; rest.byteLength > 0 && refusals < REFUSALS_MAX;) {
    try {
      const taken = stream.writeSync(rest);
      rest = rest.subarray(taken);
      refusals = taken === 0 ? refusals + 1 : 0;
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) return;
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      refusals++;
    }
  }
}
