/**
 * Asks whether an uplink carries packets: ICMP echo requests that leave through one interface,
 * whatever the routes say, to its gateway or beyond. How often, and what the answers mean, is the
 * caller's affair; each question here ends within its time.
 */
import { type CommandRunner, MissingProgramError } from "../command/runner.ts";
import { CommandError } from "../command/runner.ts";
import { familyOf } from "./address.ts";
import { checkInterfaceName } from "./network_interface.ts";

/** What `ping` may take beyond its own limit before it is stopped. */
const SPARE_MS = 1_000;
const IPV6_LINK_LOCAL = /^fe[89ab][0-9a-f]:/i;

interface Echo {
  device: string;
  target: string;
  timeoutMs: number;
}

/**
 * Sends one echo request and returns the round trip in milliseconds, or null without an answer in
 * time. Throws MissingProgramError without `ping`.
 */
export async function sendEcho(runner: CommandRunner, echo: Echo): Promise<number | null> {
  try {
    const { code, stdout } = await runner.run(echoCommand(echo), {
      timeoutMs: echo.timeoutMs + SPARE_MS,
    });
    return code === 0 ? parseRoundTripMs(stdout) : null;
  } catch (error) {
    if (error instanceof CommandError) return null;
    throw error;
  }
}

/**
 * Asks `first`, and when it has not answered after a third of the time, all of `others`. Returns
 * the round trip of the first answer, or null. Throws MissingProgramError without `ping`.
 */
export async function sendEchoes(
  runner: CommandRunner,
  device: string,
  first: string | undefined,
  others: readonly string[],
  timeoutMs: number,
): Promise<number | null> {
  let leftMs = timeoutMs;
  if (first !== undefined) {
    const firstMs = others.length === 0 ? timeoutMs : timeoutMs / 3;
    const answer = await sendEcho(runner, { device, target: first, timeoutMs: firstMs });
    if (answer !== null) return answer;
    leftMs -= firstMs;
  }
  if (others.length === 0) return null;
  const questions = others.map((target) => sendEcho(runner, { device, target, timeoutMs: leftMs }));
  // All are awaited in the end, so that no `ping` outlives its question.
  const answers = await Promise.allSettled(questions);
  const roundTrips = answers.flatMap((answer) => {
    if (answer.status === "fulfilled") return answer.value === null ? [] : [answer.value];
    if (answer.reason instanceof MissingProgramError) throw answer.reason;
    return [];
  });
  return roundTrips.length === 0 ? null : Math.min(...roundTrips);
}

export function echoCommand({ device, target, timeoutMs }: Echo): string[] {
  const family = familyOf(target);
  const scoped = family === 6 && IPV6_LINK_LOCAL.test(target) ? `${target}%${device}` : target;
  const seconds = Math.max(timeoutMs / 1000, 0.01).toFixed(2);
  return [
    ...["ping", `-${family}`, "-n", "-q", "-c", "1", "-W", seconds],
    ...["-I", checkInterfaceName(device), scoped],
  ];
}

/** Of `ping -q`: `rtt min/avg/max/mdev = 0.045/0.045/0.045/0.000 ms`; BusyBox has three numbers. */
export function parseRoundTripMs(text: string): number | null {
  const average = /min\/avg\/max(?:\/mdev)? = [\d.]+\/([\d.]+)\//.exec(text)?.[1];
  const roundTripMs = Number(average ?? NaN);
  return Number.isFinite(roundTripMs) ? roundTripMs : null;
}
