/** The options of bonding mode that the server does not share, and what load balancing refuses. */
import { isIP } from "node:net";
import { Option } from "@commander-js/extra-typings";
import { durationMsIn } from "../../lib/cli/duration.ts";
import { UsageError } from "../../lib/cli/exit.ts";
import { parseAddress, parseInterfaceName } from "../../lib/cli/host_name.ts";
import { parseList } from "../../lib/cli/list.ts";
import { SERVER_POLICIES, type ServerPolicy } from "../bonding/servers/server_choice.ts";
import { parseServerList, parseServers } from "./link_choice.ts";
import { GROUPS } from "../../lib/cli/tunnel_options.ts";
import { DNS_SERVERS_MAX } from "../../lib/host/dns/dns.ts";
import type { ShareMode } from "../../lib/host/firewall/tunnel_share.ts";
import { sameAddress } from "../../lib/host/links/address.ts";

const RENEWAL_MIN_MS = 5_000;
const RENEWAL_MAX_MS = 24 * 60 * 60_000;

/** Of the TUN device, unless -tun names another. */
export const TUN_NAME = "fluxify";

/** Flags, as a user writes them, that only bonding mode knows. */
export const BOND_FLAGS = [
  "-server",
  "-servers",
  "-server-choice",
  "-ctrl",
  "-ips",
  "-pki",
  "-cert",
  "-mtu",
  "-reorder-buffer-size",
  "-reorder-flush-timeout",
  "-engine",
  "-scheduler",
  "-compression",
  "-compression-sample-size",
  "-dscp",
  "-probe-pmtud",
  "-rekey-every",
  "-renew-every",
  "-accept-v1",
  "-dns",
  "-kill-switch",
  "-policy-routing",
  "-tun",
  "-share",
  "-bypass",
  "-bypass-cgroup",
  "-bypass-mark",
  "-only",
  "-rate",
  "-transport",
  "-proxy",
];

export const serverOption = () =>
  new Option(
    "--server <host>",
    "name, address or HOST:PORT of the server; up to 8, as in v4,v6",
  )
    .helpGroup(GROUPS.connection)
    .argParser(parseServers);

export const serversOption = () =>
  new Option(
    "--servers <list>",
    "up to eight servers of one authority, as in a.example,b.example: one is in use, the others are spares",
  )
    .helpGroup(GROUPS.connection)
    .argParser(parseServerList);

export const serverChoiceOption = () =>
  new Option(
    "--server-choice <how>",
    "with -servers: nearest (by round trip and load) or order (the first that works)",
  )
    .helpGroup(GROUPS.connection)
    .choices(SERVER_POLICIES)
    .default("nearest" as ServerPolicy, "nearest");

export const onceOption = () =>
  new Option("--once", "end with an error when the first attempt fails")
    .helpGroup(GROUPS.connection);

export const renewEveryOption = () =>
  new Option("--renew-every <time>", "renew the session this often, 5s to 24h")
    .helpGroup(GROUPS.safety)
    .default(60 * 60_000, "60m")
    .argParser(durationMsIn("-renew-every", RENEWAL_MIN_MS, RENEWAL_MAX_MS));

export const dnsOption = () =>
  new Option(
    "--dns <list>",
    "up to three DNS servers to ask through the tunnel, as in 1.1.1.1,2606:4700::1111",
  )
    .helpGroup(GROUPS.safety)
    .argParser(parseDnsServers);

export const killSwitchOption = () =>
  new Option("--kill-switch", "let nothing out beside the tunnel, until stop or 'restore'")
    .helpGroup(GROUPS.safety);

export const tunOption = () =>
  new Option("--tun <name>", "name of the TUN device").helpGroup(GROUPS.links)
    .default(TUN_NAME).argParser((text) => parseInterfaceName("-tun", text));

export const policyRoutingOption = () =>
  new Option("--policy-routing", "give each link a routing table of its own")
    .helpGroup(GROUPS.links);

const SHARE_WORDS = ["auto", "on", "off"] as const;
/** Networks behind one machine. */
const SHARED_MAX = 16;

/** Throws UsageError. */
function parseSharedInterfaces(text: string): string[] {
  const names = parseList("-share", text, "refuse").map((name) =>
    parseInterfaceName("-share", name)
  );
  const word = names.find((name) => SHARE_WORDS.some((word) => word === name));
  if (names.length === 0 || word !== undefined) {
    throw new UsageError(`-share must be on, off, auto or names of interfaces, not '${text}'`);
  }
  if (names.length > SHARED_MAX) {
    throw new UsageError(`-share takes at most ${SHARED_MAX} interfaces, not ${names.length}`);
  }
  return [...new Set(names)];
}

/** A network behind this machine is no way to the server. Throws UsageError. */
export function checkShare(share: ShareMode, links: readonly string[], tun: string): void {
  if (typeof share === "string") return;
  const wrong = share.find((name) => links.includes(name) || name === tun || name === "lo");
  if (wrong === undefined) return;
  throw new UsageError(
    `-share names '${wrong}', which leads to no network behind this machine: give the interface of that`,
  );
}

export const shareOption = () =>
  new Option(
    "--share <mode>",
    "let a network behind this machine use the tunnel: the interfaces to it, as in eth1; on (all), off, or auto (where it forwards anyway)",
  )
    .helpGroup(GROUPS.links)
    .default("auto" as ShareMode, "auto")
    .argParser((text) => {
      const word = SHARE_WORDS.find((word) => word === text);
      return word ?? parseSharedInterfaces(text);
    });

/** What `set dns` takes: servers as -dns does, or none with "off". @throws UsageError */
export function parseDnsChoice(text: string): string[] {
  return text === "off" ? [] : parseDnsServers(text);
}

/** Each server once, in the user's order. Throws UsageError. */
function parseDnsServers(text: string): string[] {
  const servers: string[] = [];
  for (const address of parseList("-dns", text, "refuse")) {
    parseAddress("-dns", address);
    if (address.includes("%")) {
      throw new UsageError(`-dns must hold addresses that the tunnel can reach, not '${address}'`);
    }
    if (sameAddress(address, isIP(address) === 4 ? "0.0.0.0" : "::")) {
      throw new UsageError(`-dns must hold addresses of servers, not '${address}'`);
    }
    if (servers.some((other) => sameAddress(other, address))) {
      throw new UsageError(`-dns names '${address}' twice`);
    }
    servers.push(address);
  }
  if (servers.length === 0) throw new UsageError("-dns must name at least one server");
  if (servers.length > DNS_SERVERS_MAX) {
    throw new UsageError(`-dns takes at most ${DNS_SERVERS_MAX} servers, not ${servers.length}`);
  }
  return servers;
}
