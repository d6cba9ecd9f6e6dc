/** What bonding gains over using the best of the links alone. */
import type { Rates } from "./traffic_history.ts";

/** 100 kbit/s: below it there may be no more than heartbeats. */
const LEAST_BYTES_PER_SECOND = 12_500;

/**
 * How much all links carry now by what the best of them does, in the direction that carries more;
 * null while that is little. Each direction may have a best link of its own.
 */
export function gainOverBest(links: readonly Rates[]): number | null {
  const directions = (["receivedBytesPerSecond", "sentBytesPerSecond"] as const).map((key) => {
    const rates = links.map((one) => one[key]);
    return { total: rates.reduce((sum, rate) => sum + rate, 0), best: Math.max(...rates) };
  });
  const [busier] = directions.sort((one, other) => other.total - one.total);
  return busier!.total < LEAST_BYTES_PER_SECOND ? null : busier!.total / busier!.best;
}
