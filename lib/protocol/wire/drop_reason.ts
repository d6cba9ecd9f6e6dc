/**
 * Why a packet or datagram went no further. A drop is a normal event: it is counted, never thrown
 * and never logged one by one.
 */
export const DROP_REASONS = [
  // a datagram from the network
  "too short",
  "too long",
  "unknown version",
  "unknown type",
  "length mismatch",
  "unknown session",
  "wrong direction",
  "unknown epoch",
  "unknown sender",
  "replayed",
  "not authentic",
  "no room for path",
  "bad gzip",
  "bad zstd",
  "bad message",
  // a repair record that cannot be true
  "bad repair",
  "late",
  "duplicate",
  // one of several of the same packet, and not the first: as it should be
  "copy",
  // a packet inside the tunnel
  "not IP",
  "foreign source",
  // what the operator of the server has prescribed for the client
  "beyond reach",
  "over rate",
  // it met congestion, and its sender knows no marks (RFC 6040)
  "congestion",
  "no session for destination",
  // the session is another thread's, which has not taken what was handed over before
  "handover full",
  "no live path",
  // held back by a scheduler, and there is no room, or its time is over
  "queue full",
  // a newer acknowledgement of TCP says all that it would have said, or TCP repeats what waits here
  // yet: as it should be
  "superseded",
  "bad offload request",
  "too big for path",
  // the ends
  "send buffer full",
  "send failed",
  "TUN refused",
] as const;

export type DropReason = typeof DROP_REASONS[number];

const INDEX = new Map<DropReason, number>(DROP_REASONS.map((reason, index) => [reason, index]));

/** Counts drops by reason in memory that another thread may read, such as a SharedArrayBuffer. */
export class DropCounters {
  static readonly BYTES = DROP_REASONS.length * 8;
  readonly #counts: Float64Array;

  /** @param counts one float64 for each of {@link DROP_REASONS}, in their order. */
  constructor(counts: Float64Array = new Float64Array(DROP_REASONS.length)) {
    if (counts.length !== DROP_REASONS.length) {
      throw new RangeError(`Cannot count drops in ${counts.length} numbers`);
    }
    this.#counts = counts;
  }

  /** Counters that count nothing, but tell what several others have counted together. */
  static sumOf(counts: readonly Float64Array[]): DropCounters {
    return new DropSums(counts.map((each) => new DropCounters(each)));
  }

  count(reason: DropReason, packets = 1): void {
    this.#counts[INDEX.get(reason)!]! += packets;
  }

  get(reason: DropReason): number {
    return this.#counts[INDEX.get(reason)!]!;
  }

  get total(): number {
    return DROP_REASONS.reduce((sum, reason) => sum + this.get(reason), 0);
  }

  /** The reasons that occurred, with their counts. */
  entries(): [DropReason, number][] {
    return DROP_REASONS.map((reason): [DropReason, number] => [reason, this.get(reason)])
      .filter(([, count]) => count > 0);
  }
}

class DropSums extends DropCounters {
  readonly #parts: readonly DropCounters[];

  constructor(parts: readonly DropCounters[]) {
    super();
    this.#parts = parts;
  }

  override get(reason: DropReason): number {
    return this.#parts.reduce((sum, part) => sum + part.get(reason), super.get(reason));
  }
}
