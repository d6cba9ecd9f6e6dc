/** The clients, with when the server heard each last. */
import type { ClientSummary } from "../../lib/pki/client_registry.ts";
import { PkiError } from "../../lib/pki/pki_error.ts";
import { readLastSeen } from "../sessions/last_seen_file.ts";

export interface SeenClient extends ClientSummary {
  /** When a server heard the client last; null for never, or when it is not known. */
  readonly lastSeen: Date | null;
}

/**
 * A time goes to what the client uses now: what it had before and is revoked has none. `problem` says
 * why no times are known, or is null.
 */
export async function withLastSeen(
  directory: string,
  clients: readonly ClientSummary[],
): Promise<{ clients: SeenClient[]; problem: string | null }> {
  let seen = new Map<string, number>();
  let problem: string | null = null;
  try {
    seen = await readLastSeen(directory);
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    problem = error.message;
  }
  return {
    problem,
    clients: clients.map((client) => {
      const atMs = client.certPath === "" ? undefined : seen.get(client.name);
      return { ...client, lastSeen: atMs === undefined ? null : new Date(atMs) };
    }),
  };
}
