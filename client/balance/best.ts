/** Chooses the one uplink that carries everything. */

/** A better uplink must be better by both of these ... */
const GAIN_RATIO = 0.8;
const GAIN_MIN_MS = 2;
/** ... this many times in a row, so that two of a kind do not take turns. */
const TIMES_IN_A_ROW = 3;

interface Candidate {
  name: string;
  /** Null before the first answer. */
  rttMs: number | null;
}

export interface BestChoice {
  /** Null: no candidate. */
  name: string | null;
  /** Who has been better than it, and how often in a row. */
  rival: { name: string; times: number } | null;
  /** "guess" until all that were there at the choice have answered or are out. */
  basis: "guess" | "round trips";
}

export const NO_CHOICE: BestChoice = { name: null, rival: null, basis: "guess" };

/**
 * Judges the healthy uplinks after a round of probes. One that is no longer among them, or was chosen
 * before anybody had answered, is replaced at once by the one with the lowest round trip; else it takes
 * a clear and lasting advantage.
 */
export function chooseBest(present: BestChoice, healthy: readonly Candidate[]): BestChoice {
  const fastest = healthy.toSorted((a, b) => roundTrip(a) - roundTrip(b))[0];
  if (fastest === undefined) return NO_CHOICE;
  const current = healthy.find(({ name }) => name === present.name);
  const basis = healthy.every(({ rttMs }) => rttMs !== null) ? "round trips" : "guess";
  const isReplaced = current === undefined ||
    (present.basis === "guess" && basis === "round trips");
  if (isReplaced) return { name: fastest.name, rival: null, basis };
  const stays = { name: current.name, rival: null, basis: present.basis };
  if (fastest.name === current.name || !isClearlyFaster(fastest, current)) return stays;
  const times = present.rival?.name === fastest.name ? present.rival.times + 1 : 1;
  return times < TIMES_IN_A_ROW
    ? { ...stays, rival: { name: fastest.name, times } }
    : { ...stays, name: fastest.name };
}

function isClearlyFaster(one: Candidate, other: Candidate): boolean {
  return roundTrip(one) <= roundTrip(other) * GAIN_RATIO &&
    roundTrip(one) <= roundTrip(other) - GAIN_MIN_MS;
}

/** Unknown counts as far away, so that whoever has answered goes first. */
function roundTrip({ rttMs }: Candidate): number {
  return rttMs ?? Number.MAX_SAFE_INTEGER;
}
