/** Counts the volume of metered links while the program runs, and keeps it on disk. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { messageOf } from "../../lib/ffi/error_text.ts";
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import { VolumeFile } from "../../lib/status/metering/volume_file.ts";
import { monthOf, VolumeMeter } from "../../lib/status/metering/volume_meter.ts";
import { readCounters } from "./interface_counters.ts";
import { lookIntervalMs } from "./look_interval.ts";
import type { LinkRules } from "./link_rules.ts";

const WRITE_MS = 10_000;
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

const log = getLogger([LOG_CATEGORY, "client"]);

interface VolumeWatchParts {
  readonly runner: CommandRunner;
  readonly instance: string;
  readonly rules: LinkRules;
  /** Called after each look: rules may have changed. */
  readonly onCounted: () => void;
}

export class VolumeWatch implements AsyncDisposable {
  readonly #parts: VolumeWatchParts;
  readonly #looks = new SerialQueue();
  readonly #look = this.#looks.shared(() => this.#count());
  #meter: VolumeMeter | null = null;
  #file: VolumeFile | null = null;
  #writtenMs = -Infinity;
  /** What was last told. */
  #cannotCount = "";
  #cannotWrite = "";
  /** What was left below its cap when it was looked at last, by interface. */
  #left: ReadonlyMap<string, number> = new Map();
  #lookedMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasEnded = false;

  private constructor(parts: VolumeWatchParts) {
    this.#parts = parts;
  }

  /** Costs nothing as long as no link is metered. Resolves when the volumes of before are known. */
  static async start(parts: VolumeWatchParts): Promise<VolumeWatch> {
    const watch = new VolumeWatch(parts);
    await watch.look();
    return watch;
  }

  /** Counts now. Never fails: what cannot be counted is told once, and tried again. */
  async look(): Promise<void> {
    if (this.#parts.rules.metered.length > 0) await this.#lookNow();
    if (this.#hasEnded) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.look(), this.#intervalMs());
  }

  /** Sooner where a link is near its cap. */
  #intervalMs(): number {
    const nowMs = performance.now();
    const seconds = (nowMs - this.#lookedMs) / 1000;
    const before = this.#left;
    this.#left = this.#parts.rules.leftBytes;
    this.#lookedMs = nowMs;
    return lookIntervalMs([...this.#left].map(([device, leftBytes]) => ({
      leftBytes,
      bytesPerSecond: seconds > 0 ? ((before.get(device) ?? leftBytes) - leftBytes) / seconds : 0,
    })));
  }

  async #lookNow(): Promise<void> {
    await this.#look().then(() => this.#cannotCount = "", (error) => {
      const line = messageOf(error);
      const level = line === this.#cannotCount ? "debug" : "warn";
      this.#cannotCount = line;
      log[level](`cannot count what metered links carry, and tries again: ${line}`);
    });
  }

  async #count(): Promise<void> {
    const { runner, rules, onCounted } = this.#parts;
    const meter = this.#meter ??= await this.#open();
    const counters = await readCounters(runner);
    const month = monthOf(new Date());
    for (const device of rules.metered) {
      const counted = counters.get(device);
      if (counted !== undefined) meter.note(device, counted, month);
    }
    for (const line of rules.count(meter, month)) log.warn("{line}", { line });
    onCounted();
    if (performance.now() - this.#writtenMs >= WRITE_MS) await this.#write(meter);
  }

  async #open(): Promise<VolumeMeter> {
    const file = this.#file = await VolumeFile.open(this.#parts.instance);
    const saved = await file.read((line) => log.warn("{line}", { line }));
    return new VolumeMeter(saved, (await Deno.readTextFile(BOOT_ID)).trim());
  }

  async #write(meter: VolumeMeter): Promise<void> {
    this.#writtenMs = performance.now();
    try {
      await this.#file?.write(meter.volumes);
      this.#cannotWrite = "";
    } catch (error) {
      const line = messageOf(error);
      if (line !== this.#cannotWrite) {
        log.warn(`${line}; volumes are counted on, and written when that works again`);
      }
      this.#cannotWrite = line;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    if (this.#parts.rules.metered.length > 0) await this.#lookNow();
    await this.#looks.idle();
    if (this.#meter !== null) await this.#write(this.#meter);
  }
}
