/** Inflates what a v1 peer has compressed (RFC 1952), and no more of it than a packet may have. */

/** Deflate makes at most some 1000 bytes of one, so this bounds what a step can take of memory. */
const SLICE_BYTES = 256;

/** The text, or null when it would be longer than `bytesMax` or the stream is bad. Never rejects. */
export async function gunzip(
  compressed: Uint8Array,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const stream = new DecompressionStream("gzip");
  const reader = stream.readable.getReader();
  const fed = feed(stream.writable.getWriter(), compressed);
  const text = new Uint8Array(bytesMax);
  let length = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return text.subarray(0, length);
      if (length + value.length > bytesMax) return null;
      text.set(value, length);
      length += value.length;
    }
  } catch {
    return null;
  } finally {
    // Ends the feeding too, when it is under way still.
    await reader.cancel().catch(() => {});
    await fed;
  }
}

async function feed(
  writer: WritableStreamDefaultWriter<BufferSource>,
  compressed: Uint8Array,
): Promise<void> {
  try {
    for (let at = 0; at < compressed.length; at += SLICE_BYTES) {
      await writer.write(compressed.slice(at, at + SLICE_BYTES));
    }
    await writer.close();
  } catch {
    // The reader has been told, or has had enough.
  }
}
