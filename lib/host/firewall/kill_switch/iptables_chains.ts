import { markText } from "../traffic_mark.ts";
import { DNS_PORT, LOOKUP_MARK } from "../../dns/lookup_mark.ts";
import { type AddressFamily, familyOf } from "../../links/address.ts";
import type { PermittedTraffic } from "./permitted_traffic.ts";

/** A chain of our own, and the one that jumps there. */
export interface KillSwitchChain {
  name: string;
  from: "POSTROUTING" | "FORWARD";
}

/** Only this table sees packets after all routing. */
export const IPTABLES_TABLE = "mangle";
export const CHAINS: readonly KillSwitchChain[] = [
  { name: "fluxify-kill-fwd", from: "FORWARD" },
  { name: "fluxify-kill-out", from: "POSTROUTING" },
];

/** The rule by which packets get into the chain, as iptables lists it. */
export function jumpTo({ name, from }: KillSwitchChain): string {
  return `-A ${from} -j ${name}`;
}

/**
 * One chain as iptables-restore reads it; it takes the place of what the chain held, in one step.
 * So does the jump, first of all rules, when the number of `jumps` that are there is given.
 */
export function chainText(
  { name, from }: KillSwitchChain,
  family: AddressFamily,
  permitted: PermittedTraffic,
  jumps?: number,
): string {
  const matches = from === "FORWARD"
    ? [["-o", permitted.tun], ...networks(family, permitted)]
    : leaving(family, permitted);
  return [
    `*${IPTABLES_TABLE}`,
    `:${name} - [0:0]`,
    ...matches.map((match) => `-A ${name} ${match.join(" ")} -j RETURN`),
    `-A ${name} -j DROP`,
    ...jumps === undefined ? [] : [
      ...Array<string>(jumps).fill(`-D ${from} -j ${name}`),
      `-I ${from} 1 -j ${name}`,
    ],
    "COMMIT",
    "",
  ].join("\n");
}

function leaving(family: AddressFamily, permitted: PermittedTraffic): string[][] {
  return [
    ["-o", "lo"],
    ["-o", permitted.tun],
    ...servers(family, permitted),
    ...resolvers(family, permitted),
    ...LINK_LOCAL[family],
    ...networks(family, permitted),
  ];
}

/** DHCP, neighbour discovery, and what no router passes on. */
const LINK_LOCAL: Record<AddressFamily, string[][]> = {
  4: [
    ["-p", "udp", "--sport", "68", "--dport", "67"],
    ["-d", "169.254.0.0/16"],
    ["-d", "224.0.0.0/24"],
    ["-d", "255.255.255.255"],
  ],
  6: [
    ["-d", "fe80::/10"],
    ["-d", "ff01::/16"],
    ["-d", "ff02::/16"],
    ...[133, 134, 135, 136].map((type) => ["-p", "icmpv6", "--icmpv6-type", String(type)]),
  ],
};

function servers(
  family: AddressFamily,
  { links, servers, controlPort, dataPorts }: PermittedTraffic,
): string[][] {
  const ports = [
    ["-p", "tcp", "--dport", String(controlPort)],
    ...dataPorts.map((port) => ["-p", "udp", "--dport", String(port)]),
  ];
  return servers.filter((server) => familyOf(server) === family).flatMap((server) =>
    links.flatMap((link) => ports.map((port) => ["-o", link, "-d", server, ...port]))
  );
}

/** Only what bears the client's own mark: no other program's questions. */
function resolvers(family: AddressFamily, permitted: PermittedTraffic): string[][] {
  const question = ["-p", "udp", "--dport", String(DNS_PORT)];
  const mark = ["-m", "mark", "--mark", `0x${LOOKUP_MARK.toString(16)}`];
  return permitted.resolvers.filter(({ address }) => familyOf(address) === family)
    .map(({ device, address }) => ["-o", device, "-d", address, ...question, ...mark]);
}

function networks(family: AddressFamily, permitted: PermittedTraffic): string[][] {
  return permitted.networks.filter((network) => network.family === family)
    .map(({ device, prefix, mark }) => [
      ...["-o", device, "-d", prefix],
      ...mark === undefined ? [] : ["-m", "mark", "--mark", markText(mark)],
    ]);
}
