import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { PortForwards } from "../../lib/host/firewall/port_forwards.ts";
import type { HostJournal } from "../../lib/host/journal/host_journal.ts";
import type { ControlServer } from "../control/control_server.ts";
import type { ServeOptions } from "../options.ts";
import type { SessionRegistry } from "../sessions/session_registry.ts";
import { ForwardKeeper } from "./forward_keeper.ts";

const FORWARD_CHECK_MS = 1000;

const log = getLogger([LOG_CATEGORY, "server"]);

/** Follows the file of port forwardings, and the clients' addresses. */
export async function keepForwards(
  { pkiFolder: directory, tunName, port }: ServeOptions,
  journal: HostJournal,
  registry: SessionRegistry,
  control: ControlServer,
): Promise<AsyncDisposable & Pick<ForwardKeeper, "count">> {
  const keeper = new ForwardKeeper({
    directory,
    addressesOf: (client) => registry.addressesOf(client),
    ownPorts: new Set([`tcp ${control.port}`, `udp ${port}`]),
    rules: new PortForwards(journal, tunName),
    nowMs: () => performance.now(),
    say: (line) => log.info("{line}", { line }),
    warn: (line) => log.warn("{line}", { line }),
  });
  await keeper.look();
  const timer = setInterval(keeper.look, FORWARD_CHECK_MS);
  return {
    get count() {
      return keeper.count;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await keeper.idle();
    },
  };
}
