/** Who may look at a running server: the local socket and, where they are wanted, metrics. */
import type { RecentLog } from "../lib/cli/log_lines.ts";
import type { Engine } from "../lib/net/engine.ts";
import { dropCounts } from "../lib/status/bond_status.ts";
import { ServerMonitor } from "../lib/status/server_status.ts";
import type { ClientPolicy } from "./clients/client_policy.ts";
import type { SettingsStore } from "./clients/settings_store.ts";
import type { ControlServer } from "./control/control_server.ts";
import type { Drain } from "./drain.ts";
import type { ForwardKeeper } from "./forwards/forward_keeper.ts";
import { openServerSocket } from "./local_socket/server_socket.ts";
import { openServerMetrics } from "./metrics.ts";
import type { ServeOptions } from "./options.ts";
import type { ServerStore } from "./store/server_store.ts";
import type { SessionRegistry } from "./sessions/session_registry.ts";
import type { DataStreams } from "./transport/data_streams.ts";
import { withPeers } from "./transport/relayed_peers.ts";

interface Observed {
  readonly options: ServeOptions;
  readonly engine: Engine;
  readonly registry: SessionRegistry;
  readonly control: Pick<ControlServer, "port" | "stats">;
  readonly recent: RecentLog;
  readonly forwards: Pick<ForwardKeeper, "count">;
  readonly clients: {
    readonly policy: Pick<ClientPolicy, "prescribed">;
    readonly settings: Pick<SettingsStore, "problem">;
  };
  readonly streams: DataStreams;
  readonly store: Pick<ServerStore, "status" | "present">;
  readonly drain: Drain;
}

/** @throws Error when the group or the address that was asked for cannot be used. */
export async function openObservers(observed: Observed): Promise<AsyncDisposable> {
  const { options, registry, control, recent, forwards, clients, streams } = observed;
  const { store, drain } = observed;
  const engine = withPeers(observed.engine, streams);
  const monitor = new ServerMonitor({
    engine,
    sessions: () => registry.sessions,
    prescribed: (name) => clients.policy.prescribed(name),
    nowMs: () => performance.now(),
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  });
  const { ipv4: address4, ipv6: address6 } = options.network.server;
  const facts = {
    ...{ udpPort: options.publicPort, controlPort: control.port, tun: options.tunName },
    ...{ address4, address6 },
  };
  await using stack = new AsyncDisposableStack();
  stack.use(
    await openServerMetrics({
      ...options,
      ...{ monitor, control, streams, store, drain },
      drops: () => dropCounts(engine),
    }),
  );
  const settings = clients.settings;
  const parts = { ...options, monitor, recent, registry, facts, forwards, settings, store, drain };
  stack.use(await openServerSocket(parts));
  return stack.move();
}
