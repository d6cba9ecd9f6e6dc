/** What a process holds, and whether it holds more and more. */
import { residentMib } from "../bench/process_usage.ts";

export interface Resources {
  /** Resident memory. */
  mib: number;
  descriptors: number;
  threads: number;
}

/** Reads /proc/PID. Throws when there is no such process. */
export function resourcesOf(pid: number): Resources {
  const threads = /^Threads:\s*(\d+)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
  if (threads === undefined) throw new Error("Cannot read the threads of a process from /proc");
  return {
    mib: residentMib(pid),
    descriptors: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
    threads: Number(threads),
  };
}

/**
 * Names what has grown between the first and the second half of `samples`: the least of each half
 * is compared, since a heap rises and falls. Needs four samples; fewer show nothing.
 */
export function growth(samples: readonly Resources[], allowed: Resources): string[] {
  if (samples.length < 4) return [];
  const middle = samples.length >> 1;
  const least = (part: readonly Resources[], key: keyof Resources) =>
    Math.min(...part.map((sample) => sample[key]));
  const keys: readonly (keyof Resources)[] = ["mib", "descriptors", "threads"];
  return keys.flatMap((key) => {
    const [before, after] = [samples.slice(0, middle), samples.slice(middle)]
      .map((part) => least(part, key)) as [number, number];
    const grown = after - before;
    return grown > allowed[key]
      ? [`${key} grew from ${before.toFixed(0)} to ${after.toFixed(0)}`]
      : [];
  });
}
