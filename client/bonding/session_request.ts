/**
 * Asks the server for a session over one link after the other, so that a dead link in front does not
 * keep the client from a server it could reach over another.
 */
import { VERSION } from "../../lib/cli/version.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";
import { ControlError } from "../control/control_error.ts";
import { type ClientCredentials, exchange } from "../control/exchange.ts";
import type { ServerEnd } from "./link_set.ts";

/** For all links together. */
const CONNECT_TIMEOUT_MS = 10_000;

export interface ControlTarget {
  readonly port: number;
  readonly credentials: ClientCredentials;
  /** Those of the engine. */
  readonly features: readonly string[];
  /** Whether a server is taken that speaks v1 only. */
  readonly acceptsV1: boolean;
}

/** A link, and the address of the server that it leads to. */
interface ControlWay {
  readonly device: string;
  readonly end: ServerEnd;
}

/**
 * Asks over each of `ways`, in this order; `otherwise` over whatever the system chooses when there
 * are none.
 * @throws ControlError of the last link, or the first that trying again cannot mend.
 */
export async function requestSession(
  target: ControlTarget,
  ways: readonly ControlWay[],
  otherwise: ServerEnd,
  signal: AbortSignal,
): Promise<ControlGrant> {
  const ask = (end: ServerEnd, timeoutMs: number) =>
    exchange({
      ...target,
      server: end.host,
      addresses: [end],
      clientVersion: VERSION,
      timeoutMs,
      signal,
    });
  if (ways.length === 0) return await ask(otherwise, CONNECT_TIMEOUT_MS);
  const deadline = performance.now() + CONNECT_TIMEOUT_MS;
  let failure: ControlError | null = null;
  for (const [index, { device, end }] of ways.entries()) {
    const leftMs = Math.max(1, deadline - performance.now());
    // On this machine it is reached over no link.
    if (end.routes === null) return await ask(end, leftMs);
    try {
      await end.routes.prefer(device);
    } catch (error) {
      failure = cannotPrefer(device, error);
      continue;
    }
    try {
      return await ask(end, leftMs / (ways.length - index));
    } catch (error) {
      if (!(error instanceof ControlError) || !error.retryable) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** The link may have gone since it was read, or the route not be recorded: the next one may do. */
function cannotPrefer(device: string, error: unknown): ControlError {
  const why = error instanceof Error ? error.message : String(error);
  return new ControlError("unreachable", `Cannot ask the server over ${device}: ${why}`, {
    retryable: true,
  });
}
