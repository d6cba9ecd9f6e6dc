/**
 * How long the queue of each link gets when it is full (bufferbloat): one link after the other is
 * filled with echoes through the tunnel, both ways, for a moment, while the round trip is measured.
 */
import { messageOf } from "../../lib/ffi/error_text.ts";
import { parseRoundTripMs } from "../../lib/host/links/echo.ts";
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import { type Check, checksOf } from "./check.ts";

const SECTION = "Queues under load";
const IDLE_ECHOES = 10;
const LOAD_SECONDS = 3;
const ECHO_EVERY_SECONDS = 0.2;
/** Of each echo of the load: it fits the least tunnel of IPv6. */
const LOAD_ECHO_BYTES = 1200;
const HEADERS_BYTES = 28;
/** So many are on the way at a time: 400 kB fill 100 Mbit/s for 30 ms, and show any longer queue. */
const LOAD_WINDOW = 330;
const COMMAND_TIMEOUT_MS = (LOAD_SECONDS + 5) * 1000;
/** A queue above this is heard in calls; RFC 8290 aims at 5 ms, good routers keep below 30. */
const QUEUE_GOOD_MS = 60;

export interface LoadTarget {
  readonly runner: CommandRunner;
  /** The device of the tunnel, and the server's address in it. */
  readonly tun: string;
  readonly server: string;
}

/** @param use makes the named link the only one of the tunnel; false when it does not answer. */
export async function* loadChecks(
  target: LoadTarget,
  names: readonly string[],
  use: (name: string) => Promise<boolean>,
): AsyncGenerator<Check> {
  const { leftOut, warning } = checksOf(SECTION);
  for (const name of names) {
    try {
      yield await use(name)
        ? judgeLoad(name, await measureLoad(target))
        : leftOut(name, "it did not answer as the only link");
    } catch (error) {
      yield warning(name, messageOf(error), "install ping of iputils: --load sends echoes with it");
    }
  }
}

/** `checks`, and behind them why no link was filled, unless one was or would have been. */
export async function* withLoadLeftOut(
  checks: AsyncIterable<Check>,
  isClientRunning: boolean,
): AsyncGenerator<Check> {
  let isTold = false;
  for await (const check of checks) {
    isTold ||= check.section === SECTION;
    yield check;
  }
  if (isTold) return;
  const { leftOut } = checksOf(SECTION);
  yield isClientRunning
    ? leftOut(
      "load",
      "a client runs, and has the session of this certificate",
      "stop the client, then 'sudo fluxify-client diag --load' fills the links",
    )
    : leftOut("load", "no data came through to the server: the lines above say what is in the way");
}

/** Fills the link that is in use. @throws Error when there is no ping that can do so. */
export async function measureLoad({ runner, tun, server }: LoadTarget): Promise<Measured> {
  const echo = async (...words: readonly string[]) => {
    const argv = ["ping", "-4", "-n", "-q", "-I", tun, ...words, server];
    const { stdout, stderr } = await runner.run(argv, { timeoutMs: COMMAND_TIMEOUT_MS });
    if (!/packets transmitted/.test(stdout)) {
      throw new Error(`ping cannot send echoes: ${stderr.trim().split("\n")[0]}`);
    }
    return stdout;
  };
  const every = String(ECHO_EVERY_SECONDS);
  const limit = String(LOAD_SECONDS);
  const idle = await echo("-i", every, "-c", String(IDLE_ECHOES), "-w", limit);
  const [load, loaded] = await Promise.all([
    echo("-f", "-l", String(LOAD_WINDOW), "-s", String(LOAD_ECHO_BYTES), "-w", limit),
    echo("-i", every, "-w", limit),
  ]);
  return {
    idleMs: parseRoundTripMs(idle),
    loadedMs: parseRoundTripMs(loaded),
    echoes: Number(/(\d+) received/.exec(load)?.[1] ?? 0),
  };
}

/** Of the load, each way. */
export function loadBitsPerSecond({ echoes }: Pick<Measured, "echoes">): number {
  return echoes * (LOAD_ECHO_BYTES + HEADERS_BYTES) * 8 / LOAD_SECONDS;
}

interface Measured {
  /** Round trips; null when no echo came back. */
  readonly idleMs: number | null;
  readonly loadedMs: number | null;
  /** Those of the load that came back. */
  readonly echoes: number;
}

export function judgeLoad(name: string, { idleMs, loadedMs, echoes }: Measured): Check {
  const { ok, warning } = checksOf(SECTION);
  if (idleMs === null) {
    return warning(name, "no echo came back through the tunnel", "let ICMP through on the server");
  }
  const rate = `${(loadBitsPerSecond({ echoes }) / 1e6).toFixed(1)} Mbit/s each way`;
  const advice = `give the router of ${name} a short queue for a full line (SQM: cake or fq_codel)`;
  if (loadedMs === null) {
    return warning(name, `${ms(idleMs)} idle, no answer at all under load (${rate})`, advice);
  }
  const queueMs = Math.max(0, loadedMs - idleMs);
  const text = `${ms(idleMs)} idle, ${ms(loadedMs)} full: a queue of ${ms(queueMs)} at ${rate}`;
  return queueMs <= QUEUE_GOOD_MS ? ok(name, text) : warning(name, text, advice);
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}
