/**
 * Finds the largest packet that one path carries, in the manner of DPLPMTUD (RFC 8899): by sending
 * probes of a size and hearing which arrive. It sends nothing itself and has no clock. Sizes are
 * bytes of the IP packet inside the tunnel; a probe is a record whose plaintext has exactly that
 * size, in a datagram that may not be fragmented.
 *
 *     searching   rounds of probes are sent, until a size arrives and 8 bytes more do not
 *     done        the size is confirmed while there is traffic, and a larger one tried at times
 *     disabled    no probe at all is answered, which says nothing of sizes; tried again later
 *
 * A search begins with the size that is wanted, alone: as a rule that is all. Then come rounds of
 * several sizes at once, first those of links as they are, then those that divide what is left. A
 * round ends when all its probes are answered or their time is up. An answer is proof. A probe
 * without an answer speaks against its size only if a smaller one of the same round was answered, so
 * that a path that is away for a while is not taken for a narrow one, and a size is given up only
 * after three such rounds, the last two with three probes of it each, so that loss is not either.
 *
 * Times are milliseconds of any origin, never backwards.
 */
import { MtuRound, ROUND_LENGTH_MAX } from "./mtu_round.ts";

/** A search ends this close below the size that does not fit. */
export const MTU_STEP_BYTES = 8;
/** Probes in one search, at most. */
export const MTU_PROBES_MAX = 128;
/**
 * A path that has become narrow loses large packets without a word, and TCP soon sends too few of
 * them to tell that from chance: so the size is asked about often while there is traffic.
 */
export const MTU_CONFIRM_EVERY_MS = 2_000;
/** PMTU_RAISE_TIMER of RFC 8899, 5.1.1. */
export const MTU_RAISE_EVERY_MS = 600_000;
/**
 * The first larger size is tried after so long, and then after twice as long each time: much loss
 * may have been taken for a limit, or an interface have been made smaller for a moment only.
 */
export const MTU_RAISE_FIRST_MS = 15_000;

/** A path that carries less is not worth searching: every host takes so much (RFC 791). */
const FLOOR_BYTES = 576;
const IP_PACKET_MAX = 65_535;
const ROUND_TRIPS_PER_TIMEOUT = 3;
const TIMEOUT_MIN_MS = 200;
const TIMEOUT_MAX_MS = 3_000;
const ROUND_TRIP_UNKNOWN_MS = 200;
/** MAX_PROBES of RFC 8899, 5.1.2, in rounds. */
const REFUSALS_MAX = 3;
const VOID_ROUNDS_MAX = 5;
const PAUSE_MIN_MS = 10_000;
/** Copies of the size that decides, once the others are known. */
const DECISIVE_COPIES = 3;

interface MtuSearchOptions {
  /** The size that is wanted; larger ones are not tried. */
  readonly ceiling: number;
  /** What a datagram on the link is longer than the packet in it. */
  readonly overheadBytes: number;
}

/** What started the search: a size nobody knows, one to be confirmed, or one that is in doubt. */
type Purpose = "find" | "confirm" | "doubt";

/** How many rounds are of the target alone. */
const LONE_ROUNDS: Record<Purpose, number> = { find: 1, confirm: 2, doubt: 0 };

type MtuSearchState = "searching" | "done" | "disabled";

export class MtuSearch {
  readonly #overheadBytes: number;
  #ceiling: number;
  #state: MtuSearchState = "searching";
  #mtu: number | null = null;
  #wasBlackhole = false;

  #purpose: Purpose = "find";
  /** The search looks no further up than this. */
  #target = 0;
  /** The largest size answered in this search; 0: none. */
  #low = 0;
  /** The smallest size that is thought not to fit. */
  #high = 0;
  /** Rounds that spoke against `#high`; Infinity: somebody said that it does not fit. */
  #refusals = 0;
  #rounds = 0;
  #voidRounds = 0;
  #probes = 0;
  /** The largest size sent since the path is this one. */
  #largestSent = 0;

  readonly #round = new MtuRound();
  #roundEndsAt = Infinity;
  #timeoutMs = TIMEOUT_MIN_MS;

  #pauseMs = PAUSE_MIN_MS;
  #resumeAt = Infinity;
  #confirmAt = Infinity;
  #raiseAt = Infinity;
  #raiseMs = MTU_RAISE_FIRST_MS;
  #hasTraffic = false;

  /** Throws RangeError for sizes that are none. */
  constructor(options: MtuSearchOptions) {
    const { ceiling, overheadBytes } = options;
    this.#overheadBytes = overheadBytes;
    checkCeiling(ceiling);
    this.#ceiling = ceiling;
    this.#begin("find", ceiling, 0);
  }

