/**
 * Hosts next to the two machines, which have a route to the tunnel's addresses and no key: one on the
 * client's own link, one on the server's network. Both are the router of the lab.
 *
 *   internet --- router --- server
 *                  |===== client        10.71.1.0/24, 203.0.113.0/24
 */
import { equal, rejects } from "node:assert/strict";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import { topic } from "./scenario.ts";
import {
  addSite,
  createSmallLab,
  FAR_ADDRESSES,
  innerAddresses,
  ping,
  pingAll,
} from "./small_lab.ts";

topic("e2e neighbours", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab, { args: ["-clients-reach-each-other"] });
  const client = await startClient(lab, bundle);
  const own = await innerAddresses(client);
  const link = lab.links[0]!.name;
  // As loose as the client itself makes it.
  await lab.client.sysctl(`net.ipv4.conf.${link}.rp_filter`, 2);

  await scenario(
    "nobody on the client's link reaches its addresses inside the tunnel",
    async () => {
      await pingAll(lab.client, FAR_ADDRESSES);
      const ways = ["10.71.1.2", "fd71:1::2"];
      for (const [index, address] of own.entries()) {
        await lab.router.run("ip", "route", "replace", address, "via", ways[index]!, "dev", link);
        await rejects(ping(lab.router, address, "-w1"), address);
        await lab.router.run("ip", "route", "del", address);
      }
    },
  );

  await scenario("nobody on the server's network reaches the clients, or the tunnel", async () => {
    const ways = ["203.0.113.10", "2001:db8:113::10"];
    for (const [index, address] of [...own, "10.8.0.1", "fd00:8::1"].entries()) {
      const via = ways[index % 2]!;
      await lab.router.run("ip", "route", "replace", address, "via", via, "dev", "server");
      await rejects(ping(lab.router, address, "-w1"), address);
      await lab.router.run("ip", "route", "del", address);
    }
    await pingAll(lab.client, FAR_ADDRESSES);
  });

  await scenario("rules that another program removes are back, and said", async () => {
    for (const machine of [lab.server, lab.client]) {
      const program = machine === lab.server ? server : client;
      const from = program.lineCount;
      await machine.run("nft", "flush", "ruleset");
      await program.waitForLine(
        /another program removed firewall rules .* back in force/,
        20_000,
        from,
      );
    }
    await pingAll(lab.client, FAR_ADDRESSES);
  });

  await scenario("clients reach each other where the server lets them", async () => {
    await using cleanup = new AsyncDisposableStack();
    const site = await addSite(lab, cleanup, "tablet");
    const other = await startClient(site, await newClientCertificate(lab, "tablet"));
    await pingAll(lab.client, await innerAddresses(other));
    await pingAll(site.client, own);
    equal(await other.stop("SIGINT"), 0);
  });
  equal(await client.stop("SIGINT"), 0);
  equal(await server.stop("SIGINT"), 0);
});
