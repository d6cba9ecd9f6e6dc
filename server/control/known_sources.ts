const SOURCES_MAX = 4096;

/**
 * Sources from which a client was let in: their handshakes have places of their own, which a flood of
 * strangers cannot take. Holds the latest 4096.
 */
export class KnownSources {
  /** The one let in longest ago first. */
  readonly #sources = new Set<string>();

  add(source: string): void {
    this.#sources.delete(source);
    this.#sources.add(source);
    if (this.#sources.size <= SOURCES_MAX) return;
    for (const oldest of this.#sources) {
      this.#sources.delete(oldest);
      return;
    }
  }

  has(source: string): boolean {
    return this.#sources.has(source);
  }
}
