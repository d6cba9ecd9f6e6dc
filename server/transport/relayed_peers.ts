/** The engine knows what comes inside TLS by an address of this machine: here it gets its own back. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { Libc } from "../../lib/ffi/libc/libc.ts";
import type { Engine, EngineEvent } from "../../lib/net/engine.ts";
import { Relay } from "../../lib/net/relay/relay.ts";
import { TLS_PEER_MARK } from "../../lib/status/server_status.ts";
import type { ServeOptions } from "../options.ts";
import { DataStreams } from "./data_streams.ts";

const log = getLogger([LOG_CATEGORY, "server"]);

/** `stack` ends them. */
export function openDataStreams(
  { port: enginePort }: Pick<ServeOptions, "port">,
  libc: Libc,
  stack: AsyncDisposableStack,
): DataStreams {
  const relay = stack.use(new Relay(libc, new URL(Deno.mainModule)));
  return new DataStreams({
    relay,
    enginePort,
    say: (line) => log.debug("{line}", { line }),
    warn: (line) => log.warn("{line}", { line }),
    nowMs: () => performance.now(),
  });
}

type Peers = Pick<DataStreams, "peerOf">;

/** The event with the client's address. */
export function nameOfPeer(event: EngineEvent, streams: Peers): EngineEvent {
  if (event.kind !== "path changed") return event;
  return { ...event, peer: streams.peerOf(event.peer) ?? event.peer };
}

/** Reports of the engine with the clients' addresses; those inside TLS say so. */
export function withPeers(engine: Engine, streams: Peers): Pick<Engine, "report" | "drops"> {
  const nameOf = (peer: string) => {
    const behind = streams.peerOf(peer);
    return behind === null ? peer : `${behind}${TLS_PEER_MARK}`;
  };
  return {
    drops: engine.drops,
    report: async () =>
      (await engine.report()).map((session) => ({
        ...session,
        paths: session.paths.map((path) => ({ ...path, peer: nameOf(path.peer) })),
      })),
  };
}
