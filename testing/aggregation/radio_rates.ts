/** Rates of a link like that of a phone that moves: a walk between 1 and 60 Mbit/s, around 20. */

/** One of them holds for so long, ms. */
export const RADIO_STEP_MS = 100;

const MEAN = Math.log(20);
const STEP = 0.35;
const PULL = 0.02;

/** The next rates, Mbit/s. The same seed gives the same ones. */
export function* radioRates(seed: number): Generator<number, never> {
  let state = seed * 7919;
  let level = MEAN;
  for (;;) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    level += STEP * (state / 2 ** 31 - 1) + PULL * (MEAN - level);
    yield Math.min(60, Math.max(1, Math.exp(level)));
  }
}
