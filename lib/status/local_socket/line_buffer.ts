/** Lines out of the pieces in which a socket delivers them; a line has a limit. */

const LINE_FEED = 0x0a;

export class LineBuffer {
  readonly #bytes: Uint8Array;
  #lengthBytes = 0;

  /** @param lengthMax bytes of a line, without its line feed. */
  constructor(lengthMax: number) {
    this.#bytes = new Uint8Array(lengthMax);
  }

  /**
   * Takes the next piece, and gives each line that is whole, without its line feed, to `take`, which
   * must not keep it. Returns false when a line is too long: nothing after it can be understood.
   */
  push(piece: Uint8Array, take: (line: Uint8Array) => void): boolean {
    let from = 0;
    while (from < piece.length) {
      const end = piece.indexOf(LINE_FEED, from);
      const part = piece.subarray(from, end < 0 ? piece.length : end);
      if (this.#lengthBytes + part.length > this.#bytes.length) return false;
      this.#bytes.set(part, this.#lengthBytes);
      this.#lengthBytes += part.length;
      if (end < 0) return true;
      take(this.#bytes.subarray(0, this.#lengthBytes));
      this.#lengthBytes = 0;
      from = end + 1;
    }
    return true;
  }
}
