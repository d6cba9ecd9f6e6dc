/** Chooses the one uplink that carries everything. */

/** A better uplink must be better by both of these ... */
const GAIN_RATIO = 0.8;
const GAIN_MIN_MS = 2;
/** ... this many times in a row, so that two of a kind do not take turns. */
const TIMES_IN_A_ROW = 3;

export interface Candidate {
  name: string;
  /** Null before the first answer. */
  rttMs: number | null;
}

export interface BestChoice {
  /** Null: no candidate. */
  name: string | null;
  /** Who has been better than it, and how often in a row. */
  rival: { name: string; times: number } | null;
}

export const NO_CHOICE: BestChoice = { name: null, rival: null };

/**
 * Judges the healthy uplinks after a round of probes. One that is no longer among them is replaced
 * at once, by the one with the lowest round trip; else it takes a clear and lasting advantage.
 */
export function chooseBest(present: BestChoice, healthy: readonly Candidate[]): BestChoice {
  const fastest = healthy.toSorted((a, b) => roundTrip(a) - roundTrip(b))[0];
  if (fastest === undefined) return NO_CHOICE;
  const current = healthy.find(({ name }) => name === present.name);
  if (current === undefined) return { name: fastest.name, rival: null };
  if (fastest.name === current.name || !isClearlyFaster(fastest, current)) {
    return { name: current.name, rival: null };
  }
  const times = present.rival?.name === fastest.name ? present.rival.times + 1 : 1;
  return times < TIMES_IN_A_ROW
    ? { name: current.name, rival: { name: fastest.name, times } }
    : { name: fastest.name, rival: null };
}

function isClearlyFaster(one: Candidate, other: Candidate): boolean {
  return roundTrip(one) <= roundTrip(other) * GAIN_RATIO &&
    roundTrip(one) <= roundTrip(other) - GAIN_MIN_MS;
}

/** Unknown counts as far away, so that whoever has answered goes first. */
function roundTrip({ rttMs }: Candidate): number {
  return rttMs ?? Number.MAX_SAFE_INTEGER;
}
