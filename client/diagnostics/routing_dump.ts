/** Routes and rules of the machine as `ip` shows them, for whoever looks into a diagnosis that failed. */
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import { messageOf } from "../../lib/ffi/error_text.ts";
import { FAMILIES } from "../../lib/host/links/address.ts";

interface RoutingDump {
  /** As it can be typed. */
  readonly command: string;
  /** What it printed, or why it did not. */
  readonly lines: readonly string[];
}

/** A machine that speaks BGP has a million routes. */
const LINES_MAX = 100;
const LINE_LENGTH_MAX = 300;
/** What the kernel makes of the machine's own addresses: as many lines as all others, and no news. */
const OF_KERNEL = /^(local|broadcast|multicast|anycast) /;

/** Of both families: the rules, then the routes of all tables. */
export async function readRouting(runner: CommandRunner): Promise<RoutingDump[]> {
  const dumps: RoutingDump[] = [];
  for (const family of FAMILIES) {
    for (const what of ["rule show", "route show table all"]) {
      const command = `ip -${family} ${what}`;
      dumps.push({ command, lines: await linesOf(runner, command) });
    }
  }
  return dumps;
}

export function routingLines(dumps: readonly RoutingDump[]): string[] {
  const shown = dumps.flatMap(({ command, lines }) => [
    `  ${command}`,
    ...(lines.length === 0 ? ["none"] : lines).map((line) => `    ${line}`),
  ]);
  return ["", "Rules and routes", ...shown];
}

async function linesOf(runner: CommandRunner, command: string): Promise<string[]> {
  try {
    const { code, stdout, stderr } = await runner.run(command.split(" "));
    const all = (code === 0 ? stdout : stderr).split("\n").map((line) => line.trim())
      .filter((line) => line !== "" && !OF_KERNEL.test(line));
    const lines = all.slice(0, LINES_MAX).map((line) => line.slice(0, LINE_LENGTH_MAX));
    return all.length > LINES_MAX ? [...lines, `... and ${all.length - LINES_MAX} more`] : lines;
  } catch (error) {
    return [messageOf(error)];
  }
}
