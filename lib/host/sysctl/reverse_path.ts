import { checkInterfaceName } from "../links/network_interface.ts";
import type { HostJournal } from "../journal/host_journal.ts";

const STRICT = 1;
const LOOSE = "2";

/**
 * Lets packets of the server come in on every link, although the best route to it leaves by one of
 * them: a strict reverse path filter (RFC 3704) would drop those of the others. Filters that are off
 * or loose stay as they are. The journal puts the previous values back.
 */
export async function loosenReversePath(
  journal: HostJournal,
  links: readonly string[],
): Promise<void> {
  const forAll = Number(await journal.sysctl.read("net/ipv4/conf/all/rp_filter"));
  for (const link of links) {
    const path = `net/ipv4/conf/${checkInterfaceName(link)}/rp_filter`;
    const own = await journal.sysctl.read(path);
    if (own === null) continue;
    // The kernel takes the larger of the two.
    const strict = Math.max(forAll, Number(own)) === STRICT;
    // Also where it is loose already: that may be another client's doing, which could stop before us.
    if (!strict && own !== LOOSE) continue;
    await journal.apply({ kind: "sysctl", path, value: LOOSE });
  }
}
