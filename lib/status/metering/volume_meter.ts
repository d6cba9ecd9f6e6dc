/**
 * What metered links, or clients of a server, have carried this month, from counters that begin anew
 * now and then. Of a link those are the kernel's, so that what passes while nobody looks, or while the
 * program does not run, is in it as well: a provider counts that, too. Pure: counters, month and what
 * they count from come in.
 */
import type { Bytes } from "../traffic_history.ts";

/** What has been carried since the counters began. */
interface Counters extends Bytes {
  /** Of the interface: one that was made anew counts from zero. */
  readonly index: number;
}

/** What is kept of one interface, or client. */
export interface CountedVolume {
  /** As in `2026-11`, of local time. */
  readonly month: string;
  readonly bytes: number;
  /** The counter at that moment, of which interface, since which start of what counts. */
  readonly counter: number;
  readonly index: number;
  readonly boot: string;
}

export class VolumeMeter {
  readonly #volumes: Map<string, CountedVolume>;
  readonly #boot: string;

  /**
   * @param saved by name, as last written to disk.
   * @param boot what tells one start of what counts from another: counters begin at zero with it.
   */
  constructor(saved: ReadonlyMap<string, CountedVolume>, boot: string) {
    this.#volumes = new Map(saved);
    this.#boot = boot;
  }

  /** Takes counters. What was never counted begins at none. */
  note(name: string, { index, receivedBytes, sentBytes }: Counters, month: string): void {
    const counter = receivedBytes + sentBytes;
    const before = this.#volumes.get(name);
    const goesOn = before?.boot === this.#boot && before.index === index &&
      counter >= before.counter;
    const carried = before === undefined ? 0 : goesOn ? counter - before.counter : counter;
    // What passed since the last look counts for the month in which it is seen.
    const bytes = (before?.month === month ? before.bytes : 0) + carried;
    this.#volumes.set(name, { month, bytes, counter, index, boot: this.#boot });
  }

  /** Bytes of `month`, both ways. */
  bytesOf(name: string, month: string): number {
    const volume = this.#volumes.get(name);
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
