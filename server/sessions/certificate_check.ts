/** Ends the live sessions and streams of certificates that were revoked, or ended, while the server runs. */
import { normalizeSerial } from "../../lib/pki/certificate.ts";
import type { RevocationList } from "../../lib/pki/revocation_list.ts";
import type { ServerStore } from "../store/server_store.ts";
import type { DataStreams } from "../transport/data_streams.ts";
import type { SessionRegistry } from "./session_registry.ts";

/** Certificates last for months: who is let go some seconds late has had them. */
const EXPIRY_EVERY_MS = 5_000;

interface CheckParts {
  readonly revocations: Pick<RevocationList, "poll" | "problem">;
  readonly registry: Pick<SessionRegistry, "endWhere">;
  readonly streams: Pick<DataStreams, "endWhere">;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly revoked: (name: string) => void;
  readonly expired: (name: string) => void;
  /** What keeps the list of the revoked from being read; once, until it is another problem. */
  readonly problem: (problem: string) => void;
}

/** The list, and what other servers have revoked; what is new on the list is told to them. */
export function withStore(
  list: Pick<RevocationList, "poll" | "problem">,
  store: Pick<ServerStore, "pollRevoked" | "revocationsChanged">,
): Pick<RevocationList, "poll" | "problem"> {
  return {
    poll: () => {
      const own = list.poll();
      if (own.length > 0) store.revocationsChanged();
      return [...own, ...store.pollRevoked()];
    },
    get problem() {
      return list.problem;
    },
  };
}

/**
 * To be called several times a second. Sessions are looked through when a certificate has been revoked, since
 * whose was revoked before was refused, and for those that end every five seconds.
 */
export function certificateCheck(parts: CheckParts): () => void {
  const { revocations, registry, streams } = parts;
  let problem: string | null = null;
  /** Who was looked at before may have come in since. */
  let before: readonly string[] = [];
  let expiryAt = -Infinity;
  return () => {
    const news = revocations.poll().map(({ serial }) => serial);
    const serials = new Set([...before, ...news]);
    before = news;
    if (revocations.problem !== problem) {
      problem = revocations.problem;
      if (problem !== null) parts.problem(problem);
    }
    if (serials.size > 0) {
      const isRevoked = (serialHex: string) => serials.has(normalizeSerial(serialHex));
      streams.endWhere(({ serialHex }) => isRevoked(serialHex));
      registry.endWhere(({ serialHex }) => isRevoked(serialHex)).forEach(parts.revoked);
    }
    const nowMs = parts.nowMs();
    if (Math.abs(nowMs - expiryAt) < EXPIRY_EVERY_MS) return;
    expiryAt = nowMs;
    streams.endWhere(({ notAfterMs }) => nowMs > notAfterMs);
    registry.endWhere(({ notAfterMs }) => nowMs > notAfterMs).forEach(parts.expired);
  };
}
