/** How much each interface has carried, as the kernel counts it. */
import * as v from "valibot";
import { type CommandRunner, runForList } from "../../lib/host/command/runner.ts";
import type { Bytes } from "../../lib/status/traffic_history.ts";

const CounterSchema = v.object({ bytes: v.number() });
const LinkSchema = v.object({
  ifindex: v.number(),
  ifname: v.string(),
  stats64: v.object({ rx: CounterSchema, tx: CounterSchema }),
});

interface InterfaceCounters extends Bytes {
  /** Of the interface: one that was made anew counts from zero. */
  readonly index: number;
}

/** The kernel's counters, by interface. Throws CommandError. */
export async function readCounters(
  runner: CommandRunner,
): Promise<Map<string, InterfaceCounters>> {
  const links = await runForList(runner, ["ip", "-j", "-s", "link", "show"], LinkSchema);
  return new Map(links.map(({ ifindex, ifname, stats64: { rx, tx } }) => [
    ifname,
    { index: ifindex, receivedBytes: rx.bytes, sentBytes: tx.bytes },
  ]));
}
