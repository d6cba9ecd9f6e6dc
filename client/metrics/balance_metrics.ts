/** What a balancing client does, as metrics: a series for each uplink, and for each of its families. */
import { FAMILIES } from "../../lib/host/links/address.ts";
import { seconds } from "../../lib/status/metrics/common_metrics.ts";
import type { MetricsPage } from "../../lib/status/metrics/metrics_page.ts";
import type { BalanceStatus } from "../balance/status.ts";

export function addBalance(page: MetricsPage, { uplinks }: Pick<BalanceStatus, "uplinks">): void {
  for (const { name: uplink, families, receivedBytes, sentBytes, volume } of uplinks) {
    for (const family of FAMILIES) {
      const report = families[family];
      if (report === null) continue;
      const gauge = (name: string, help: string, value: number | null) =>
        page.gauge(`fluxify_uplink_${name}`, help, value, { uplink, family: `ipv${family}` });
      const isUp = report.problem === null && report.state === "healthy";
      gauge("up", "Whether it has a gateway, and probes are answered.", isUp ? 1 : 0);
      gauge("weight", "Its weight among the next hops; 0: it gets no connections.", report.weight);
      for (const reason of ["backup", "cap reached"] as const) {
        const help = "1 for why the uplink gets no connections though it works.";
        const labels = { uplink, family: `ipv${family}`, reason };
        page.gauge("fluxify_uplink_idle", help, report.idleFor === reason ? 1 : 0, labels);
      }
      gauge("rtt_seconds", "Round trip of probes.", seconds(report.rttMs));
      gauge("jitter_seconds", "Mean deviation of the round trip.", seconds(report.jitterMs));
      gauge("loss_ratio", "Part of the probes that was not answered.", report.loss);
    }
    const counter = (name: string, help: string, value: number) =>
      page.counter(`fluxify_uplink_${name}`, help, value, { uplink });
    const own = (name: string, help: string, value: number | null | undefined) =>
      page.gauge(`fluxify_uplink_${name}`, help, value, { uplink });
    own("volume_bytes", "What a metered uplink has carried this month.", volume?.bytes);
    own("volume_cap_bytes", "What it may carry in a month.", volume?.capBytes);
    counter("received_bytes_total", "Bytes the interface has received.", receivedBytes);
    counter("sent_bytes_total", "Bytes the interface has sent.", sentBytes);
  }
}
