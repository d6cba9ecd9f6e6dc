/** What a bonding client does, as metrics: one series for each link, of which there are 16 at most. */
import type { BondStatus, ServerStatus } from "../../lib/status/bond_status.ts";
import { IDLE_REASONS, type SessionReport } from "../../lib/net/engine.ts";
import { addDrops, seconds } from "../../lib/status/metrics/common_metrics.ts";
import type { MetricsPage } from "../../lib/status/metrics/metrics_page.ts";
import { SCHEDULERS } from "../../lib/protocol/wire/scheduler_name.ts";

const READY: ReadonlySet<ServerStatus["state"]> = new Set(["in use", "ready", "not trusted yet"]);

export function addBond(page: MetricsPage, status: BondStatus): void {
  const { session, links, drops } = status;
  const isUp = session?.paths.some(({ state }) => state === "up") ?? false;
  page.gauge("fluxify_session_up", "Whether some link carries the session.", isUp ? 1 : 0);
  for (const scheduler of SCHEDULERS) {
    const isUsed = session?.scheduler === scheduler ? 1 : 0;
    const help = "1 for how packets are spread, 0 for the others.";
    page.gauge("fluxify_session_scheduler", help, isUsed, { scheduler });
  }
  page.gauge("fluxify_session_mtu_bytes", "Largest packet that all links carry.", session?.mtu);
  page.gauge(
    "fluxify_gain_ratio",
    "What all links carry by what the best of them does, in the busier direction.",
    status.gainOverBest,
  );
  if (session !== null) addSession(page, session);
  for (const { name: server, state, rttMs, load } of status.servers) {
    const gauge = (name: string, help: string, value: number | null) =>
      page.gauge(`fluxify_server_${name}`, help, value, { server });
    gauge("in_use", "1 for the server of the session in use.", state === "in use" ? 1 : 0);
    gauge("ready", "Whether it answers and takes clients.", READY.has(state) ? 1 : 0);
    gauge("rtt_seconds", "Round trip of a connection to it.", seconds(rttMs));
    gauge("load_ratio", "What share of it is in use, as it says.", load);
  }
  for (const { name: link, problem, traffic, rule, transport } of links) {
    const path = session?.paths.find(({ name }) => name === link);
    const gauge = (name: string, help: string, value: number | null | undefined) =>
      page.gauge(`fluxify_link_${name}`, help, value, { link });
    const counter = (name: string, help: string, value: number) =>
      page.counter(`fluxify_link_${name}`, help, value, { link });
    gauge("up", "Whether the link carries packets.", path?.state === "up" ? 1 : 0);
    gauge("usable", "Whether nothing is known to be in its way.", problem === null ? 1 : 0);
    gauge("good", "Whether flows use it, rather than avoid it for its quality.", goodness(path));
    gauge("rtt_seconds", "Round trip, smoothed.", seconds(path?.rttMs ?? null));
    gauge("rtt_min_seconds", "Least round trip of late.", seconds(path?.rttMinMs ?? null));
    gauge("jitter_seconds", "Mean deviation of the delay.", seconds(path?.jitterMs ?? null));
    gauge("loss_ratio", "Part of what was sent lately that did not arrive.", path?.loss);
    gauge(
      "delivery_rate_bytes_per_second",
      "What the server got over the link when it was full.",
      path?.deliveryRate,
    );
    gauge("capacity_bytes_per_second", "What it is believed to carry at present.", path?.capacity);
    gauge("sending_bytes_per_second", "What is sent on it of late.", path?.sendingRate);
    gauge("queue_bytes", "What waits here to leave on it.", path?.queuedBytes);
    gauge("queue_seconds", "How long what comes last would wait.", seconds(path?.queuedMs ?? null));
    for (const one of ["udp", "tls"] as const) {
      const help = "1 for what carries the link's data, 0 for the other.";
      const isIt = one === transport ? 1 : 0;
      page.gauge("fluxify_link_transport", help, isIt, { link, transport: one });
    }
    for (const reason of IDLE_REASONS) {
      const help = "1 for why the link carries nothing, 0 for other reasons.";
      const isIt = (path === undefined ? "down" : path.idleFor) === reason ? 1 : 0;
      page.gauge("fluxify_link_idle", help, isIt, { link, reason });
    }
    if (path !== undefined) {
      counter("retransmitted_packets_total", "Lost packets sent again.", path.retransmittedPackets);
      counter(
        "reinjected_packets_total",
        "Packets of links that fell silent or went, sent again on it.",
        path.reinjectedPackets,
      );
      counter(
        "repaired_packets_total",
        "Lost packets of the server's, had back from repair records.",
        path.repairedPackets,
      );
    }
    gauge("volume_bytes", "What a metered link has carried this month.", rule.volume?.bytes);
    gauge("volume_cap_bytes", "What it may carry in a month.", rule.volume?.capBytes);
    gauge("mtu_bytes", "Largest packet of the tunnel that it carries.", path?.mtu);
    counter("received_bytes_total", "Bytes of records from the server.", traffic.receivedBytes);
    counter("sent_bytes_total", "Bytes of records to the server.", traffic.sentBytes);
  }
  addDrops(page, drops);
}

/** What is counted of the session in use: a new one begins at zero, as that of a new process does. */
function addSession(page: MetricsPage, { reorder, compression }: SessionReport): void {
  const counter = (name: string, help: string, value: number) =>
    page.counter(`fluxify_session_${name}_total`, help, value);
  counter("plain_bytes", "Bytes of packets of the tunnel, both ways.", compression.plainBytes);
  counter("carried_bytes", "Those bytes, as compressed.", compression.carriedBytes);
  counter("reorder_buffered", "Packets held back for those before them.", reorder.bufferedEvents);
  counter("reorder_reordered", "Packets that were put in place.", reorder.reorderedEvents);
  counter("reorder_drops", "Packets that were late or came twice.", reorder.drops);
  counter("reorder_flushes", "Gaps that were given up.", reorder.flushes);
  page.gauge(
    "fluxify_session_reorder_max_packets",
    "Most packets held at a time.",
    reorder.maxDepth,
  );
}

function goodness(path: { state: string; isGood: boolean } | undefined): number {
  return path !== undefined && path.state === "up" && path.isGood ? 1 : 0;
}