  /** The size that is wanted. */
  get ceiling(): number {
    return this.#ceiling;
  }

  /** As of the last call of any kind. */
  get state(): MtuSearchState {
    return this.#state;
  }

  /**
   * The largest size known to arrive, null until one is. Stays what it was while it is in doubt,
   * and grows during a search; final when `state` is "done".
   */
  get mtu(): number | null {
    return this.#mtu;
  }

  /** Whether `mtu` is below the ceiling and nobody said so: larger packets vanish. */
  get wasBlackhole(): boolean {
    return this.#wasBlackhole;
  }

  /**
   * The size of a probe to send now, which counts as sent; 0: none is due. Ask again until it is 0.
   * @param roundTripMs of the path, smoothed; null when it is not known.
   */
  nextProbe(now: number, roundTripMs: number | null = null): number {
    this.#startWhatIsDue(now);
    while (this.#state === "searching") {
      const size = this.#round.next();
      if (size > 0) {
        this.#probes++;
        this.#largestSent = Math.max(this.#largestSent, size);
        this.#roundEndsAt = now + this.#timeoutMs;
        return size;
      }
      if (!this.#round.isSettled && now < this.#roundEndsAt) return 0;
      this.#endRound();
      const roundTrip = roundTripMs ?? ROUND_TRIP_UNKNOWN_MS;
      this.#timeoutMs = Math.min(
        Math.max(TIMEOUT_MIN_MS, ROUND_TRIPS_PER_TIMEOUT * roundTrip),
        TIMEOUT_MAX_MS,
      );
      this.#planRound(now);
    }
    return 0;
  }

