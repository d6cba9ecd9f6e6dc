/**
 * Chooses the path of a flow: the one on which it has the most to expect, that is the path's weight
 * divided by the flows it would share it with (the highest averages of D'Hondt). So flows that begin
 * together are shared out by weight, and one that begins alone gets the best path, which a plain
 * round robin gives it only by chance.
 *
 * What flows will carry cannot be known when they begin, so each counts as a whole one for a moment,
 * and after that by the load it makes, as the paths' owner tells it. Downloads that are opened one
 * after the other before any of them carries much meet on one path that way. So a flow is placed
 * once more, when it has grown: among grown flows, those that are under way count, and no others.
 */
import { NO_PATH, PATH_IDS } from "../wire/path_id.ts";
import { GROWN_WINDOW_MS } from "./grown_flow.ts";

/** A grown flow moves for this much more, and not for less. */
const WORTH_MOVING = 1.1;
/** A new flow counts half after this: by then its load begins to show, or it has none. */
const HALF_LIFE_MS = 40;

export class FlowChoice {
  readonly #weights = new Float64Array(PATH_IDS);
  /** New flows, fading. */
  readonly #recent = new Float64Array(PATH_IDS);
  /** Flows that the load of the path amounts to. */
  readonly #busy = new Float64Array(PATH_IDS);
  /** The paths with a weight, in ascending order: the first `#count` are valid. */
  readonly #active = new Uint8Array(PATH_IDS);
  #count = 0;
  #pickedAt = -Infinity;
  /** Grown flows seen in the present window of GROWN_WINDOW_MS, and in the one before. */
  #grown = new Uint32Array(PATH_IDS);
  #grownBefore = new Uint32Array(PATH_IDS);
  #window = 0;

  /**
   * Gives `path`, 0 to 255, a weight of 0 (never chosen) or more, in any unit, and a load, in flows.
   * Throws RangeError for others.
   */
  set(path: number, weight: number, busy: number): void {
    if (path >>> 0 !== path || path >= PATH_IDS) {
      throw new RangeError(`Cannot weigh path ${path}: use a path from 0 to ${PATH_IDS - 1}`);
    }
    if (!(weight >= 0 && weight < Infinity && busy >= 0 && busy < Infinity)) {
      throw new RangeError(`Cannot weigh path ${path} at ${weight} and ${busy}: use 0 or more`);
    }
    const comesOrGoes = (weight > 0) !== (this.#weights[path]! > 0);
    this.#weights[path] = weight;
    this.#busy[path] = busy;
    if (comesOrGoes) this.#list();
  }

  #list(): void {
    this.#count = 0;
    for (let path = 0; path < PATH_IDS; path++) {
      if (this.#weights[path]! > 0) this.#active[this.#count++] = path;
    }
    this.#recent.fill(0);
  }

  /** The path for a flow that begins at `now` (ms), or NO_PATH. Of equals the lowest. */
  pick(now: number): number {
    const fading = 0.5 ** (Math.max(0, now - this.#pickedAt) / HALF_LIFE_MS);
    this.#pickedAt = now;
    let best = NO_PATH;
    let most = 0;
    for (let index = 0; index < this.#count; index++) {
      const path = this.#active[index]!;
      const recent = this.#recent[path]! * fading;
      this.#recent[path] = recent;
      const expected = this.#weights[path]! / (1 + recent + this.#busy[path]!);
      if (best === NO_PATH || expected > most) {
        most = expected;
        best = path;
      }
    }
    if (best !== NO_PATH) this.#recent[best]!++;
    return best;
  }

  /** A grown flow on `path` is seen for the first time in its window. */
  noteGrown(path: number, now: number): void {
    this.#turnWindow(now);
    this.#grown[path]!++;
  }

  /** Grown flows under way on `path`. */
  grownOn(path: number, now: number): number {
    this.#turnWindow(now);
    return Math.max(this.#grown[path]!, this.#grownBefore[path]!);
  }

  /** The path for a flow on `present`, which has a weight, now that it has grown. */
  place(present: number, now: number): number {
    this.#turnWindow(now);
    let best = present;
    let most = WORTH_MOVING * this.#expectedIfGrown(present);
    for (let index = 0; index < this.#count; index++) {
      const path = this.#active[index]!;
      const expected = this.#expectedIfGrown(path);
      if (path === present || expected <= most) continue;
      most = expected;
      best = path;
    }
    this.#grown[best]!++;
    return best;
  }

  #expectedIfGrown(path: number): number {
    return this.#weights[path]! / (1 + Math.max(this.#grown[path]!, this.#grownBefore[path]!));
  }

  #turnWindow(now: number): void {
    const window = Math.floor(now / GROWN_WINDOW_MS);
    if (window === this.#window) return;
    const past = this.#grownBefore;
    this.#grownBefore = this.#grown;
    this.#grown = past.fill(0);
    if (window !== this.#window + 1) this.#grownBefore.fill(0);
    this.#window = window;
  }
}
