/** Links so far that what is sent again comes too late, and that lose packets. */
import { INTERNET_ADDRESS, type LabLink } from "../lab/lab.ts";
import type { StreamOutcome } from "./stream.ts";
import { load, withTunnel } from "./tunnel.ts";

const LOSSY = { lossRate: 0.01 };
const FAR: readonly LabLink[] = [
  { name: "one", rateMbit: 30, rttMs: 200, up: LOSSY, down: LOSSY },
  { name: "two", rateMbit: 20, rttMs: 250, up: LOSSY, down: LOSSY },
];
const STREAM = new URL("stream.ts", import.meta.url).pathname;
const PORT = "5202";
const START_TIMEOUT_MS = 10_000;
/** Until it is known what the links lose. */
const LEARNING_SECONDS = 6;
const STREAM_SECONDS = 20;
/** Round trips are long: TCP needs its time. */
const RAMP_SECONDS = 8;
const SECONDS = 16;

/** A stream as of a call, and a download by one flow. */
async function farAndLossy(
  scheduler: string,
  engine: "native" | "portable" = "native",
): Promise<string> {
  return await withTunnel(FAR, scheduler, async ({ lab }) => {
    const program = [Deno.execPath(), "run", "-A", STREAM];
    const server = lab.internet.spawn([...program, "serve", PORT]);
    await server.waitForLine(/listening/, START_TIMEOUT_MS);
    const ask = async (seconds: number): Promise<StreamOutcome> => {
      const words = ["ask", INTERNET_ADDRESS, PORT, String(seconds)];
      const { stdout } = await lab.client.runWith({ timeoutMs: 60_000 }, ...program, ...words);
      return JSON.parse(stdout);
    };
    await ask(LEARNING_SECONDS);
    const { sent, lost, late, medianMs, worst99Ms, reordered } = await ask(STREAM_SECONDS);
    await server.stop("SIGKILL");
    const { mbit } = await load(lab, { rampSeconds: RAMP_SECONDS, seconds: SECONDS });
    const share = (count: number) => `${(100 * count / sent).toFixed(2)} %`;
    return `stream: ${share(lost)} lost, later than 50, 100, 200 ms ${
      late.map(share).join(", ")
    }, ` +
      `${reordered} out of order, median ${medianMs.toFixed(0)}, 99 % ${
        worst99Ms.toFixed(0)
      } ms; ` +
      `one CUBIC flow ${mbit.toFixed(1)} Mbit/s`;
  }, { engine });
}

/** As `SCENARIOS` has them. */
export const FAR_LINKS: Readonly<Record<string, (scheduler: string) => Promise<string>>> = {
  "far": (scheduler) => farAndLossy(scheduler),
  "far-portable": (scheduler) => farAndLossy(scheduler, "portable"),
};
