/** What clients with a quota have carried this month, kept on disk so that a restart forgets nothing. */
import { join } from "node:path";
import { messageOf } from "../../lib/ffi/error_text.ts";
import { VolumeFile } from "../../lib/status/metering/volume_file.ts";
import { monthOf, VolumeMeter } from "../../lib/status/metering/volume_meter.ts";
import type { LocalUsage } from "../store/server_store.ts";

const FILE_NAME = "client-usage.json";
/** As many as the largest network has addresses for. */
const CLIENTS_MAX = 65_536;
const WRITE_MS = 10_000;

interface UsageOptions {
  /** The folder of the certificates. */
  readonly directory: string;
  readonly warn: (line: string) => void;
  /** The time of day. */
  readonly now: () => Date;
}

/** Where what clients have carried is kept, for one who only reads it. */
export function usageFile(directory: string): VolumeFile {
  return new VolumeFile({
    path: join(directory, FILE_NAME),
    entriesMax: CLIENTS_MAX,
    advice: "quotas begin anew; where that matters, lower them until the month is over",
  });
}

export class ClientUsage implements LocalUsage, AsyncDisposable {
  readonly #options: UsageOptions;
  readonly #file: VolumeFile;
  readonly #meter: VolumeMeter;
  /** Since the server began. */
  readonly #carried = new Map<string, number>();
  readonly #watchers = new Set<(name: string) => void>();
  readonly #timer: ReturnType<typeof setInterval>;
  #isWritten = true;
  #writing: Promise<void> = Promise.resolve();
  #problem: string | null = null;

  private constructor(options: UsageOptions, file: VolumeFile, meter: VolumeMeter) {
    this.#options = options;
    this.#file = file;
    this.#meter = meter;
    this.#timer = setInterval(
      () => this.#writing = this.#writing.then(() => this.#write()),
      WRITE_MS,
    );
  }

  /** A file that cannot be used is kept beside, which `warn` is told. */
  static async open(options: UsageOptions): Promise<ClientUsage> {
    const file = usageFile(options.directory);
    const month = monthOf(options.now());
    const saved = [...await file.read(options.warn)].filter(([, volume]) => volume.month === month);
    return new ClientUsage(options, file, new VolumeMeter(new Map(saved), crypto.randomUUID()));
  }

  /** A client has carried so many bytes more. */
  add(name: string, bytes: number): void {
    const month = monthOf(this.#options.now());
    const before = this.#carried.get(name) ?? 0;
    if (before === 0) this.#note(name, 0, month);
    this.#carried.set(name, before + bytes);
    this.#note(name, before + bytes, month);
    this.#isWritten = false;
    for (const told of this.#watchers) told(name);
  }

  /** Those that have carried something this month. */
  *names(): Generator<string> {
    const month = monthOf(this.#options.now());
    for (const [name, volume] of this.#meter.volumes) if (volume.month === month) yield name;
  }

  watch(carried: (name: string) => void): void {
    this.#watchers.add(carried);
  }

  /** In this month. */
  bytesOf(name: string): number {
    return this.#meter.bytesOf(name, monthOf(this.#options.now()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.#write();
  }

  #note(name: string, receivedBytes: number, month: string): void {
    this.#meter.note(name, { index: 0, receivedBytes, sentBytes: 0 }, month);
  }

  async #write(): Promise<void> {
    if (this.#isWritten) return;
    this.#isWritten = true;
    try {
      await this.#file.write(this.#meter.volumes);
      if (this.#problem !== null) this.#options.warn(`${this.#file.path} is written again`);
      this.#problem = null;
    } catch (error) {
      this.#isWritten = false;
      const problem = messageOf(error);
      if (problem !== this.#problem) {
        this.#options.warn(
          `${problem}; what clients carry is counted on, and written when it works`,
        );
      }
      this.#problem = problem;
    }
  }
}
