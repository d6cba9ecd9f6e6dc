/** What each link has carried, in total, now, and in each second of the last minute. */

export interface Bytes {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export interface Rates {
  readonly receivedBytesPerSecond: number;
  readonly sentBytesPerSecond: number;
}

export interface Traffic extends Bytes, Rates {
  /** Bytes per second in both directions, of each of the last 60 seconds, the oldest first. */
  readonly lastMinute: readonly number[];
}

const SECONDS = 60;
const RATE_WINDOW_MS = 2_000;
/** Two a second for a minute, and one beyond it. */
const SAMPLES_MAX = 128;

interface Sample {
  readonly atMs: number;
  readonly totals: Bytes;
}

interface HistoryOptions {
  /** Rates are those of about this long; 2 s unless told. */
  readonly windowMs?: number;
  /**
   * Whether the first counters of a link are bytes that it has carried for us, or, as those of an
   * interface, what the count begins at.
   */
  readonly firstCounters?: "count" | "are the zero";
  /** How many samples of a link are kept: the minute needs 128, rates alone need 3. */
  readonly samplesMax?: number;
}

/** Of what has carried nothing yet. */
export const NO_TRAFFIC: Traffic = {
  ...{ receivedBytes: 0, sentBytes: 0 },
  ...{ receivedBytesPerSecond: 0, sentBytesPerSecond: 0, lastMinute: [] },
};

/**
 * Takes counters that may start again, and keeps about a minute of them per link, at most 128
 * samples. Has no clock: times are milliseconds of any origin, never backwards.
 */
export class TrafficHistory {
  readonly #links = new Map<string, { counters: Bytes | null; samples: Sample[] }>();
  readonly #options: Required<HistoryOptions>;

  constructor(options: HistoryOptions = {}) {
    this.#options = {
      windowMs: RATE_WINDOW_MS,
      firstCounters: "count",
      samplesMax: SAMPLES_MAX,
      ...options,
    };
  }

  /** Forgets links that are not among `names`. */
  keepOnly(names: Iterable<string>): void {
    const kept = new Set(names);
    for (const name of this.#links.keys()) if (!kept.has(name)) this.#links.delete(name);
  }

  /** Takes the counters of one link; null when it has none at the moment. */
  add(name: string, atMs: number, counters: Bytes | null): void {
    const { samplesMax, firstCounters } = this.#options;
    let link = this.#links.get(name);
    if (link === undefined) this.#links.set(name, link = { counters: null, samples: [] });
    const before = link.samples.at(-1)?.totals ?? { receivedBytes: 0, sentBytes: 0 };
    const zero = firstCounters === "count" ? { receivedBytes: 0, sentBytes: 0 } : counters;
    const since = link.counters ?? zero;
    const totals = counters === null || since === null ? before : {
      receivedBytes: before.receivedBytes + growth(since.receivedBytes, counters.receivedBytes),
      sentBytes: before.sentBytes + growth(since.sentBytes, counters.sentBytes),
    };
    if (counters !== null) link.counters = counters;
    const { samples } = link;
    if (samples.at(-1)?.atMs === atMs) samples.pop();
    samples.push({ atMs, totals });
    while (
      samples.length > samplesMax ||
      (samples.length > 2 && samples[1]!.atMs <= atMs - SECONDS * 1000)
    ) samples.shift();
  }

  of(name: string): Traffic {
    const samples = this.#links.get(name)?.samples ?? [];
    const last = samples.at(-1);
    if (last === undefined) return NO_TRAFFIC;
    const { windowMs } = this.#options;
    const since = samples.findLast(({ atMs }) => atMs <= last.atMs - windowMs) ?? samples[0]!;
    const seconds = (last.atMs - since.atMs) / 1000;
    const rate = (key: keyof Bytes) =>
      seconds <= 0 ? 0 : (last.totals[key] - since.totals[key]) / seconds;
    return {
      ...last.totals,
      receivedBytesPerSecond: rate("receivedBytes"),
      sentBytesPerSecond: rate("sentBytes"),
      lastMinute: perSecond(samples),
    };
  }
}

/** Only whole seconds that were sampled, at most a minute of them. */
function perSecond(samples: readonly Sample[]): number[] {
  const [first, last] = [samples[0]!, samples.at(-1)!];
  const seconds = Math.min(SECONDS, Math.floor((last.atMs - first.atMs) / 1000));
  const rates: number[] = [];
  let before = bytesAt(samples, last.atMs - seconds * 1000);
  for (let second = seconds - 1; second >= 0; second--) {
    const now = bytesAt(samples, last.atMs - second * 1000);
    rates.push(now - before);
    before = now;
  }
  return rates;
}

/** Between two samples as much is taken to have flowed at any time. */
function bytesAt(samples: readonly Sample[], atMs: number): number {
  const index = samples.findLastIndex((sample) => sample.atMs <= atMs);
  const before = samples[Math.max(0, index)]!;
  const after = samples[index + 1] ?? before;
  const spanMs = after.atMs - before.atMs;
  const part = spanMs <= 0 ? 0 : Math.min(1, Math.max(0, atMs - before.atMs) / spanMs);
  return bytesOf(before) + part * (bytesOf(after) - bytesOf(before));
}

function bytesOf({ totals }: Sample): number {
  return totals.receivedBytes + totals.sentBytes;
}

function growth(before: number, now: number): number {
  return now >= before ? now - before : now;
}
