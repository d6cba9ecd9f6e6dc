/**
 * The network interfaces of this machine as `ip` reports them. One listing is a snapshot; the
 * questions about it are pure functions. Errors name the interfaces or addresses there are, so that
 * a mistyped `-iface` or `-ips` can be mended from the message alone.
 */
import * as v from "valibot";
import { type CommandRunner, runForList } from "../command/runner.ts";
import { type AddressFamily, familyOf, sameAddress } from "./address.ts";

export interface InterfaceAddress {
  family: AddressFamily;
  address: string;
  prefixLength: number;
  /** The other end of a point-to-point address. */
  peer: string | undefined;
  scope: string;
  /** Still looked for on the wire, or found there: nothing can be sent from it (RFC 4862). */
  isTentative?: true;
  /** Not to be the source of anything new: its network has been given up (RFC 4862). */
  isDeprecated?: true;
}

export interface NetworkInterface {
  name: string;
  index: number;
  /** Switched on by the administrator. */
  up: boolean;
  /** The wire, radio or other end is there. */
  lowerUp: boolean;
  loopback: boolean;
  /** Has one other end and therefore no gateway: PPP, WireGuard, most LTE modems, TUN. */
  pointToPoint: boolean;
  /** Largest IP packet, in bytes. */
  mtu: number;
  addresses: InterfaceAddress[];
}

const AddressSchema = v.object({
  family: v.picklist(["inet", "inet6"]),
  local: v.string(),
  prefixlen: v.number(),
  address: v.optional(v.string()),
  scope: v.optional(v.string(), "global"),
  tentative: v.optional(v.boolean(), false),
  optimistic: v.optional(v.boolean(), false),
  dadfailed: v.optional(v.boolean(), false),
  deprecated: v.optional(v.boolean(), false),
});

const LinkSchema = v.object({
  ifindex: v.number(),
  ifname: v.string(),
  flags: v.array(v.string()),
  mtu: v.number(),
  // Loose items: a kind of address unknown here must not hide the interface.
  addr_info: v.optional(v.array(v.unknown()), []),
});

/** Throws CommandError or MissingProgramError when `ip` fails. */
export async function listInterfaces(runner: CommandRunner): Promise<NetworkInterface[]> {
  const links = await runForList(runner, ["ip", "-j", "address", "show"], LinkSchema);
  return links.map((link) => ({
    name: link.ifname,
    index: link.ifindex,
    up: link.flags.includes("UP"),
    lowerUp: link.flags.includes("LOWER_UP"),
    loopback: link.flags.includes("LOOPBACK"),
    pointToPoint: link.flags.includes("POINTOPOINT"),
    mtu: link.mtu,
    addresses: link.addr_info.flatMap(parseAddress),
  }));
}

export function findInterface(
  interfaces: readonly NetworkInterface[],
  name: string,
): NetworkInterface | undefined {
  return interfaces.find((candidate) => candidate.name === name);
}

/** Why nothing can be sent over an interface, whatever its addresses and routes are; or null. */
export function whyAway(
  link: NetworkInterface | undefined,
): "is not there" | "is down" | "has no carrier" | null {
  if (link === undefined) return "is not there";
  if (!link.up) return "is down";
  return link.lowerUp ? null : "has no carrier";
}

/** Throws InterfaceError, naming the interfaces there are. */
export function requireInterface(
  interfaces: readonly NetworkInterface[],
  name: string,
): NetworkInterface {
  const found = findInterface(interfaces, name);
  if (found !== undefined) return found;
  throw new InterfaceError(
    `no interface named ${name}; this machine has: ${namesToOffer(interfaces)}`,
  );
}

/** Those that may have been meant by a name that is not there, as in `eth0, wwan0`. */
export function namesToOffer(interfaces: readonly NetworkInterface[]): string {
  return interfaces.filter(({ loopback }) => !loopback).map(({ name }) => name).join(", ") ||
    "none";
}

/** Checks that `address` can be the source of packets sent on `link`. Throws InterfaceError. */
export function requireSourceAddress(link: NetworkInterface, address: string): InterfaceAddress {
  const found = link.addresses.find((one) => sameAddress(one.address, address));
  if (found !== undefined) return found;
  const addresses = link.addresses.map((one) => one.address).join(", ") || "no address";
  throw new InterfaceError(
    `the source address ${address} does not belong to ${link.name}, which has: ${addresses}`,
  );
}

/** Whether `address` is this machine's own, so that packets to it leave on no link. */
export function isOwnAddress(interfaces: readonly NetworkInterface[], address: string): boolean {
  return interfaces.some((one) => one.addresses.some((own) => sameAddress(own.address, address)));
}

/**
 * Checks a name before it becomes an argument of a command or a part of a path. Stricter than the
 * kernel, which allows quotes, "-x" and more. Throws InterfaceError.
 */
export function checkInterfaceName(name: string): string {
  if (/^[A-Za-z0-9_@:.][A-Za-z0-9_@:.-]{0,14}$/.test(name) && name !== "." && name !== "..") {
    return name;
  }
  throw new InterfaceError(
    `${JSON.stringify(name)} cannot be the name of an interface: use 1 to 15 letters, digits, ` +
      `".", "_" or "-"`,
  );
}

/**
 * The name of a link, of an interface that need not be there: neither the loopback nor `tun`, the
 * client's own device. @throws InterfaceError
 */
export function checkLinkName(name: string, tun?: string): void {
  checkInterfaceName(name);
  if (name === "lo" || name === tun) throw new InterfaceError(`${name} is no link`);
}

/** A wrong interface or source address was asked for. */
export class InterfaceError extends Error {
  override name = "InterfaceError";
}

function parseAddress(item: unknown): InterfaceAddress[] {
  const parsed = v.safeParse(AddressSchema, item);
  if (!parsed.success) return [];
  const { local, prefixlen, address, scope, tentative, optimistic, dadfailed, deprecated } =
    parsed.output;
  return [{
    family: familyOf(local),
    address: local,
    prefixLength: prefixlen,
    peer: address,
    scope,
    ...((tentative && !optimistic) || dadfailed ? { isTentative: true as const } : {}),
    ...(deprecated ? { isDeprecated: true as const } : {}),
  }];
}
