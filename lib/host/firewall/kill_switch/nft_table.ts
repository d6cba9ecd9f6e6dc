import { DNS_PORT, LOOKUP_MARK } from "../../dns/lookup_mark.ts";
import { familyOf } from "../../links/address.ts";
import { markMatch } from "../traffic_mark.ts";
import type { PermittedTraffic } from "./permitted_traffic.ts";

export const NFT_TABLE = ["inet", "fluxify_kill_switch"] as const;

/**
 * The table as nft reads it, in the place of the one that may be there: nft does all of it or
 * nothing, and no packet passes in between. Dropping in one table is final, whatever another accepts.
 */
export function nftTable(permitted: PermittedTraffic): string {
  const name = NFT_TABLE.join(" ");
  const tun = `"${permitted.tun}"`;
  return [
    `table ${name}`,
    `delete table ${name}`,
    `table ${name} {`,
    "  chain networks {",
    ...networks(permitted),
    "  }",
    // Not in output: what is routed anew after it, by a mark, still shows its first interface there.
    "  chain postrouting {",
    "    type filter hook postrouting priority 0; policy drop;",
    `    oifname { "lo", ${tun} } accept`,
    ...servers(permitted),
    ...resolvers(permitted),
    "    meta nfproto ipv4 udp sport 68 udp dport 67 accept",
    "    ip daddr { 169.254.0.0/16, 224.0.0.0/24, 255.255.255.255 } accept",
    "    ip6 daddr { fe80::/10, ff01::/16, ff02::/16 } accept",
    "    icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, " +
    "nd-neighbor-advert } accept",
    "    jump networks",
    "  }",
    "  chain forward {",
    "    type filter hook forward priority 0; policy drop;",
    `    oifname ${tun} accept`,
    "    jump networks",
    "  }",
    "}",
    "",
  ].join("\n");
}

function networks(permitted: PermittedTraffic): string[] {
  return permitted.networks.map(({ device, family, prefix, mark }) => {
    // nft takes no prefix that is everything.
    const where = prefix.endsWith("/0")
      ? `meta nfproto ipv${family}`
      : `${family === 4 ? "ip" : "ip6"} daddr ${prefix}`;
    const marked = mark === undefined ? "" : `${markMatch(mark)} `;
    return `    oifname "${device}" ${marked}${where} accept`;
  });
}

/** Only what bears the client's own mark: no other program's questions. */
function resolvers(permitted: PermittedTraffic): string[] {
  return permitted.resolvers.map(({ device, address }) =>
    `    meta mark 0x${LOOKUP_MARK.toString(16)} oifname "${device}" ` +
    `${familyOf(address) === 4 ? "ip" : "ip6"} daddr ${address} udp dport ${DNS_PORT} accept`
  );
}

function servers({ links, servers, controlPort, dataPorts }: PermittedTraffic): string[] {
  if (links.length === 0) return [];
  const devices = `oifname { ${links.map((name) => `"${name}"`).join(", ")} }`;
  const ports = [`tcp dport ${controlPort}`, ...dataPorts.map((port) => `udp dport ${port}`)];
  return servers.flatMap((server) =>
    ports.map((port) =>
      `    ${devices} ${familyOf(server) === 4 ? "ip" : "ip6"} daddr ${server} ${port} accept`
    )
  );
}
