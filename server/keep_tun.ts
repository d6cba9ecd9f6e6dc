import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../lib/cli/log.ts";
import { watchLinks } from "../lib/host/links/link_watch.ts";
import type { TunKeeper } from "../lib/host/links/tun_keeper.ts";
import { SerialQueue } from "../lib/host/serial_queue.ts";

/** What the kernel tells of one change comes within so long. */
const LINKS_SETTLE_MS = 30;

const log = getLogger([LOG_CATEGORY, "server"]);

/** Puts back, as soon as the kernel tells of it, what another program takes from the TUN device. */
export function keepTun(tun: TunKeeper): AsyncDisposable {
  const queue = new SerialQueue();
  const look = queue.shared(async () => {
    for (const line of await tun.look()) log.warn("{line}", { line });
  });
  const watch = watchLinks(() => {
    look().catch((error) => log.warn("cannot keep the TUN device: {error}", { error }));
  }, { settleMs: LINKS_SETTLE_MS });
  return {
    async [Symbol.asyncDispose]() {
      await watch[Symbol.asyncDispose]();
      await queue.idle();
    },
  };
}
