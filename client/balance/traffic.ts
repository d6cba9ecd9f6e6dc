/** How much each interface has carried, in total and lately. */
import * as v from "valibot";
import { type CommandRunner, runForList } from "../../lib/host/command/runner.ts";

/** Rates are those of about this long. */
const WINDOW_MS = 10_000;
const SAMPLES_MAX = 64;

export interface Bytes {
  receivedBytes: number;
  sentBytes: number;
}

export interface Rates {
  receivedBytesPerSecond: number;
  sentBytesPerSecond: number;
}

const CounterSchema = v.object({ bytes: v.number() });
const LinkSchema = v.object({
  ifname: v.string(),
  stats64: v.object({ rx: CounterSchema, tx: CounterSchema }),
});

/** The kernel's counters, by interface. Throws CommandError. */
export async function readCounters(runner: CommandRunner): Promise<Map<string, Bytes>> {
  const links = await runForList(runner, ["ip", "-j", "-s", "link", "show"], LinkSchema);
  return new Map(links.map(({ ifname, stats64: { rx, tx } }) => [
    ifname,
    { receivedBytes: rx.bytes, sentBytes: tx.bytes },
  ]));
}

/** Bytes since the first sample. A counter that starts again, with its interface, loses nothing. */
export class Traffic {
  readonly #samples: { atMs: number; totals: Bytes }[] = [];
  #counters: Bytes | null = null;
  #totals: Bytes = { receivedBytes: 0, sentBytes: 0 };

  get totals(): Bytes {
    return this.#totals;
  }

  /** Takes the counters at a time; null when the interface is not there. */
  add(atMs: number, counters: Bytes | null): void {
    if (counters !== null && this.#counters !== null) {
      this.#totals = {
        receivedBytes: this.#totals.receivedBytes +
          growth(this.#counters.receivedBytes, counters.receivedBytes),
        sentBytes: this.#totals.sentBytes + growth(this.#counters.sentBytes, counters.sentBytes),
      };
    }
    if (counters !== null) this.#counters = counters;
    this.#samples.push({ atMs, totals: this.#totals });
    // The oldest sample kept is the last one beyond the window.
    while (
      this.#samples.length > SAMPLES_MAX ||
      (this.#samples.length > 2 && this.#samples[1]!.atMs <= atMs - WINDOW_MS)
    ) this.#samples.shift();
  }

  rates(): Rates {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    const seconds = first === undefined || last === undefined ? 0 : (last.atMs - first.atMs) / 1000;
    if (seconds <= 0) return { receivedBytesPerSecond: 0, sentBytesPerSecond: 0 };
    return {
      receivedBytesPerSecond: (last!.totals.receivedBytes - first!.totals.receivedBytes) / seconds,
      sentBytesPerSecond: (last!.totals.sentBytes - first!.totals.sentBytes) / seconds,
    };
  }
}

function growth(before: number, now: number): number {
  return now >= before ? now - before : now;
}
