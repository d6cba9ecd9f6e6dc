/**
 * What each link was learned to carry, by interface and gateway: the same modem behind another
 * interface, or another network on the same one, is another place. The next start begins with it.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { messageOf } from "../../lib/ffi/error_text.ts";
import { PATH_RATE_MAX, PATH_RATE_MIN, type PathRule } from "../../lib/protocol/wire/path_rule.ts";
import { type PlaceRates, PLACES_MAX, RateFile } from "./rate_file.ts";

const WRITE_MS = 60_000;
/** A contract or a cell may have changed since. */
const KEPT_MS = 30 * 24 * 3600 * 1000;

const log = getLogger([LOG_CATEGORY, "client"]);

export class LearnedRates implements AsyncDisposable {
  readonly #places: Map<string, PlaceRates>;
  /** By link, the place it leads through. */
  readonly #placeOf = new Map<string, string>();
  readonly #file: Pick<RateFile, "write"> | null;
  #isWritten = true;
  #writtenAt = -Infinity;
  #writing: Promise<void> = Promise.resolve();
  #told = "";

  /** @param file null: nothing is kept. */
  constructor(places: ReadonlyMap<string, PlaceRates>, file: Pick<RateFile, "write"> | null) {
    this.#places = new Map(places);
    this.#file = file;
  }

  /** Never fails: without a file, every start finds the rates out anew. */
  static async open(instance: string): Promise<LearnedRates> {
    try {
      const file = await RateFile.open(instance);
      return new LearnedRates(await file.read(), file);
    } catch (error) {
      log.debug("what links carry is not remembered: {why}", { why: messageOf(error) });
      return new LearnedRates(new Map(), null);
    }
  }

  /** A link begins to lead through a place: its rule with what is remembered. `now` in ms since 1970. */
  startOf(link: string, place: string, rule: PathRule, now: number): PathRule {
    this.#placeOf.set(link, place);
    const known = this.#places.get(place);
    if (known === undefined || now - known.at > KEPT_MS) return rule;
    return {
      ...rule,
      ...known.send === null ? {} : { sendStart: known.send },
      ...known.receive === null ? {} : { receiveStart: known.receive },
    };
  }

  /** The path of a link is believed to carry so much, in bytes a second; null: not known. */
  note(link: string, send: number | null, receive: number | null, now: number): void {
    const place = this.#placeOf.get(link);
    if (place === undefined || send === null && receive === null) return;
    const before = this.#places.get(place);
    // Last in the map: the newest.
    this.#places.delete(place);
    this.#places.set(place, {
      send: bounded(send) ?? before?.send ?? null,
      receive: bounded(receive) ?? before?.receive ?? null,
      at: now,
    });
    for (const oldest of this.#places.keys()) {
      if (this.#places.size <= PLACES_MAX) break;
      this.#places.delete(oldest);
    }
    this.#isWritten = false;
  }

  /** Writes what is new, now and then. */
  keep(now: number): void {
    if (this.#isWritten || now - this.#writtenAt < WRITE_MS) return;
    this.#writtenAt = now;
    this.#write();
  }

  #write(): void {
    const file = this.#file;
    if (this.#isWritten || file === null) return;
    this.#isWritten = true;
    this.#writing = this.#writing.then(() => file.write(this.#places)).catch((error) => {
      this.#isWritten = false;
      const why = messageOf(error);
      if (why !== this.#told) log.warn("cannot keep what links carry: {why}", { why });
      this.#told = why;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#write();
    await this.#writing;
  }
}

function bounded(rate: number | null): number | null {
  if (rate === null || !Number.isFinite(rate)) return null;
  return Math.min(PATH_RATE_MAX, Math.max(PATH_RATE_MIN, rate));
}
