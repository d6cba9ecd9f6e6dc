/**
 * The metrics of a server. Without `-metrics-per-client` none has the name of a client: how many series
 * there are does not depend on how many clients there are.
 */
import type { InstanceOptions } from "../lib/cli/instance_options.ts";
import { VERSION } from "../lib/cli/version.ts";
import { PATH_STATES } from "../lib/protocol/path/liveness.ts";
import { instanceFacts } from "../lib/status/instance_facts.ts";
import { addDrops, addTunnel, seconds } from "../lib/status/metrics/common_metrics.ts";
import type { MetricsPage } from "../lib/status/metrics/metrics_page.ts";
import { openMetrics } from "../lib/status/metrics/open_metrics.ts";
import type { ServerMonitor, SessionStatus } from "../lib/status/server_status.ts";
import { ClientMetrics } from "./client_metrics.ts";
import type { ControlStats } from "./control/control_journal.ts";
import type { ControlServer } from "./control/control_server.ts";
import type { Drain } from "./drain.ts";
import { SERVER_PROGRAM } from "./options.ts";
import type { ServerStore, StoreStatus } from "./store/server_store.ts";
import type { DataStreams } from "./transport/data_streams.ts";

/** A server tells of itself every two seconds. */
const SERVER_SILENT_MS = 10_000;

interface ServerMetricsParts extends Pick<InstanceOptions, "instance" | "metricsListen"> {
  readonly monitor: ServerMonitor;
  readonly metricsPerClient: boolean;
  readonly tunName: string;
  readonly control: Pick<ControlServer, "stats">;
  readonly drops: () => Readonly<Record<string, number>>;
  readonly streams: Pick<DataStreams, "count" | "dropped">;
  readonly store: Pick<ServerStore, "status">;
  readonly drain: Pick<Drain, "isDraining">;
}

/** @throws Error when the address cannot be used. */
export function openServerMetrics(parts: ServerMetricsParts): Promise<AsyncDisposable> {
  const { instance, metricsListen, metricsPerClient, monitor, tunName } = parts;
  const { control, drops, streams, store, drain } = parts;
  const clients = metricsPerClient ? new ClientMetrics() : null;
  const own = { program: SERVER_PROGRAM, version: VERSION, instance, processId: Deno.pid };
  const facts = instanceFacts(own, new Date(), () => performance.now());
  return openMetrics(metricsListen, facts, async (page) => {
    const sessions = await monitor.sessions("counters alone");
    addSessions(page, sessions);
    page.gauge("fluxify_data_streams", "Paths inside TLS.", streams.count);
    page.counter(
      "fluxify_data_streams_dropped_records_total",
      "Records that waited too long for a path inside TLS.",
      await streams.dropped(),
    );
    clients?.add(page, sessions, performance.now());
    addControl(page, control.stats);
    addDrops(page, drops());
    addStore(page, store.status);
    const draining = drain.isDraining ? 1 : 0;
    page.gauge("fluxify_draining", "Whether clients are moved to other servers.", draining);
    await addTunnel(page, tunName);
  });
}

/** What has become of the connections to the control port. */
export function addControl(page: MetricsPage, stats: Readonly<ControlStats>): void {
  page.counter(
    "fluxify_control_connections_total",
    "Connections that the control port has accepted.",
    stats.accepted,
  );
  const results = {
    "granted": stats.granted,
    "refused": stats.refused,
    "handshake failed": stats.handshakesFailed,
    "timed out": stats.timedOut,
    "evicted": stats.evicted,
  };
  for (const [result, count] of Object.entries(results)) {
    page.counter(
      "fluxify_control_results_total",
      "What has become of connections to the control port.",
      count,
      { result },
    );
  }
}

export function addStore(page: MetricsPage, store: StoreStatus): void {
  if (store.kind === "file") return;
  const { isReachable, reachedMsAgo, refusedEntries, pendingWrites, servers } = store;
  page.gauge("fluxify_store_up", "Whether the shared store is reached.", isReachable ? 1 : 0);
  page.gauge(
    "fluxify_store_reached_seconds",
    "How long ago the shared store was reached last.",
    seconds(reachedMsAgo),
  );
  page.gauge("fluxify_store_pending", "Changes that the store does not know yet.", pendingWrites);
  page.counter(
    "fluxify_store_refused_entries_total",
    "Entries of the store that were not what they should be.",
    refusedEntries,
  );
  const heard = servers.filter(({ heardMsAgo }) => heardMsAgo < SERVER_SILENT_MS);
  page.gauge("fluxify_store_servers", "Servers that share the store.", heard.length);
}

export function addSessions(page: MetricsPage, sessions: readonly SessionStatus[]): void {
  const wires = ["x1", "v1"] as const;
  for (const wire of wires) {
    const count = sessions.filter(({ session }) => session?.wire === wire).length;
    page.gauge("fluxify_sessions", "Clients that are connected.", count, { wire });
  }
  const paths = sessions.flatMap(({ session }) => session?.paths ?? []);
  for (const state of PATH_STATES) {
    const count = paths.filter((path) => path.state === state).length;
    page.gauge("fluxify_paths", "Paths of all sessions, by their state.", count, { state });
  }
}
