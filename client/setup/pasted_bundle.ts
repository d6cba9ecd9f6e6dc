/** A bundle that is pasted into the terminal. It holds a key, so the terminal does not show it. */

/** A bundle has a few thousand characters. */
const LENGTH_MAX = 64 * 1024;
const BLOCK_END = /-----END ([A-Z ]+)-----/g;
/** An empty line behind the last block. */
const END = /-----END [A-Z ]+-----\s*\n\s*\n$/;
/** Ctrl-D, which ends input. */
const END_OF_TRANSMISSION = "\x04";

/**
 * Lines from the terminal up to an empty one behind the last PEM block, or to Ctrl-D. `print` is told
 * of each block that has come, by its label alone. @throws AbortError
 */
export async function readPasted(
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const { promise: left, reject } = Promise.withResolvers<never>();
  left.catch(() => {}); // it may come when all is read
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  // Without echo; Ctrl-C is a signal as before.
  Deno.stdin.setRaw(true, { cbreak: true });
  try {
    return await readTo(left, print);
  } finally {
    Deno.stdin.setRaw(false);
  }
}

async function readTo(left: Promise<never>, print: (line: string) => void): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let text = "";
  let told = 0;
  while (text.length < LENGTH_MAX) {
    // A terminal that nobody types on would be read for ever.
    const length = await Promise.race([Deno.stdin.read(buffer), left]);
    if (length === null) break;
    text += decoder.decode(buffer.subarray(0, length), { stream: true }).replaceAll("\r", "\n");
    const blocks = [...text.matchAll(BLOCK_END)];
    for (const [, label] of blocks.slice(told)) print(`  read: ${label!.toLowerCase()}`);
    told = blocks.length;
    if (END.test(text) || text.endsWith(END_OF_TRANSMISSION)) break;
  }
  return text.replace(END_OF_TRANSMISSION, "").trim() + "\n";
}
