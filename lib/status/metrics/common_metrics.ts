/** What the metrics of both programs have. */
import type { InstanceFacts } from "../instance_facts.ts";
import type { MetricsPage } from "./metrics_page.ts";
import { tunnelCounters } from "./tunnel_counters.ts";

const MS_PER_SECOND = 1000;

/** Seconds of milliseconds that may not be known. */
export function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / MS_PER_SECOND;
}

export function addInstance(page: MetricsPage, facts: InstanceFacts): void {
  const { program, version, instance, startedAt } = facts;
  const help = "Always 1; which program this is.";
  page.gauge("fluxify_build_info", help, 1, { program, version, instance });
  page.gauge(
    "fluxify_start_time_seconds",
    "When the program started, in seconds since 1970.",
    Date.parse(startedAt) / MS_PER_SECOND,
  );
}

export function addDrops(page: MetricsPage, drops: Readonly<Record<string, number>>): void {
  for (const [reason, count] of Object.entries(drops)) {
    page.counter(
      "fluxify_drops_total",
      "Packets and datagrams that went no further, by reason.",
      count,
      { reason },
    );
  }
}

/** As the kernel counts packets at the TUN device; nothing where there is none of that name. */
export async function addTunnel(page: MetricsPage, tun: string): Promise<void> {
  const counters = await tunnelCounters(tun);
  if (counters === null) return;
  const { receivedBytes, receivedPackets, sentBytes, sentPackets } = counters;
  const received = "that came out of the tunnel.";
  page.counter(
    "fluxify_tunnel_received_bytes_total",
    `Bytes of packets ${received}`,
    receivedBytes,
  );
  page.counter("fluxify_tunnel_received_packets_total", `Packets ${received}`, receivedPackets);
  const sent = "that went into the tunnel.";
  page.counter("fluxify_tunnel_sent_bytes_total", `Bytes of packets ${sent}`, sentBytes);
  page.counter("fluxify_tunnel_sent_packets_total", `Packets ${sent}`, sentPackets);
}
