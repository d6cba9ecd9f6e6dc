/** What links carried when they were last in use, on disk, in the directory of the journals. */
import { join } from "node:path";
import * as v from "valibot";
import { StateDirectory } from "../../lib/host/journal/state_directory.ts";
import { SECRET_FILE_MODE, writeFilesAtomically } from "../../lib/pki/secure_file.ts";
import { PATH_RATE_MAX, PATH_RATE_MIN } from "../../lib/protocol/wire/path_rule.ts";

const FILE_BYTES_MAX = 64 * 1024;
/** The oldest go first: a laptop sees many networks. */
export const PLACES_MAX = 64;
const PLACE_LENGTH_MAX = 256;

/** Bytes a second of datagrams; null: nothing was learned. */
export interface PlaceRates {
  readonly send: number | null;
  readonly receive: number | null;
  /** When that was learned, in ms since 1970. */
  readonly at: number;
}

const RATE = v.nullable(v.pipe(v.number(), v.minValue(PATH_RATE_MIN), v.maxValue(PATH_RATE_MAX)));
const FILE = v.object({
  version: v.literal(1),
  places: v.pipe(
    v.record(
      v.pipe(v.string(), v.maxLength(PLACE_LENGTH_MAX)),
      v.object({ send: RATE, receive: RATE, at: v.pipe(v.number(), v.minValue(0)) }),
    ),
    v.check((places) => Object.keys(places).length <= PLACES_MAX),
  ),
});

export class RateFile {
  private constructor(readonly path: string) {}

  /** @throws JournalError when there is no directory for it. */
  static async open(instance: string): Promise<RateFile> {
    const directory = await StateDirectory.open();
    return new RateFile(join(directory.path, `rates-${instance}.json`));
  }

  /** By place; nothing where there is no file, or none that can be used: it is written anew. */
  async read(): Promise<Map<string, PlaceRates>> {
    try {
      const { size } = await Deno.stat(this.path);
      if (size > FILE_BYTES_MAX) return new Map();
      const { places } = v.parse(FILE, JSON.parse(await Deno.readTextFile(this.path)));
      return new Map(Object.entries(places));
    } catch {
      return new Map();
    }
  }

  /** In one step. @throws PkiError */
  async write(places: ReadonlyMap<string, PlaceRates>): Promise<void> {
    const text = JSON.stringify({ version: 1, places: Object.fromEntries(places) }) + "\n";
    await writeFilesAtomically([{ path: this.path, text, mode: SECRET_FILE_MODE }]);
  }
}
