/** Lines of UTF-8 text from a connection, each of a bounded length. */

const CHUNK_BYTES = 16 * 1024;
const LINE_FEED = 0x0a;

export class LineTooLongError extends Error {
  override readonly name = "LineTooLongError";
  constructor(bytesMax: number) {
    super(`A line may have ${bytesMax} bytes at most`);
  }
}

interface Source {
  read(into: Uint8Array): Promise<number | null>;
}

export class LineReader {
  readonly #source: Source;
  readonly #bytesMax: number;
  #kept = new Uint8Array(0);

  constructor(source: Source, bytesMax: number) {
    this.#source = source;
    this.#bytesMax = bytesMax;
  }

  /**
   * The next line without its line feed; null at the end. What stands after the last line feed is
   * no line. @throws LineTooLongError.
   */
  async next(): Promise<string | null> {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      const end = this.#kept.indexOf(LINE_FEED);
      if (end > this.#bytesMax || (end === -1 && this.#kept.byteLength > this.#bytesMax)) {
        throw new LineTooLongError(this.#bytesMax);
      }
      if (end !== -1) {
        const line = new TextDecoder().decode(this.#kept.subarray(0, end));
        this.#kept = this.#kept.slice(end + 1);
        return line;
      }
      const length = await this.#source.read(chunk);
      if (length === null) return null;
      const joined = new Uint8Array(this.#kept.byteLength + length);
      joined.set(this.#kept);
      joined.set(chunk.subarray(0, length), this.#kept.byteLength);
      this.#kept = joined;
    }
  }
}
