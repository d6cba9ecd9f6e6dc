/**
 * The probes that a search for a path's MTU has in flight at once, in ascending order of their
 * sizes, and what became of each. Holds at most ROUND_LENGTH_MAX; more are not taken.
 */
export const ROUND_LENGTH_MAX = 12;

/** Ethernet, PPPoE, IPv6 in IPv4, GRE, and what mobile networks and other tunnels leave. */
const LINK_MTUS = [1280, 1400, 1420, 1460, 1472, 1480, 1492, 1500];
/** Sizes that divide what is left. */
const DIVISIONS = 4;

export class MtuRound {
  readonly #sizes = new Int32Array(ROUND_LENGTH_MAX);
  /** Answered, or refused: either way not waited for. */
  readonly #isSettled = new Uint8Array(ROUND_LENGTH_MAX);
  #length = 0;
  #sent = 0;
  #isHeard = false;

  get length(): number {
    return this.#length;
  }

  get isSent(): boolean {
    return this.#sent === this.#length;
  }

  /** Whether one of its probes was answered, so that the path carries something. */
  get isHeard(): boolean {
    return this.#isHeard;
  }

  get isSettled(): boolean {
    for (let i = 0; i < this.#length; i++) if (this.#isSettled[i] === 0) return false;
    return true;
  }

  clear(): void {
    this.#length = this.#sent = 0;
    this.#isHeard = false;
    this.#isSettled.fill(0);
  }

  add(size: number): void {
    if (this.#length < ROUND_LENGTH_MAX) this.#sizes[this.#length++] = size;
  }

  /** Adds what links as they are carry, between two sizes. False: there is none. */
  addLinkSizes(from: number, to: number, overheadBytes: number): boolean {
    const before = this.#length;
    for (const mtu of LINK_MTUS) {
      const size = mtu - overheadBytes;
      if (size > from && size < to) this.add(size);
    }
    return this.#length > before;
  }

  /** Adds a size one `step` up, which ends a search that has the right one, and some farther up. */
  addDivisions(from: number, to: number, step: number): void {
    const stride = Math.max(step, Math.ceil((to - from) / (DIVISIONS + 1)));
    if (from + step < to) this.add(from + step);
    for (let i = 1; i <= DIVISIONS; i++) {
      const size = from + i * stride;
      if (size > from + step && size < to) this.add(size);
    }
  }

  /** The next size to send, which counts as sent; 0: there is none. */
  next(): number {
    while (this.#sent < this.#length) {
      const i = this.#sent++;
      if (this.#isSettled[i] === 0) return this.#sizes[i]!;
    }
    return 0;
  }

  /** A probe of `size` arrived; smaller ones would have, too. */
  answered(size: number): void {
    for (let i = 0; i < this.#sent; i++) {
      if (this.#sizes[i] === size) this.#isHeard = true;
      if (this.#sizes[i]! <= size) this.#isSettled[i] = 1;
    }
  }

  /** Probes of `limit` and more do not fit; those that have not been sent need not be. */
  refused(limit: number): void {
    for (let i = 0; i < this.#length; i++) if (this.#sizes[i]! >= limit) this.#isSettled[i] = 1;
  }

  /** The smallest size above `size` that was neither answered nor refused; 0: there is none. */
  smallestLost(size: number): number {
    for (let i = 0; i < this.#length; i++) {
      if (this.#isSettled[i] === 0 && this.#sizes[i]! > size) return this.#sizes[i]!;
    }
    return 0;
  }
}
