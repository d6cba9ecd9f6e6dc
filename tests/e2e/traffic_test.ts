import { deepEqual, equal, notDeepEqual, ok, rejects } from "node:assert/strict";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, type Lab } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient } from "../../scripts/lab/programs.ts";
import { bestOf } from "../support/best_of.ts";
import { interfaceBytes } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import {
  addSite,
  createSmallLab,
  FAR_ADDRESSES,
  innerAddresses,
  LINKS,
  ping,
  pingAll,
  startBoth,
} from "./small_lab.ts";
import { serveTransfers, Transfer } from "./transfer.ts";

/** A busy machine may lose datagrams once. */
const UDP_ATTEMPTS = 3;

interface UdpCount {
  readonly packets: number;
  readonly lost_packets: number;
}

/** Sends datagrams both ways for a second. */
async function exchangeUdp(
  lab: Lab,
  to: string,
  port: string,
): Promise<{ up: UdpCount; down: UdpCount }> {
  const sender = lab.internet.spawn(["iperf3", "-s", "-p", port, "-1", "--forceflush"]);
  await sender.waitForLine(/listening/, 10_000);
  const { stdout } = await lab.client.runWith(
    { timeoutMs: 20_000 },
    ...["iperf3", "-c", to, "-p", port, "-u", "--bidir", "-b", "5M", "-l", "1200", "-t", "1"],
    "-J",
  );
  await sender.ended;
  const { sum, sum_bidir_reverse: reverse } = JSON.parse(stdout).end;
  return { up: sum, down: reverse };
}

topic("e2e traffic", async (scenario) => {
  await using lab = await createSmallLab();
  const { client, server, bundle } = await startBoth(lab);
  for (const machine of [lab.server, lab.internet]) await serveTransfers(machine);

  await scenario("ping reaches the server and the internet by IPv4 and IPv6", async (measure) => {
    await pingAll(lab.client, FAR_ADDRESSES);
    const { stdout } = await lab.client.run("ping", "-c20", "-i0.02", "-q", INTERNET_ADDRESS);
    measure("round trip", Number(/= [\d.]+\/([\d.]+)\//.exec(stdout)?.[1]), "ms");
  });

  await scenario("large pings arrive in fragments", async () => {
    for (const address of FAR_ADDRESSES) await ping(lab.client, address, "-s", "8000");
    await ping(lab.client, INTERNET_ADDRESS, "-s", "60000");
  });

  await scenario(
    "TCP in both directions by IPv4 and IPv6, to server and internet",
    async (measure) => {
      const results = await Promise.all(FAR_ADDRESSES.map(async (to) => {
        const transfer = await Transfer.start(lab.client, { to, mbit: 10, seconds: 1, flows: 4 });
        return transfer.complete(() => {});
      }));
      const bytes = results.reduce((sum, { down, up }) => sum + down.bytes + up.bytes, 0);
      measure("transferred", bytes / 1e6, "MB");
    },
  );

  await scenario("UDP in both directions by IPv4 and IPv6", async (measure) => {
    const targets = [[INTERNET_ADDRESS, "5201"], [INTERNET_ADDRESS6, "5202"]] as const;
    await Promise.all(targets.map(async ([to, port]) => {
      const { up, down } = await bestOf(
        UDP_ATTEMPTS,
        () => exchangeUdp(lab, to, port),
        (ways) =>
          Object.values(ways).every(({ packets, lost_packets: lost }) =>
            packets > 100 && lost < packets / 10
          ),
      );
      measure(`${to} lost up`, up.lost_packets, "packets");
      measure(`${to} lost down`, down.lost_packets, "packets");
    }));
  });

  await scenario("many flows use both links", async (measure) => {
    const before = await Promise.all(LINKS.map((name) => interfaceBytes(lab.client, name)));
    const plan = { to: INTERNET_ADDRESS, mbit: 40, seconds: 1, flows: 16 };
    const { down, up } = await (await Transfer.start(lab.client, plan)).complete(() => {});
    const after = await Promise.all(LINKS.map((name) => interfaceBytes(lab.client, name)));
    for (const [index, name] of LINKS.entries()) {
      const share = (after[index]! - before[index]!) / (down.bytes + up.bytes);
      measure(`share of ${name}`, 100 * share, "%");
      ok(share > 0.1, `${name} carried ${share} of the bytes`);
    }
  });

  await scenario(
    "two clients have addresses of their own, and do not reach each other",
    async () => {
      await using cleanup = new AsyncDisposableStack();
      const site = await addSite(lab, cleanup, "tablet");
      const other = await startClient(site, await newClientCertificate(lab, "tablet"));
      const [own, theirs] = [await innerAddresses(client), await innerAddresses(other)];
      notDeepEqual(own[0], theirs[0]);
      notDeepEqual(own[1], theirs[1]);
      await pingAll(site.client, FAR_ADDRESSES);
      await pingAll(lab.client, FAR_ADDRESSES);
      for (const address of theirs) await rejects(ping(lab.client, address, "-w1"));
      for (const address of own) await rejects(ping(site.client, address, "-w1"));
      equal(await other.stop("SIGINT"), 0);
      await server.waitForLine(/session of tablet ended: it left/, 5000);
      await pingAll(lab.client, FAR_ADDRESSES);
    },
  );

  await scenario("a client that comes back gets the addresses it had", async () => {
    const before = await innerAddresses(client);
    equal(await client.stop("SIGINT"), 0);
    const again = await startClient(lab, bundle);
    deepEqual(await innerAddresses(again), before);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await again.stop("SIGINT"), 0);
  });
  equal(await server.stop("SIGINT"), 0);
});
