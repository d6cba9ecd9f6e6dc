/** Metrics of a program, where they are wanted: what they need is loaded only then. */
import type { ListenAddress } from "../../cli/listen_address.ts";
import type { InstanceFacts } from "../instance_facts.ts";
import { addInstance } from "./common_metrics.ts";
import type { MetricsPage } from "./metrics_page.ts";

/** `fill` writes what the program knows. @throws Error when the address cannot be used. */
export async function openMetrics(
  address: ListenAddress | null,
  facts: () => InstanceFacts,
  fill: (page: MetricsPage) => Promise<void>,
): Promise<AsyncDisposable> {
  if (address === null) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const { MetricsServer } = await import("./metrics_server.ts");
  return await MetricsServer.open(address, async (page) => {
    addInstance(page, facts());
    await fill(page);
  });
}
