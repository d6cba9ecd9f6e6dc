/** `-threads`: how many threads carry the data plane. */
import { Option } from "@commander-js/extra-typings";
import { UsageError } from "../lib/cli/exit.ts";
import { parseInteger } from "../lib/cli/integer.ts";
import { GROUPS } from "../lib/cli/tunnel_options.ts";

/** More share one TUN device and one port with less and less to gain. */
const THREADS_MAX = 8;
/** The other one is for the kernel's part of the work, and the control plane. */
const CORES_PER_THREAD = 2;

export type ThreadChoice = number | "auto";

export const threadsOption = () =>
  new Option(
    "--threads <count>",
    `engine threads, 1 to ${THREADS_MAX}; auto: one per two cores`,
  ).helpGroup(GROUPS.tuning).default(1 as ThreadChoice, "1").argParser(parseThreads);

function parseThreads(text: string): ThreadChoice {
  if (text.toLowerCase() === "auto") return "auto";
  const count = parseInteger(text);
  if (count !== null && count >= 1 && count <= THREADS_MAX) return count;
  throw new UsageError(`-threads must be auto or 1 to ${THREADS_MAX}, not '${text}'`);
}

/** @param cores that this program may use. */
export function threadsFor(choice: ThreadChoice, cores: number): number {
  if (choice !== "auto") return choice;
  return Math.min(THREADS_MAX, Math.max(1, Math.floor(cores / CORES_PER_THREAD)));
}
