/** The clients, with when the server heard each last. */
import type { ClientSummary } from "../../lib/pki/client_registry.ts";
import { PkiError } from "../../lib/pki/pki_error.ts";
import { readLastSeen, type SeenAt } from "../sessions/last_seen_file.ts";

export interface SeenClient extends ClientSummary {
  /** When a server heard the client last; null for never, or when it is not known. */
  readonly lastSeen: Date | null;
}

/** With the times of `directory`. `problem` says why no times are known, or is null. */
export async function withLastSeen(
  directory: string,
  clients: readonly ClientSummary[],
): Promise<{ clients: SeenClient[]; problem: string | null }> {
  let seen: SeenAt = new Map();
  let problem: string | null = null;
  try {
    seen = await readLastSeen(directory);
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    problem = error.message;
  }
  return { problem, clients: clientsSeen(clients, seen) };
}

/** The time of a name goes to the certificate that was in use then, never to one made later. */
export function clientsSeen(clients: readonly ClientSummary[], seen: SeenAt): SeenClient[] {
  const holders = new Map<ClientSummary, number>();
  for (const [name, atMs] of seen) {
    for (const holder of holdersAt(clients.filter((client) => client.name === name), atMs)) {
      holders.set(holder, atMs);
    }
  }
  return clients.map((client) => {
    const atMs = holders.get(client);
    return { ...client, lastSeen: atMs === undefined ? null : new Date(atMs) };
  });
}

/** Those with a file that were there then; else, of the revoked, the first to end after it. */
function holdersAt(named: readonly ClientSummary[], atMs: number): ClientSummary[] {
  const there = named.filter(({ createdAt }) => createdAt !== null && createdAt.getTime() <= atMs);
  if (there.length > 0) return there;
  const revoked = named.filter(({ certPath }) => certPath === "")
    .sort((one, other) => endOf(one) - endOf(other));
  // A session outlives the revocation by a second or two.
  const holder = revoked.find((client) => endOf(client) >= atMs) ?? revoked.at(-1);
  return holder === undefined ? [] : [holder];
}

function endOf({ revokedAt }: ClientSummary): number {
  return revokedAt?.getTime() ?? -Infinity;
}
