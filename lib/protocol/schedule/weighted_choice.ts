/**
 * Shares new flows, or packets, out among paths by weight, evenly in time (weighted deficit round
 * robin): each choice adds to every path's credit its share of the whole, and the path with the most
 * credit gets the flow and pays one. So each path is ever less than one flow ahead of its share, and
 * never more than the other paths together behind it; a run of one path is as short as the weights
 * allow.
 */
import { NO_PATH, PATH_IDS } from "../wire/path_id.ts";

/** The largest weight. */
export const WEIGHT_MAX = 1e15;

export class WeightedChoice {
  readonly #weights = new Float64Array(PATH_IDS);
  /** Flows a path is behind its share; they add up to 0. */
  readonly #credits = new Float64Array(PATH_IDS);
  /** The paths with a weight, in ascending order: the first `#count` are valid. */
  readonly #active = new Uint8Array(PATH_IDS);
  #count = 0;
  #total = 0;

  /**
   * Gives `path`, 0 to 255, a weight of 0 (never chosen) to WEIGHT_MAX, in any unit. Throws
   * RangeError for others. Shares begin anew when a path comes or goes, and go on when a weight
   * only changes.
   */
  setWeight(path: number, weight: number): void {
    if (path >>> 0 !== path || path >= PATH_IDS) {
      throw new RangeError(`Cannot weigh path ${path}: use a path from 0 to ${PATH_IDS - 1}`);
    }
    if (!(weight >= 0 && weight <= WEIGHT_MAX)) {
      throw new RangeError(`Cannot weigh path ${path} at ${weight}: use 0 to ${WEIGHT_MAX}`);
    }
    const comesOrGoes = (weight > 0) !== (this.#weights[path]! > 0);
    this.#weights[path] = weight;
    if (comesOrGoes) this.#credits.fill(0);
    this.#count = 0;
    this.#total = 0;
    for (let each = 0; each < PATH_IDS; each++) {
      if (this.#weights[each] === 0) continue;
      this.#active[this.#count++] = each;
      this.#total += this.#weights[each]!;
    }
  }

  /** Whether any path has a weight. */
  get hasAny(): boolean {
    return this.#count > 0;
  }

  /**
   * The path for the next flow, or for a packet of `cost` bytes; or NO_PATH. Of equals the lowest.
   */
  pick(cost = 1): number {
    let best = NO_PATH;
    let most = -Infinity;
    for (let index = 0; index < this.#count; index++) {
      const path = this.#active[index]!;
      const credit = this.#credits[path]! + cost * this.#weights[path]! / this.#total;
      this.#credits[path] = credit;
      if (credit > most) {
        most = credit;
        best = path;
      }
    }
    if (best !== NO_PATH) this.#credits[best]! -= cost;
    return best;
  }
}
