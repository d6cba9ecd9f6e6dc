/*
 * DSCP and ECN through a tunnel, both engines and both IP versions outside:
 *
 *   client                                 server
 *     l1   10.77.1.1/24 ------------- 10.77.1.2/24   l1
 *          fd00:77::1/64 ------------ fd00:77::2/64
 *     fx0  10.8.0.2, fd00:8::2         10.8.0.1, fd00:8::1  fx0
 */
import { equal } from "node:assert/strict";
import { type Namespace, needsRoot } from "../../../tests/netns/namespace.ts";
import { finish, openTunnel, START_TIMEOUT_MS } from "./test_tunnel.ts";

const EF = 46 << 2;
const CS1 = 8 << 2;
const ECT0 = 2;
const CE = 3;
/** Counts what comes to the server, outside and inside, by what it is marked with. */
const COUNTERS = [
  "add table inet marks",
  "add chain inet marks out { type filter hook input priority 0; }",
  ...["ip", "ip6"].flatMap((family) => [
    `add rule inet marks out iifname l1 udp dport 8000 ${family} dscp ef ${family} ecn ect0 counter comment "outside-ect0"`,
    `add rule inet marks out iifname l1 udp dport 8000 ${family} dscp ef ${family} ecn not-ect counter comment "outside-not-ect"`,
    `add rule inet marks out iifname fx0 ${family} dscp ef ${family} ecn ce counter comment "inside-ce"`,
    `add rule inet marks out iifname fx0 ${family} dscp ef ${family} ecn ect0 counter comment "inside-ect0"`,
    `add rule inet marks out iifname fx0 ${family} dscp ef ${family} ecn not-ect counter comment "inside-not-ect"`,
  ]),
].join("; ");

/** What the counters of that name have counted. */
async function counted(server: Namespace, name: string): Promise<number> {
  const { stdout } = await server.run("nft", "list", "table", "inet", "marks");
  return [...stdout.matchAll(/packets (\d+) bytes \d+ comment "([^"]+)"/g)]
    .filter(([, , comment]) => comment === name)
    .reduce((sum, [, packets]) => sum + Number(packets), 0);
}

async function testMarks(engine: string, remote: string) {
  await using tunnel = await openTunnel(engine, remote);
  const { client, server, clientPeer, serverPeer } = tunnel;
  await server.run("nft", COUNTERS);
  const ping = (tos: number, to: string, from = client) =>
    from.run("ping", "-c3", "-i0.1", "-W5", "-Q", String(tos), to);

  for (const to of ["10.8.0.1", "fd00:8::1"]) await ping(EF, to);
  equal(await counted(server, "outside-not-ect"), 6);
  equal(await counted(server, "inside-not-ect"), 6);

  for (const to of ["10.8.0.1", "fd00:8::1"]) await ping(EF | ECT0, to);
  equal(await counted(server, "inside-ect0"), 6);
  const carriesEcn = engine === "native";
  equal(await counted(server, "outside-ect0"), carriesEcn ? 6 : 0, "ECT only where CE is heard");

  // A router on the way is congested.
  await client.run(
    "nft",
    "add table inet way; add chain inet way out { type filter hook output priority 0; };" +
      "add rule inet way out oifname l1 udp dport 8000 ip ecn ect0 ip ecn set ce;" +
      "add rule inet way out oifname l1 udp dport 8000 ip6 ecn ect0 ip6 ecn set ce",
  );
  for (const to of ["10.8.0.1", "fd00:8::1"]) await ping(EF | ECT0, to);
  equal(await counted(server, "inside-ce"), carriesEcn ? 6 : 0);
  // Who knows no marks learns of congestion by loss.
  await client.run(
    "nft",
    "add rule inet way out oifname l1 udp dport 8000 ip dscp cs1 ip ecn set ce;" +
      "add rule inet way out oifname l1 udp dport 8000 ip6 dscp cs1 ip6 ecn set ce",
  );
  const lost = await client.run("sh", "-c", `ping -c1 -W1 -Q ${CS1} 10.8.0.1 || echo lost`);
  equal(lost.stdout.includes("\nlost"), carriesEcn);
  // Answers have the class of what they answer, and the server marks what it sends, too.
  await ping(EF | CE, "10.8.0.2", server);
  await finish(clientPeer);
  await serverPeer.waitForLine(/"kind":"bye"/, START_TIMEOUT_MS);
  const { report, drops } = await finish(serverPeer);
  // The six, the one that was dropped, and three answers whose own packets bear the mark.
  equal(report.paths[0]!.congestionMarks, carriesEcn ? 10 : 0);
  equal(drops["congestion"], carriesEcn ? 1 : undefined, JSON.stringify(drops));
}

for (const engine of ["native", "portable"]) {
  for (const remote of ["10.77.1.2", "fd00:77::2"]) {
    Deno.test({
      name: `netns: ${engine}: DSCP and ECN pass through the tunnel, by way of ${remote}`,
      ...needsRoot(),
      fn: () => testMarks(engine, remote),
    });
  }
}