  /** The peer got a probe of this size, sent since the last reset. */
  acknowledged(size: number, now: number): void {
    if (size < FLOOR_BYTES || size > this.#largestSent || size > this.#ceiling) return;
    if (this.#state !== "searching") {
      // So late that the search gave it up: the round trip has grown, and the size fits after all.
      if (size > (this.#mtu ?? 0)) this.#begin("find", this.#ceiling, size);
      return;
    }
    this.#pauseMs = PAUSE_MIN_MS;
    this.#round.answered(size);
    this.#passed(size);
    if (this.#low >= this.#target) this.#finish(now);
  }

  /**
   * A packet of this size was refused: by the kernel (EMSGSIZE), or a router's ICMP message that
   * the kernel believed.
   */
  tooBig(limit: number): void {
    if (this.#state !== "searching") {
      if (this.#mtu === null || limit > this.#mtu) return;
      this.#begin("doubt", this.#mtu, 0);
    } else if (limit <= this.#low) {
      this.#begin("doubt", this.#target, 0);
    }
    if (limit > this.#high || this.#isSaidTooBig(limit)) return;
    this.#high = limit;
    this.#refusals = Infinity;
    this.#round.refused(limit);
  }

  /** Large packets seem to vanish: is the size still right? */
  suspectBlackhole(): void {
    if (this.#state === "done" && this.#mtu !== null) this.#begin("doubt", this.#mtu, 0);
  }

  /** A larger size is wanted from now on. It is looked for at once, and what is known stays until then. */
  raise(ceiling: number): void {
    checkCeiling(ceiling);
    if (ceiling <= this.#ceiling) return;
    this.#ceiling = ceiling;
    this.#raiseMs = MTU_RAISE_FIRST_MS;
    this.#raiseAt = -Infinity;
  }

  /** There is traffic on the path, so that its size is worth confirming. Hot. */
  trafficSeen(): void {
    this.#hasTraffic = true;
  }

  /** The path leads elsewhere: forgets the result and searches again at once. */
  reset(): void {
    this.#mtu = null;
    this.#wasBlackhole = false;
    this.#largestSent = 0;
    this.#pauseMs = PAUSE_MIN_MS;
    this.#raiseMs = MTU_RAISE_FIRST_MS;
    this.#begin("find", this.#ceiling, 0);
  }

  /** When nextProbe() may have one next; Infinity: not before something is called. May be past. */
  nextDeadline(): number {
    switch (this.#state) {
      case "searching":
        return this.#round.isSent && !this.#round.isSettled ? this.#roundEndsAt : -Infinity;
      case "done":
        return this.#hasTraffic ? Math.min(this.#confirmAt, this.#raiseAt) : this.#raiseAt;
      case "disabled":
        return this.#resumeAt;
      default:
        return this.#state satisfies never;
    }
  }

  #startWhatIsDue(now: number): void {
    if (this.#state === "disabled") {
      if (now >= this.#resumeAt) this.#begin("find", this.#ceiling, 0);
    } else if (this.#state === "done") {
      if (now >= this.#raiseAt) this.#begin("find", this.#ceiling, this.#mtu!);
      else if (this.#hasTraffic && now >= this.#confirmAt) this.#begin("confirm", this.#mtu!, 0);
    }
  }

  #begin(purpose: Purpose, target: number, low: number): void {
    this.#state = "searching";
    this.#purpose = purpose;
    this.#target = target;
    this.#low = 0;
    this.#high = target + 1;
    this.#refusals = 0;
    this.#rounds = this.#voidRounds = this.#probes = 0;
    this.#round.clear();
    if (low > 0) this.#passed(low);
  }

  #passed(size: number): void {
    if (size <= this.#low) return;
    this.#low = size;
    if (size >= this.#high) {
      this.#high = this.#target + 1;
      this.#refusals = 0;
    }
    if (this.#mtu === null || size > this.#mtu || this.#isRefuted()) this.#mtu = size;
  }

  /** Whether the size known so far was said not to fit: then any that does is better. */
  #isRefuted(): boolean {
    return this.#mtu !== null && this.#isSaidTooBig(this.#mtu);
  }

  #isSaidTooBig(size: number): boolean {
    return this.#refusals === Infinity && size >= this.#high;
  }

  #endRound(): void {
    if (!this.#round.isHeard) {
      // The first probe is alone: nothing could have spoken for the path.
      if (this.#round.length > 1) this.#voidRounds++;
      return;
    }
    this.#voidRounds = 0;
    const lost = this.#round.smallestLost(this.#low);
    if (lost === 0) return;
    this.#refusals = lost < this.#high ? 1 : this.#refusals + 1;
    this.#high = Math.min(lost, this.#high);
  }

  #planRound(now: number): void {
    if (this.#low >= this.#target) return this.#finish(now);
    if (this.#isSaidTooBig(FLOOR_BYTES)) {
      this.#mtu = null;
      return this.#pause(now);
    }
    if (this.#voidRounds >= VOID_ROUNDS_MAX) return this.#pause(now);
    if (this.#probes + ROUND_LENGTH_MAX > MTU_PROBES_MAX) {
      return this.#low > 0 ? this.#finish(now) : this.#pause(now);
    }
    const isNarrow = this.#low > 0 && this.#high - this.#low <= MTU_STEP_BYTES;
    if (isNarrow && this.#refusals >= REFUSALS_MAX) {
      return this.#finish(now);
    }

    this.#round.clear();
    const round = this.#rounds++;
    const loneRounds = LONE_ROUNDS[this.#purpose];
    if (round < loneRounds && this.#refusals === 0) return this.#round.add(this.#target);
    this.#round.add(this.#low > 0 ? this.#low : FLOOR_BYTES);
    const top = Math.min(this.#high, this.#target);
    if (isNarrow) {
      for (let i = 0; i < DECISIVE_COPIES; i++) this.#round.add(top);
      return;
    }
    const from = Math.max(this.#low, FLOOR_BYTES);
    const isWide = this.#low <= FLOOR_BYTES || round <= loneRounds;
    if (!isWide || !this.#round.addLinkSizes(from, top, this.#overheadBytes)) {
      this.#round.addDivisions(from, top, MTU_STEP_BYTES);
    }
    if (this.#high > this.#target) this.#round.add(top);
  }

  #finish(now: number): void {
    if (this.#low < this.#target) this.#wasBlackhole = this.#refusals !== Infinity;
    else if (this.#low >= this.#ceiling) this.#wasBlackhole = false;
    this.#mtu = this.#low;
    this.#state = "done";
    this.#hasTraffic = false;
    this.#confirmAt = now + MTU_CONFIRM_EVERY_MS;
    const isSame = this.#purpose !== "find" && this.#low === this.#target;
    if (this.#low >= this.#ceiling) {
      this.#raiseAt = Infinity;
      this.#raiseMs = MTU_RAISE_FIRST_MS;
    } else if (!isSame) {
      this.#raiseAt = now + this.#raiseMs;
      this.#raiseMs = Math.min(2 * this.#raiseMs, MTU_RAISE_EVERY_MS);
    }
  }

  #pause(now: number): void {
    this.#state = "disabled";
    this.#resumeAt = now + this.#pauseMs;
    this.#pauseMs = Math.min(2 * this.#pauseMs, MTU_RAISE_EVERY_MS);
  }
}

function checkCeiling(ceiling: number): void {
  if (Number.isInteger(ceiling) && ceiling >= FLOOR_BYTES && ceiling <= IP_PACKET_MAX) return;
  throw new RangeError(
    `Cannot search for an MTU of ${ceiling} bytes: use ${FLOOR_BYTES} to ${IP_PACKET_MAX}`,
  );
}
