import type { Namespace } from "../../tests/netns/namespace.ts";
import { median } from "./samples.ts";

const INTERVAL_SECONDS = 0.01;

/** Median round trip time in ms of that many pings, 10 ms apart. Throws when none came back. */
export async function medianPingMs(
  namespace: Namespace,
  address: string,
  count: number,
): Promise<number> {
  const { stdout } = await namespace.run(
    ...["ping", "-n", "-c", String(count), "-i", String(INTERVAL_SECONDS), "-W", "1", address],
  );
  return parsePingTimes(stdout);
}

/** Median of the times in ping's output, ms. */
export function parsePingTimes(text: string): number {
  const timesMs = [...text.matchAll(/ time=([\d.]+) ms/g)].map(([, time]) => Number(time));
  const middle = median(timesMs);
  if (middle === null) throw new Error("Cannot use ping's report: nothing came back");
  return middle;
}
