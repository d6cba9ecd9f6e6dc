/**
 * The TUN devices and their networks: addresses that other programs take away, networks of the machine
 * that overlap the tunnel's, and a client that is a router for a network behind it.
 *
 *   internet --- router --- server
 *                  |===== client --- lan --- host      192.168.9.0/24, fd99:9::/64
 */
import { equal, match } from "node:assert/strict";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, type Lab } from "../../scripts/lab/lab.ts";
import {
  newClientCertificate,
  spawnServer,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { connect, Namespace } from "../netns/namespace.ts";
import { topic } from "./scenario.ts";
import {
  createSmallLab,
  ending,
  FAR_ADDRESSES,
  innerAddresses,
  ping,
  pingAll,
} from "./small_lab.ts";

const STATE_TIMEOUT_MS = 20_000;
const FAR = [INTERNET_ADDRESS, INTERNET_ADDRESS6];
const CLIENT_TUN = "fluxify";
const SERVER_TUN = "fluxify-srv";

topic("e2e tunnel device", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");

  await scenario("addresses that another program takes are put back, and said", async () => {
    const server = await startServer(lab);
    const client = await startClient(lab, bundle);
    await pingAll(lab.client, FAR_ADDRESSES);
    const ends = [[lab.client, client, CLIENT_TUN], [lab.server, server, SERVER_TUN]] as const;
    for (const [machine, program, tun] of ends) {
      const deeds: [string[], RegExp][] = [
        [["ip", "address", "flush", "dev", tun], /took addresses from/],
        [["ip", "link", "set", tun, "down"], /set down/],
      ];
      for (const [deed, words] of deeds) {
        const from = program.lineCount;
        await machine.run(...deed);
        await program.waitForLine(words, STATE_TIMEOUT_MS, from);
        await pingAll(lab.client, FAR_ADDRESSES);
      }
    }
    equal(await client.stop("SIGINT"), 0);
    equal(await server.stop("SIGINT"), 0);
  });

  await scenario(
    "a server whose machine has the tunnel's network says so, and takes another",
    async () => {
      await lab.server.run("ip", "link", "add", "lan", "type", "veth", "peer", "lan-far");
      await lab.server.run("ip", "link", "set", "lan", "up");
      await lab.server.run("ip", "address", "add", "10.8.0.77/24", "dev", "lan");
      const { exitCode, text } = await ending(spawnServer(lab));
      equal(exitCode, 1);
      match(
        text,
        /Cannot use 10\.8\.0\.0\/24 inside the tunnel: lan of this machine has 10\.8\.0\.77\/24/,
      );

      const args = ["-network", "10.99.0.0/16", "-network6", "fd99::/64"];
      const server = await startServer(lab, { args });
      const client = await startClient(lab, bundle);
      const [own4, own6] = await innerAddresses(client);
      match(`${own4} ${own6}`, /^10\.99\.0\.2 fd99::2$/);
      await pingAll(lab.client, [...FAR, "10.99.0.1", "fd99::1"]);
      const { stdout } = await lab.client.run("ip", "-o", "address", "show", "dev", CLIENT_TUN);
      match(stdout, /10\.99\.0\.2\/16/);
      equal(await client.stop("SIGINT"), 0);
      equal(await server.stop("SIGINT"), 0);
      await lab.server.run("ip", "link", "del", "lan");
    },
  );

  const server = await startServer(lab);

  await scenario(
    "a link of the client's in the tunnel's network is said, and the tunnel works",
    async () => {
      await lab.client.run("ip", "link", "add", "lan", "type", "veth", "peer", "lan-far");
      await lab.client.run("ip", "link", "set", "lan", "up");
      await lab.client.run("ip", "address", "add", "10.8.0.77/24", "dev", "lan");
      const client = await startClient(lab, bundle);
      await client.waitForLine(
        /lan has 10\.8\.0\.77\/24, which overlaps the tunnel/,
        STATE_TIMEOUT_MS,
      );
      await pingAll(lab.client, [...FAR_ADDRESSES, "10.8.0.1", "fd00:8::1"]);
      // One that comes later is seen as well.
      await lab.client.run("ip", "address", "add", "fd00:8::77/64", "dev", "lan", "nodad");
      await client.waitForLine(/lan has fd00:8::77\/64, which overlaps/, STATE_TIMEOUT_MS);
      await pingAll(lab.client, ["10.8.0.1", "fd00:8::1"]);
      equal(await client.stop("SIGINT"), 0);
      await lab.client.run("ip", "link", "del", "lan");
    },
  );

  await scenario("what takes traffic beside the tunnel is said: policy rules, routes", async () => {
    const link = lab.links[0]!.name;
    const client = await startClient(lab, bundle);
    await lab.client.run(
      ..."ip route add 8.8.8.0/24 via 10.71.1.1 proto dhcp dev".split(" "),
      link,
    );
    await client.waitForLine(
      RegExp(
        `${link} has routes .* more specific .* 8\\.8\\.8\\.0/24 leaves beside the tunnel`,
      ),
      STATE_TIMEOUT_MS,
    );
    await lab.client.run(..."ip route add default table 100 dev".split(" "), link);
    await lab.client.run(..."ip rule add pref 2000 from all lookup 100".split(" "));
    await client.waitForLine(
      RegExp(`IPv4 traffic goes to ${link} by the routing table 100, not into the tunnel`),
      STATE_TIMEOUT_MS,
    );
    await lab.client.run(..."ip rule del pref 2000".split(" "));
    await lab.client.run(..."ip route flush table 100".split(" "));
    await lab.client.run(..."ip route del 8.8.8.0/24".split(" "));
    equal(await client.stop("SIGINT"), 0);
  });

  await scenario(
    "a network behind the client uses the tunnel where the client forwards",
    async () => {
      await using host = await addHost(lab);
      const client = await startClient(lab, bundle);
      await client.waitForLine(/the network behind it uses the tunnel/, STATE_TIMEOUT_MS);
      await pingAll(host, FAR);
      equal(await client.stop("SIGINT"), 0);

      const unshared = await startClient(lab, bundle, { args: ["-share", "off"] });
      const from = server.lineCount;
      await host.run("sh", "-c", `ping -q -c20 -i0.01 -w1 ${INTERNET_ADDRESS} || true`);
      await server.waitForLine(
        /addresses that are not their own.*-share on/,
        STATE_TIMEOUT_MS,
        from,
      );
      await ping(lab.client, INTERNET_ADDRESS);
      equal(await unshared.stop("SIGINT"), 0);
    },
  );
  equal(await server.stop("SIGINT"), 0);
});

/** A host on a network behind the client, whose router the client is. */
async function addHost(lab: Lab): Promise<Namespace> {
  const host = await Namespace.create("host");
  await connect(lab.client, host, {
    a: { name: "lan", addresses: ["192.168.9.1/24", "fd99:9::1/64"] },
    b: { name: "lan", addresses: ["192.168.9.2/24", "fd99:9::2/64"] },
  });
  await lab.client.sysctl("net.ipv4.ip_forward", 1);
  await lab.client.sysctl("net.ipv6.conf.all.forwarding", 1);
  await host.run("ip", "route", "add", "default", "via", "192.168.9.1");
  await host.run("ip", "route", "add", "default", "via", "fd99:9::1");
  return host;
}
