/** The volumes on disk, in the directory of the journals, a file for each instance. */
import { join } from "node:path";
import * as v from "valibot";
import { messageOf } from "../../lib/ffi/error_text.ts";
import { StateDirectory } from "../../lib/host/journal/state_directory.ts";
import { SECRET_FILE_MODE, writeFilesAtomically } from "../../lib/pki/secure_file.ts";
import type { CountedVolume } from "./volume_meter.ts";

const FILE_BYTES_MAX = 64 * 1024;
const INTERFACES_MAX = 64;

const COUNT = v.pipe(v.number(), v.integer(), v.minValue(0));
const FILE = v.object({
  version: v.literal(1),
  volumes: v.pipe(
    v.record(
      v.pipe(v.string(), v.maxLength(64)),
      v.object({
        month: v.pipe(v.string(), v.regex(/^\d{4}-\d{2}$/)),
        bytes: COUNT,
        counter: COUNT,
        index: COUNT,
        boot: v.pipe(v.string(), v.maxLength(64)),
      }),
    ),
    v.check((volumes) => Object.keys(volumes).length <= INTERFACES_MAX),
  ),
});

export class VolumeFile {
  private constructor(readonly path: string) {}

  /** @throws JournalError when there is no directory for it. */
  static async open(instance: string): Promise<VolumeFile> {
    const directory = await StateDirectory.open();
    return new VolumeFile(join(directory.path, `volumes-${instance}.json`));
  }

  /**
   * What was counted; nothing where there is no file yet. One that cannot be used is kept as
   * `.bad`, which `warn` is told.
   */
  async read(warn: (line: string) => void): Promise<Map<string, CountedVolume>> {
    try {
      const { size } = await Deno.stat(this.path);
      if (size > FILE_BYTES_MAX) throw new Error(`it is larger than ${FILE_BYTES_MAX} bytes`);
      const { volumes } = v.parse(FILE, JSON.parse(await Deno.readTextFile(this.path)));
      return new Map(Object.entries(volumes));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new Map();
      const kept = await Deno.rename(this.path, `${this.path}.bad`)
        .then(() => `kept as ${this.path}.bad`, () => "left as it is");
      warn(
        `Cannot use ${this.path} (${messageOf(error)}): ${kept}, and volumes count from zero; if ` +
          "you know what a link has carried this month, lower its cap by that",
      );
      return new Map();
    }
  }

  /** In one step: a reader, and the next start, see the old volumes or the new ones. @throws PkiError */
  async write(volumes: ReadonlyMap<string, CountedVolume>): Promise<void> {
    const newest = [...volumes].sort(([, one], [, other]) => other.month < one.month ? -1 : 1)
      .slice(0, INTERFACES_MAX);
    const text = JSON.stringify({ version: 1, volumes: Object.fromEntries(newest) }) + "\n";
    await writeFilesAtomically([{ path: this.path, text, mode: SECRET_FILE_MODE }]);
  }
}
