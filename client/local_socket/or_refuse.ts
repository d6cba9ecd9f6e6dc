/** What a flag would refuse is refused at the socket in the same words. */
import { UsageError } from "../../lib/cli/exit.ts";
import { Refusal } from "../../lib/status/local_socket/message.ts";

/** @throws Refusal for a UsageError of `action`. */
export function orRefuse(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new Refusal("bad argument", error.message);
  }
}
