/** What routers on the way say and do to datagrams: ICMP errors, DSCP, congestion marks. */
import { equal, ok } from "node:assert/strict";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6 } from "../../scripts/lab/lab.ts";
import type { Namespace } from "../netns/namespace.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, pingAll, startBoth } from "./small_lab.ts";
import { serveTransfers, Transfer } from "./transfer.ts";

const PLAN = { to: INTERNET_ADDRESS, mbit: 16, seconds: 3, flows: 8 };
const EF = 46 << 2;
const ECT0 = 2;

/** Packets that the rules of `table` with that comment have counted. */
async function counted(namespace: Namespace, table: string, comment: string): Promise<number> {
  const { stdout } = await namespace.run("nft", "list", "table", "inet", table);
  return [...stdout.matchAll(/packets (\d+) [^\n]*comment "([^"]+)"/g)]
    .filter(([, , text]) => text === comment)
    .reduce((sum, [, packets]) => sum + Number(packets), 0);
}

topic("e2e routers on the way", async (scenario) => {
  await using lab = await createSmallLab();
  const { client, server } = await startBoth(lab);
  await serveTransfers(lab.internet);

  await scenario("ICMP errors for some datagrams take no path down", async (measure) => {
    const from = client.lineCount;
    await lab.router.run(
      "nft",
      "add table inet refuse; add chain inet refuse way { type filter hook forward priority 0; };" +
        "add rule inet refuse way udp dport 8000 numgen inc mod 100 == 0 counter " +
        'reject with icmpx type admin-prohibited comment "refused"',
    );
    const transfer = await Transfer.start(lab.client, PLAN);
    await transfer.complete(measure);
    const refused = await counted(lab.router, "refuse", "refused");
    await lab.router.run("nft", "delete table inet refuse");
    measure("refused", refused, "datagrams");
    ok(refused > 5, `${refused} datagrams were refused`);
    const lines = client.output("stdout") + client.output("stderr");
    equal(/path is down/.test(lines), false, lines);
    ok(client.lineCount >= from);
    await pingAll(lab.client, FAR_ADDRESSES);
  });

  await scenario("DSCP goes outside, congestion comes inside", async () => {
    await lab.router.run(
      "nft",
      "add table inet classes; add chain inet classes way { type filter hook forward priority 0; };" +
        'add rule inet classes way udp dport 8000 ip dscp ef ip ecn ect0 counter comment "ef";' +
        "add rule inet classes way udp dport 8000 ip ecn ect0 ip ecn set ce",
    );
    await lab.internet.run(
      "nft",
      "add table inet seen; add chain inet seen in { type filter hook input priority 0; };" +
        'add rule inet seen in ip dscp ef ip ecn ce counter comment "ce";' +
        'add rule inet seen in ip6 dscp ef ip6 ecn ce counter comment "ce"',
    );
    for (const to of [INTERNET_ADDRESS, INTERNET_ADDRESS6]) {
      await lab.client.run("ping", "-c3", "-i0.2", "-W5", "-Q", String(EF | ECT0), to);
    }
    equal(await counted(lab.router, "classes", "ef"), 6);
    equal(await counted(lab.internet, "seen", "ce"), 6);
  });
  equal(await client.stop("SIGINT"), 0);
  equal(await server.stop("SIGINT"), 0);
});
