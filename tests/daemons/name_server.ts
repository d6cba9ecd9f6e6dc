import type { Child } from "../netns/namespace.ts";
import type { DaemonMachine } from "./daemon_machine.ts";

const START_TIMEOUT_MS = 15_000;

/** A DNS server that answers every name with `address`, and says what it is asked on its output. */
export async function startNameServer(machine: DaemonMachine, address: string): Promise<Child> {
  const server = machine.spawn(
    ...["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root"],
    ...["--no-resolv", "--no-hosts", `--address=/#/${address}`],
    ...["--log-facility=-", "--log-queries"],
  );
  await server.waitForLine(/started, version/, START_TIMEOUT_MS);
  return server;
}
