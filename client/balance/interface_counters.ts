/** How much each interface has carried, as the kernel counts it. */
import * as v from "valibot";
import { type CommandRunner, runForList } from "../../lib/host/command/runner.ts";
import type { Bytes } from "../../lib/status/traffic_history.ts";

const CounterSchema = v.object({ bytes: v.number() });
const LinkSchema = v.object({
  ifname: v.string(),
  stats64: v.object({ rx: CounterSchema, tx: CounterSchema }),
});

/** The kernel's counters, by interface. Throws CommandError. */
export async function readCounters(runner: CommandRunner): Promise<Map<string, Bytes>> {
  const links = await runForList(runner, ["ip", "-j", "-s", "link", "show"], LinkSchema);
  return new Map(links.map(({ ifname, stats64: { rx, tx } }) => [
    ifname,
    { receivedBytes: rx.bytes, sentBytes: tx.bytes },
  ]));
}
