/**
 * Asks the server for a session over one link after the other, so that a dead link in front does not
 * keep the client from a server it could reach over another.
 */
import type { ServerRoutes } from "../../lib/net/route/server_routes.ts";
import { VERSION } from "../../lib/cli/version.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";
import { ControlError } from "../control/control_error.ts";
import { type ClientCredentials, exchange } from "../control/exchange.ts";
import type { ServerAddress } from "../control/resolve_server.ts";

const FEATURES = ["x1"];
/** For all links together. */
export const CONNECT_TIMEOUT_MS = 10_000;

export interface ControlTarget {
  /** As the user named it: what the certificate must be for. */
  readonly server: string;
  readonly port: number;
  readonly address: ServerAddress;
  readonly credentials: ClientCredentials;
}

/**
 * Asks over each of `devices`, in this order; over whatever the system chooses when there are none.
 * @throws ControlError of the last link, or the first that trying again cannot mend.
 */
export async function requestSession(
  target: ControlTarget,
  routes: ServerRoutes | null,
  devices: readonly string[],
  signal: AbortSignal,
): Promise<ControlGrant> {
  const ask = (timeoutMs: number) =>
    exchange({
      ...target,
      addresses: [target.address],
      features: FEATURES,
      clientVersion: VERSION,
      timeoutMs,
      signal,
    });
  if (routes === null || devices.length === 0) return await ask(CONNECT_TIMEOUT_MS);
  const deadline = performance.now() + CONNECT_TIMEOUT_MS;
  let failure: ControlError | null = null;
  for (const [index, device] of devices.entries()) {
    const leftMs = Math.max(1, deadline - performance.now());
    await routes.prefer(device);
    try {
      return await ask(leftMs / (devices.length - index));
    } catch (error) {
      if (!(error instanceof ControlError) || !error.retryable) throw error;
      failure = error;
    }
  }
  throw failure;
}
