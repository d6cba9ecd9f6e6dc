/** The volumes on disk. */
import { join } from "node:path";
import * as v from "valibot";
import { messageOf } from "../../ffi/error_text.ts";
import { StateDirectory } from "../../host/journal/state_directory.ts";
import { PkiError } from "../../pki/pki_error.ts";
import { readBounded, SECRET_FILE_MODE, writeFilesAtomically } from "../../pki/secure_file.ts";
import type { CountedVolume } from "./volume_meter.ts";

/** Bytes of a line of the file, with the longest name. */
const ENTRY_BYTES_MAX = 1024;
const INTERFACES_MAX = 64;
const NAME_LENGTH_MAX = 256;

const COUNT = v.pipe(v.number(), v.integer(), v.minValue(0));
const FILE = v.object({
  version: v.literal(1),
  volumes: v.record(
    v.pipe(v.string(), v.maxLength(NAME_LENGTH_MAX)),
    v.object({
      month: v.pipe(v.string(), v.regex(/^\d{4}-\d{2}$/)),
      bytes: COUNT,
      counter: COUNT,
      index: COUNT,
      boot: v.pipe(v.string(), v.maxLength(64)),
    }),
  ),
});

interface VolumeFileOptions {
  readonly path: string;
  /** Those of the newest months, should there be more. */
  readonly entriesMax: number;
  /** What to do when what was counted is lost. */
  readonly advice: string;
}

export class VolumeFile {
  readonly path: string;
  readonly #options: VolumeFileOptions;

  constructor(options: VolumeFileOptions) {
    this.path = options.path;
    this.#options = options;
  }

  /**
   * Of metered links: in the directory of the journals, a file for each instance.
   * @throws JournalError when there is no directory for it.
   */
  static async open(instance: string): Promise<VolumeFile> {
    const directory = await StateDirectory.open();
    return new VolumeFile({
      path: join(directory.path, `volumes-${instance}.json`),
      entriesMax: INTERFACES_MAX,
      advice: "if you know what a link has carried this month, lower its cap by that",
    });
  }

  /**
   * What was counted; nothing where there is no file yet. One that cannot be used is kept as
   * `.bad`, which `warn` is told.
   */
  async read(warn: (line: string) => void): Promise<Map<string, CountedVolume>> {
    try {
      return await this.#read();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new Map();
      const kept = await Deno.rename(this.path, `${this.path}.bad`)
        .then(() => `kept as ${this.path}.bad`, () => "left as it is");
      warn(
        `Cannot use ${this.path} (${messageOf(error)}): ${kept}, and volumes count from zero; ` +
          this.#options.advice,
      );
      return new Map();
    }
  }

  /** As `read`, for one who leaves the file as it is. @throws PkiError when it cannot be used. */
  async peek(): Promise<Map<string, CountedVolume>> {
    try {
      return await this.#read();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new Map();
      const message = `Cannot tell what has been carried: ${this.path} is damaged or cannot be ` +
        `read (${messageOf(error)}); whoever counts says what becomes of it`;
      throw new PkiError("damaged", this.path, message);
    }
  }

  async #read(): Promise<Map<string, CountedVolume>> {
    const bytesMax = this.#options.entriesMax * ENTRY_BYTES_MAX;
    const text = await readBounded(this.path, bytesMax);
    if (text === null) throw new Error(`it is larger than ${bytesMax} bytes`);
    const { volumes } = v.parse(FILE, JSON.parse(text));
    return new Map(Object.entries(volumes));
  }

  /** In one step: a reader, and the next start, see the old volumes or the new ones. @throws PkiError */
  async write(volumes: ReadonlyMap<string, CountedVolume>): Promise<void> {
    const newest = [...volumes].sort(([, one], [, other]) => other.month < one.month ? -1 : 1)
      .slice(0, this.#options.entriesMax);
    const text = JSON.stringify({ version: 1, volumes: Object.fromEntries(newest) }) + "\n";
    await writeFilesAtomically([{ path: this.path, text, mode: SECRET_FILE_MODE }]);
  }
}
