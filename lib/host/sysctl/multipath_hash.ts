import type { AddressFamily } from "../links/address.ts";
import type { HostJournal } from "../journal/host_journal.ts";

/** Addresses, ports and protocol (ip-sysctl.rst, fib_multipath_hash_policy). */
const BY_FLOW = "1";

/**
 * Lets the connections to one destination use all next hops of a multipath route; the kernel's own
 * way keeps all that goes to one address on one of them. The journal puts the previous value back.
 * Returns a notice for people where the kernel cannot, or null.
 */
export async function hashByFlow(
  journal: HostJournal,
  family: AddressFamily,
): Promise<string | null> {
  const path = `net/ipv${family}/fib_multipath_hash_policy`;
  if (await journal.sysctl.read(path) === null) {
    return `this kernel has no ${path}: connections to one address stay on one uplink`;
  }
  await journal.apply({ kind: "sysctl", path, value: BY_FLOW });
  return null;
}
