/** The metrics of a client, in either mode. */
import { VERSION } from "../../lib/cli/version.ts";
import type { InstanceOptions } from "../../lib/cli/instance_options.ts";
import { instanceFacts } from "../../lib/status/instance_facts.ts";
import type { MetricsPage } from "../../lib/status/metrics/metrics_page.ts";
import { openMetrics } from "../../lib/status/metrics/open_metrics.ts";
import { CLIENT_PROGRAM } from "../config/options.ts";

/** `fill` writes what the mode knows. @throws Error when the address cannot be used. */
export function openClientMetrics(
  { instance, metricsListen }: Pick<InstanceOptions, "instance" | "metricsListen">,
  fill: (page: MetricsPage) => Promise<void>,
): Promise<AsyncDisposable> {
  const own = { program: CLIENT_PROGRAM, version: VERSION, instance, processId: Deno.pid };
  return openMetrics(metricsListen, instanceFacts(own, new Date(), () => performance.now()), fill);
}
