/*
 * Two ends of a tunnel, over two links:
 *
 *   client                                 server
 *     l1   10.77.1.1/24 ------------- 10.77.1.2/24   l1
 *     l2   fd00:77::1/64 ------------ fd00:77::2/64  l2
 *     fx0  10.8.0.2, fd00:8::2         10.8.0.1, fd00:8::1  fx0
 */
import { equal, match, notEqual, ok } from "node:assert/strict";
import { connect, Namespace, needsRoot } from "../../../tests/netns/namespace.ts";
import { PATHS_MAX } from "../../protocol/path/path_table.ts";
import { SOCKETS_MAX } from "../engine.ts";
import { finish, START_TIMEOUT_MS, startPeer, transfer } from "./test_tunnel.ts";

async function testTunnel(clientEngine: string, serverEngine: string, wire: string) {
  await using client = await Namespace.create("pc");
  await using server = await Namespace.create("ps");
  await connect(client, server, {
    a: { name: "l1", addresses: ["10.77.1.1/24"] },
    b: { name: "l1", addresses: ["10.77.1.2/24"] },
  });
  await connect(client, server, {
    a: { name: "l2", addresses: ["fd00:77::1/64"] },
    b: { name: "l2", addresses: ["fd00:77::2/64"] },
  });
  const serverPeer = startPeer(server, "server", serverEngine, wire);
  await serverPeer.waitForLine(/^ready$/, START_TIMEOUT_MS);
  const paths = ["l1=10.77.1.2", "l2=fd00:77::2"];
  const clientPeer = startPeer(client, "client", clientEngine, wire, ...paths);
  for (const name of ["l1", "l2"]) {
    await clientPeer.waitForLine(new RegExp(`"name":"${name}","state":"up"`), START_TIMEOUT_MS);
  }
  for (const peer of [/"peer":"10\.77\.1\.1:\d+"/, /"peer":"\[fd00:77::1\]:\d+"/]) {
    await serverPeer.waitForLine(peer, START_TIMEOUT_MS);
  }

  await client.run("ping", "-c3", "-i0.1", "-W5", "10.8.0.1");
  await client.run("ping", "-c3", "-i0.1", "-W5", "fd00:8::1");
  await server.run("ping", "-c3", "-i0.1", "-W5", "10.8.0.2");
  await client.run("ping", "-c3", "-i0.1", "-W5", "-s4000", "10.8.0.1");
  await transfer(client, server, "10.8.0.1");
  await transfer(server, client, "fd00:8::2", async () => {
    await client.run("ip", "link", "set", "l1", "down");
    await clientPeer.waitForLine(/"name":"l1","state":"down"/, START_TIMEOUT_MS);
  });

  const ofClient = await finish(clientPeer);
  const [l1, l2] = ofClient.report.paths;
  equal(l1?.state, "down");
  notEqual(l2?.state, "down");
  ok(l1!.sentPackets > 0 && l2!.sentPackets > 0 && l2!.rttMs > 0);
  if (wire === "x1") await serverPeer.waitForLine(/"kind":"bye"/, START_TIMEOUT_MS);
  const ofServer = await finish(serverPeer);
  for (const { drops } of [ofClient, ofServer]) {
    for (const reason of ["not authentic", "replayed", "TUN refused", "wrong direction"]) {
      equal(drops[reason], undefined, JSON.stringify(drops));
    }
  }
}

for (const wire of ["x1", "v1"]) {
  for (
    const [client, server] of [
      ["portable", "portable"],
      ["portable", "native"],
      ["native", "portable"],
    ] as const
  ) {
    Deno.test({
      name: `netns: ${client} client and ${server} server, ${wire}: packets come over two links`,
      ...needsRoot(),
      fn: () => testTunnel(client, server, wire),
    });
  }
}

Deno.test({
  name: "netns: a path that is refused leaves no socket behind",
  ...needsRoot(),
  async fn() {
    await using client = await Namespace.create("pc");
    const paths = new Array<string>(PATHS_MAX + SOCKETS_MAX).fill("lo=127.0.0.1");
    const peer = startPeer(client, "client", "portable", "x1", ...paths);
    await peer.waitForLine(/^ready$/, START_TIMEOUT_MS);
    const refused = peer.output("stdout").split("\n").filter((line) => line.startsWith("path "));
    equal(refused.length, SOCKETS_MAX);
    for (const line of refused) match(line, /the session has too many$/);
  },
});

Deno.test({
  name: "netns: a server that would hear IPv6 alone does not start, and says what to do",
  ...needsRoot(),
  async fn() {
    await using server = await Namespace.create("ps");
    await server.run("sysctl", "-q", "-w", "net.ipv6.bindv6only=1");
    const peer = startPeer(server, "server", "portable", "x1");
    await peer.waitForLine(/bindv6only to 0, or use -engine native/, START_TIMEOUT_MS);
  },
});
