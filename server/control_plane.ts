/** Puts the control plane together with what decides about clients. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../lib/cli/log.ts";
import type { ServerPki } from "../lib/pki/server_pki.ts";
import { CONTROL_EXCHANGE_TIMEOUT_MS } from "../lib/protocol/wire/control_message.ts";
import { type ControlServer, startControlServer } from "./control/control_server.ts";
import { revoked } from "./control/refusal.ts";
import type { Drain } from "./drain.ts";
import { logControlEvent, logShared } from "./events.ts";
import { withMapping } from "./mapping/mapping_grant.ts";
import type { MappingResponder } from "./mapping/mapping_responder.ts";
import type { ServeOptions } from "./options.ts";
import type { SessionRegistry } from "./sessions/session_registry.ts";
import type { SharedCertificates } from "./sessions/shared_certificates.ts";
import { V1Policy } from "./sessions/v1_policy.ts";
import type { ServerStore } from "./store/server_store.ts";
import type { DataStreams } from "./transport/data_streams.ts";

/** A stranger's costs 30 KB until it is over. */
const HANDSHAKES_MAX = 4096;

const log = getLogger([LOG_CATEGORY, "server"]);

interface ControlParts {
  readonly registry: SessionRegistry;
  readonly store: ServerStore;
  readonly shared: SharedCertificates;
  readonly mapping: MappingResponder | null;
  readonly streams: DataStreams;
  readonly drain: Drain;
}

export function startControlPlane(
  options: ServeOptions,
  { caPem, certPem, keyPem, revocations }: ServerPki,
  { registry, store, shared, mapping, streams, drain }: ControlParts,
): Promise<ControlServer> {
  const v1 = new V1Policy(options.acceptsV1);
  const isRevoked = (serialHex: string) =>
    revocations.isRevoked(serialHex) || store.isRevoked(serialHex);
  return startControlServer({
    port: options.controlPort,
    caPem,
    certPem,
    keyPem,
    isRevoked,
    grant: async (peer) => {
      const { commonName, serialHex, remoteAddress } = peer;
      // Who is not let in anyway is given no address in the store.
      const refusal = v1.refusal(peer) ?? registry.policy?.refusal(commonName) ??
        await store.admit(commonName);
      if (refusal !== null) return refusal;
      // The store may have taken its time.
      if (isRevoked(serialHex)) return revoked(commonName);
      const response = registry.grant(peer);
      if (response.kind === "grant" && v1.isNews(peer)) {
        log.warn(
          "{commonName} speaks v1, which has no protection against replays: bring it up to date",
          {
            commonName,
          },
        );
      }
      const found = response.kind === "grant"
        ? shared.given(commonName, remoteAddress, performance.now())
        : null;
      if (found !== null) logShared(found);
      return withMapping(response, peer, mapping);
    },
    status: () => ({ load: registry.load, isDraining: drain.isDraining }),
    log: logControlEvent,
    dataStreams: streams,
    handshakesMax: HANDSHAKES_MAX,
    exchangeTimeoutMs: CONTROL_EXCHANGE_TIMEOUT_MS,
  });
}
