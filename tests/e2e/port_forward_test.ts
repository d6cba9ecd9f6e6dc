/**
 * A server behind a router that forwards other addresses and another UDP port than the server's own:
 * TCP comes in at one address, UDP at another.
 */
import { equal } from "node:assert/strict";
import type { Lab } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, pingAll, SERVER_ADDRESS } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 20_000;
const PORT = "9000";
const CASES = [
  {
    family: 4,
    tables: "iptables",
    control: "203.0.113.200",
    data: "203.0.113.201",
    to: (port: string) => `${SERVER_ADDRESS}:${port}`,
  },
  {
    family: 6,
    tables: "ip6tables",
    control: "2001:db8:113::200",
    data: "2001:db8:113::201",
    to: (port: string) => `[2001:db8:113::10]:${port}`,
  },
] as const;

topic("e2e a server behind a port forward", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");

  for (const one of CASES) {
    const { family, control, data } = one;
    await forward(lab, one, "tcp", control, "8443", "8443");
    await forward(lab, one, "udp", control, PORT, "8000");
    await forward(lab, one, "udp", data, PORT, "8000");
    const hosts = ["-hosts", control, "-public-port", PORT];

    await scenario(`IPv${family}: another UDP port`, async () => {
      const server = await startServer(lab, { args: hosts });
      const client = await startClient(lab, bundle, { args: ["-server", control, "-once"] });
      await pingAll(lab.client, FAR_ADDRESSES);
      equal(await client.stop("SIGINT"), 0);
      equal(await server.stop("SIGINT"), 0);
    });

    for (const engine of ["native", "portable"]) {
      await scenario(`IPv${family}: another UDP port at another address (${engine})`, async () => {
        const server = await startServer(lab, { args: [...hosts, "-public-hosts", data] });
        const args = ["-server", control, "-once", "-kill-switch", "-engine", engine];
        const client = await startClient(lab, bundle, { args: [...args, "-renew-every", "5s"] });
        for (const link of ["one", "two"]) {
          await client.waitForLine(new RegExp(`link ${link}: path is up`), STATE_TIMEOUT_MS);
        }
        await pingAll(lab.client, FAR_ADDRESSES);
        await client.waitForLine(/session renewed/, STATE_TIMEOUT_MS);
        await pingAll(lab.client, FAR_ADDRESSES);
        equal(await client.stop("SIGINT"), 0);
        equal(await server.stop("SIGINT"), 0);
      });
    }
  }
});

async function forward(
  { router }: Lab,
  { tables, to }: typeof CASES[number],
  protocol: "tcp" | "udp",
  address: string,
  port: string,
  ownPort: string,
): Promise<void> {
  await router.run(
    ...[tables, "-w", "-t", "nat", "-A", "PREROUTING", "-d", address, "-p", protocol],
    ...["--dport", port, "-j", "DNAT", "--to-destination", to(ownPort)],
  );
}
