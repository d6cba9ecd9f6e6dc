/*
 * What routers and devices on the way do to healthy paths, both engines:
 *
 *   client                                 server
 *     l1   10.77.1.1/24 ------------- 10.77.1.2/24   l1
 *          fd00:77::1/64 ------------ fd00:77::2/64
 *     fx0  10.8.0.2, fd00:8::2         10.8.0.1, fd00:8::1  fx0
 */
import { equal, ok } from "node:assert/strict";
import { type Namespace, needsRoot } from "../../../tests/netns/namespace.ts";
import { finish, openTunnel, START_TIMEOUT_MS, transfer } from "./test_tunnel.ts";

const BYTES = 20_000_000;

/** Lets one datagram in 40, or one batch, be refused as a router on the way would. */
function refuseSome(type: string): string {
  return `add table inet way; add chain inet way in { type filter hook input priority 0; };` +
    `add rule inet way in udp dport 8000 numgen inc mod 40 == 0 counter reject with ${type}`;
}

/** Sends through a tunnel of one path while `hinder` is in force. */
async function sendHindered(
  engine: string,
  remote: string,
  hinder: (client: Namespace, server: Namespace) => Promise<unknown>,
) {
  await using tunnel = await openTunnel(engine, remote);
  const { client, server, clientPeer, serverPeer } = tunnel;
  await hinder(client, server);
  await transfer(client, server, "10.8.0.1", undefined, BYTES);
  const refused = await server.run("sh", "-c", "nft list table inet way 2>/dev/null || true");
  // A bye is said once on a path, and must not be the datagram that is refused.
  await server.run("sh", "-c", "nft delete table inet way 2>/dev/null || true");
  const lines = clientPeer.output("stdout");
  const { drops } = await finish(clientPeer);
  await serverPeer.waitForLine(/"kind":"bye"/, START_TIMEOUT_MS);
  await finish(serverPeer);
  return { lines, drops, refused: Number(/packets (\d+)/.exec(refused.stdout)?.[1] ?? 0) };
}

for (const engine of ["native", "portable"]) {
  for (
    const [remote, type] of [
      ["10.77.1.2", "icmp type admin-prohibited"],
      ["fd00:77::2", "icmpv6 type no-route"],
    ] as const
  ) {
    Deno.test({
      name: `netns: ${engine}: "${type}" for one send in 40 takes no path down`,
      ...needsRoot(),
      async fn() {
        const { lines, drops, refused } = await sendHindered(
          engine,
          remote,
          (_, server) => server.run("nft", refuseSome(type)),
        );
        ok(refused > 5, `${refused} datagrams were refused`);
        equal(lines.includes('"state":"down"'), false, lines);
        equal(drops["send failed"], undefined, JSON.stringify(drops));
      },
    });
  }

  for (const remote of ["10.77.1.2", "fd00:77::2"]) {
    Deno.test({
      name: `netns: ${engine}: records larger than the device's MTU of 1280 all arrive: ${remote}`,
      ...needsRoot(),
      async fn() {
        const { drops } = await sendHindered(
          engine,
          remote,
          (client) => client.run("ip", "link", "set", "l1", "mtu", "1280"),
        );
        equal(drops["send failed"], undefined, JSON.stringify(drops));
        equal(drops["too big for path"], undefined, JSON.stringify(drops));
      },
    });
  }
}
