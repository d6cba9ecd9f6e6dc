/** The links and servers a user names on the command line. */
import { UsageError } from "../../lib/cli/exit.ts";
import { parseAddress, parseHost, parseInterfaceName } from "../../lib/cli/host_name.ts";
import { parseList } from "../../lib/cli/list.ts";
import { splitPort } from "./server_port.ts";
import { PATHS_MAX } from "../../lib/protocol/path/path_table.ts";

/** Bonding is for two links or more: with one there is nothing to add up. */
export const BONDED_LINKS_MIN = 2;
export const BONDED_LINKS_MAX = PATHS_MAX;
/** Names or addresses of one server: one of each family is what they are for. */
const SERVERS_MAX = 8;

/** A local link to carry a path, as the user named it. */
export interface LinkChoice {
  interfaceName: string;
  /** The address to send from, or null: the one the interface has. */
  sourceAddress: string | null;
}

export function parseServers(text: string): string {
  const hosts = parseList("-server", text, "refuse");
  if (hosts.length === 0) throw new UsageError("-server must be an IP address or a host name");
  if (hosts.length > SERVERS_MAX) {
    throw new UsageError(`-server takes at most ${SERVERS_MAX} items, not ${hosts.length}`);
  }
  if (hosts.some((host) => splitPort(host) !== null)) {
    throw new UsageError(
      `-server '${text}' and -ctrl name more than one port: give the port of the control plane once`,
    );
  }
  return hosts.map((host) => parseHost("-server", host)).join(",");
}

/** Several servers, each by one name or address. Throws UsageError. */
export function parseServerList(text: string): string[] {
  const hosts = parseList("-servers", text, "refuse");
  if (hosts.length === 0) {
    throw new UsageError("-servers must name servers, as in a.example,b.example");
  }
  if (hosts.length > SERVERS_MAX) {
    throw new UsageError(`-servers takes at most ${SERVERS_MAX} servers, not ${hosts.length}`);
  }
  const withPort = hosts.find((host) => splitPort(host) !== null);
  if (withPort !== undefined) {
    throw new UsageError(
      `-servers takes no port, as in '${withPort}': all of them have the one of -ctrl`,
    );
  }
  const names = hosts.map((host) => parseHost("-servers", host));
  const twin = names.find((name, index) => names.indexOf(name) !== index);
  if (twin !== undefined) throw new UsageError(`-servers names '${twin}' twice`);
  return names;
}

/** The servers of -server or -servers, one of which must be given. Throws UsageError. */
export function chosenServers(
  { server, servers }: { server?: string; servers?: string[] },
): string[] {
  if (server !== undefined && servers !== undefined) {
    throw new UsageError(
      "-server is one server, by all its names and addresses, and -servers are several: give one " +
        "of them",
    );
  }
  if (servers !== undefined) return servers;
  if (server === undefined) throw new UsageError("-b needs -server HOST, or -servers LIST");
  return [server];
}

/** A comma at the end does not count, as with earlier programs. */
export function parseInterfaces(text: string): string[] {
  return parseList("-ifaces", text.replace(/[,\s]+$/, ""), "refuse")
    .map((name) => parseInterfaceName("-ifaces", name));
}

export function parseAddresses(text: string): string[] {
  return parseList("-ips", text, "keep")
    .map((address) => address === "" ? "" : parseAddress("-ips", address));
}

/** Throws UsageError. */
export function pairLinks(given: string[], addresses: string[]): LinkChoice[] {
  const interfaces = addresses.length === 0 ? [...new Set(given)] : given;
  if (addresses.length > 0 && addresses.length !== interfaces.length) {
    throw new UsageError(
      `-ips has ${addresses.length} items and -ifaces ${interfaces.length}: ` +
        "they go together, an empty item stands for any address",
    );
  }
  if (interfaces.length > 0 && interfaces.length < BONDED_LINKS_MIN) {
    throw new UsageError(
      `-b needs at least two interfaces, and -ifaces names only '${interfaces[0]}'`,
    );
  }
  if (interfaces.length > BONDED_LINKS_MAX) {
    throw new UsageError(
      `-b takes at most ${BONDED_LINKS_MAX} interfaces, and -ifaces has ${interfaces.length} items`,
    );
  }
  const links = interfaces.map((interfaceName, index) => ({
    interfaceName,
    sourceAddress: addresses[index] || null,
  }));
  refuseTwins(links);
  return links;
}

/** One interface twice is two paths over one wire, unless two addresses tell them apart. */
function refuseTwins(links: LinkChoice[]) {
  const seen = new Set<string>();
  for (const { interfaceName, sourceAddress } of links) {
    const key = `${interfaceName} ${sourceAddress ?? ""}`;
    if (seen.has(key)) throw new UsageError(`-ifaces names '${interfaceName}' twice`);
    seen.add(key);
  }
}
