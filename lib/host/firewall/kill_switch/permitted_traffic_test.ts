import assert from "node:assert/strict";
import fc from "fast-check";
import { containsCidr, overlapCidr } from "cidr-tools";
import { localNetworks, type PermittedTraffic } from "./permitted_traffic.ts";
import { CHAINS, chainText } from "./iptables_chains.ts";
import { nftTable } from "./nft_table.ts";
import { interfaceWith } from "../../../../testing/network_interface.ts";

const PERMITTED: PermittedTraffic = {
  tun: "fluxify",
  links: ["eth0", "wlan0"],
  servers: ["203.0.113.7", "2001:db8:9::7"],
  controlPort: 8443,
  dataPorts: [8000],
  networks: [
    { device: "eth0", family: 4, prefix: "192.168.1.0/24" },
    { device: "eth0", family: 6, prefix: "2001:db8:1::/64" },
  ],
  resolvers: [
    { device: "eth0", address: "192.0.2.53" },
    { device: "wlan0", address: "2001:db8:53::1" },
  ],
};

Deno.test("localNetworks() takes those of all links but loopback and the tunnel", () => {
  const { networks, notices } = localNetworks([
    interfaceWith("lo", ["127.0.0.1", 8], ["::1", 128]),
    interfaceWith("fluxify", ["10.8.0.2", 24]),
    interfaceWith("eth0", ["192.168.1.20", 24], ["192.168.1.21", 24], ["fe80::1", 64], [
      "fd00::5",
      48,
    ]),
    interfaceWith("ppp0", ["100.64.0.9", 32, "100.64.0.1"]),
    interfaceWith('we"ird', ["192.168.9.1", 24]),
    interfaceWith("br0", ["10.0.0.1", 8]),
  ], "fluxify");
  assert.deepEqual(networks.map(({ device, prefix }) => `${device} ${prefix}`), [
    "eth0 192.168.1.0/24",
    "eth0 fd00::/48",
    "ppp0 100.64.0.1/32",
    "br0 10.0.0.0/8",
  ]);
  assert.deepEqual(notices, []);
});

Deno.test("localNetworks() takes no public network for local, however small", () => {
  const wide = interfaceWith("wlan0", ["8.8.8.1", 1], ["203.0.113.9", 24], ["2001:db8:0:1::1", 64]);
  const { networks, notices } = localNetworks([wide], "fluxify");
  assert.deepEqual(networks, []);
  assert.deepEqual(notices.map((line) => /to (\S+) on wlan0/.exec(line)?.[1]), [
    "0.0.0.0/1",
    "203.0.113.0/24",
    "2001:db8:0:1::/64",
  ]);
});

Deno.test("property: localNetworks() lets through the link's network or nothing", () => {
  fc.assert(fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, length) => {
    const { networks, notices } = localNetworks([interfaceWith("e", [address, length])], "fluxify");
    assert.equal(networks.length + notices.length, 1);
    for (const { prefix } of networks) {
      assert.ok(containsCidr(prefix, address));
      assert.ok(!overlapCidr(prefix, "8.8.8.8"));
    }
  }));
});

Deno.test("localNetworks() is bounded", () => {
  const addresses = Array.from({ length: 300 }, (_, i): [string, number] => {
    return [`10.${i >> 8}.${i & 255}.1`, 24];
  });
  assert.equal(localNetworks([interfaceWith("e", ...addresses)], "fluxify").networks.length, 256);
});

Deno.test("nftTable() replaces the table in one go and names every exception", () => {
  const text = nftTable(PERMITTED);
  assert.ok(text.startsWith("table inet fluxify_kill_switch\ndelete table inet"));
  assert.equal(text.match(/policy drop/g)?.length, 2);
  for (
    const rule of [
      'oifname { "eth0", "wlan0" } ip daddr 203.0.113.7 tcp dport 8443 accept',
      'oifname { "eth0", "wlan0" } ip6 daddr 2001:db8:9::7 udp dport 8000 accept',
      'oifname "eth0" ip daddr 192.168.1.0/24 accept',
      'oifname "eth0" ip6 daddr 2001:db8:1::/64 accept',
      'meta mark 0x20000053 oifname "eth0" ip daddr 192.0.2.53 udp dport 53 accept',
      'meta mark 0x20000053 oifname "wlan0" ip6 daddr 2001:db8:53::1 udp dport 53 accept',
    ]
  ) assert.ok(text.includes(rule), rule);
  const [, forward] = text.split("chain forward");
  assert.doesNotMatch(
    forward!,
    /203\.0\.113\.7|8443|2001:db8:9|mark/,
    "nobody else's way to the server",
  );
});

Deno.test("what bears a mark is let out to anywhere, over that link, in its family", () => {
  const mark = { value: 0x10, mask: 0xf0 };
  const networks = [
    { device: "eth0", family: 4 as const, prefix: "0.0.0.0/0", mark },
    { device: "wlan0", family: 6 as const, prefix: "::/0", mark },
  ];
  const text = nftTable({ ...PERMITTED, networks });
  assert.ok(text.includes('oifname "eth0" meta mark and 0xf0 == 0x10 meta nfproto ipv4 accept'));
  assert.ok(text.includes('oifname "wlan0" meta mark and 0xf0 == 0x10 meta nfproto ipv6 accept'));
  for (const chain of CHAINS) {
    const lines = chainText(chain, 4, { ...PERMITTED, networks });
    assert.match(lines, /-o eth0 -d 0\.0\.0\.0\/0 -m mark --mark 0x10\/0xf0 -j RETURN/);
    assert.doesNotMatch(lines, /-o wlan0 .*--mark 0x10/);
  }
});

Deno.test("the port of the data plane is closed until it is known", () => {
  const early = { ...PERMITTED, dataPorts: [] };
  assert.doesNotMatch(nftTable(early), /8000|null/);
  for (const chain of CHAINS) {
    for (const family of [4, 6] as const) {
      assert.doesNotMatch(chainText(chain, family, early), /8000|null/);
    }
  }
});

Deno.test("chainText() keeps the families apart and ends in a drop", () => {
  for (const chain of CHAINS) {
    for (const family of [4, 6] as const) {
      const lines = chainText(chain, family, PERMITTED).split("\n");
      assert.deepEqual(lines.slice(-3), [`-A ${chain.name} -j DROP`, "COMMIT", ""]);
      const destinations = lines.flatMap((line) => / -d (\S+)/.exec(line)?.[1] ?? []);
      assert.ok(destinations.every((destination) => destination.includes(":") === (family === 6)));
      assert.equal(lines.some((line) => line.includes("8443")), chain.from === "POSTROUTING");
    }
  }
});
