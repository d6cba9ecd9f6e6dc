/** Over which links the server has never answered, so that the user is told once. */

/** A path that has waited so long for its first answer will hardly get one by itself. */
const PATIENCE_MS = 10_000;

export class FirstAnswers {
  readonly #waitingSinceMs = new Map<string, number>();
  /** Links that have been answered, or were told of. */
  readonly #settled = new Set<string>();

  /** A link has a path, which works or not. Returns whether to tell that it never did. */
  hasPath(link: string, isUp: boolean, nowMs: number): boolean {
    if (isUp) this.#settled.add(link);
    if (this.#settled.has(link)) return false;
    const sinceMs = this.#waitingSinceMs.getOrInsert(link, nowMs);
    if (nowMs - sinceMs < PATIENCE_MS) return false;
    this.#settled.add(link);
    return true;
  }

  /** A link has no path at present: what comes next is a new beginning. */
  hasNoPath(link: string): void {
    this.#waitingSinceMs.delete(link);
    this.#settled.delete(link);
  }
}
