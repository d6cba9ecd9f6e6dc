/** Whether a program that was killed has left routes, DNS or its kill switch in force. */
import { splitAdvice } from "../control/advice.ts";
import { messageOf } from "../../lib/ffi/error_text.ts";
import { type LeftBehind, readLeftBehind } from "../../lib/host/journal/stale.ts";
import { type Check, checksOf } from "./check.ts";

const RESTORE_COMMAND = "sudo fluxify-client restore";

/** A line about everything that `left` holds, and what to do; null when it is nothing. */
export function leftBehindLine(left: readonly LeftBehind[]): string | null {
  if (left.length === 0) return null;
  const whats = left.map(({ owner, what }) => `${owner} is gone and left ${what}`);
  return `${whats.join("; ")}: '${RESTORE_COMMAND}' undoes that, as the next start does`;
}

/** As readLeftBehind() finds it. Only root may look. */
export async function earlierRunChecks(
  isRoot: boolean,
  read: () => Promise<readonly LeftBehind[]> = readLeftBehind,
): Promise<Check[]> {
  const { ok, warning, leftOut } = checksOf("System");
  const name = "earlier runs";
  if (!isRoot) return [leftOut(name, "what one may have left behind is shown to root: use sudo")];
  try {
    const left = await read();
    if (left.length === 0) return [ok(name, "none was killed and left anything behind")];
    return left.map(({ owner, what }) =>
      warning(name, `${owner} is gone, and still in force are ${what}`, RESTORE_COMMAND)
    );
  } catch (error) {
    const { what, advice } = splitAdvice(messageOf(error));
    return [warning(name, what, advice ?? RESTORE_COMMAND)];
  }
}
