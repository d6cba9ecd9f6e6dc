/**
 * What metered links have carried this month. Counts what the kernel counts for the interface, so that
 * what the program carries while nobody looks, or while it does not run, is in it as well: a provider
 * counts that, too. Pure: counters, month and the machine's start come in.
 */
import type { InterfaceCounters } from "./interface_counters.ts";

/** What is kept of one interface. */
export interface CountedVolume {
  /** As in `2026-11`, of local time. */
  readonly month: string;
  readonly bytes: number;
  /** The kernel's counter at that moment, of which interface, since which start of the machine. */
  readonly counter: number;
  readonly index: number;
  readonly boot: string;
}

export class VolumeMeter {
  readonly #volumes: Map<string, CountedVolume>;
  readonly #boot: string;

  /**
   * @param saved by interface, as last written to disk.
   * @param boot what tells one start of the machine from another: counters begin at zero with it.
   */
  constructor(saved: ReadonlyMap<string, CountedVolume>, boot: string) {
    this.#volumes = new Map(saved);
    this.#boot = boot;
  }

  /** Takes the counters of an interface. One that was never counted begins at none. */
  note(
    device: string,
    { index, receivedBytes, sentBytes }: InterfaceCounters,
    month: string,
  ): void {
    const counter = receivedBytes + sentBytes;
    const before = this.#volumes.get(device);
    const goesOn = before?.boot === this.#boot && before.index === index &&
      counter >= before.counter;
    const carried = before === undefined ? 0 : goesOn ? counter - before.counter : counter;
    // What passed since the last look counts for the month in which it is seen.
    const bytes = (before?.month === month ? before.bytes : 0) + carried;
    this.#volumes.set(device, { month, bytes, counter, index, boot: this.#boot });
  }

  /** Bytes of `month`, both ways. */
  bytesOf(device: string, month: string): number {
    const volume = this.#volumes.get(device);
    return volume?.month === month ? volume.bytes : 0;
  }

  /** To be kept on disk. */
  get volumes(): ReadonlyMap<string, CountedVolume> {
    return this.#volumes;
  }
}

/** Of the machine's time zone. */
export function monthOf(date: Date): string {
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}`;
}
