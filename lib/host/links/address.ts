import { isIP } from "node:net";
import { containsCidr, normalizeCidr, overlapCidr } from "cidr-tools";

export type AddressFamily = 4 | 6;
export const FAMILIES = [4, 6] as const;

/** Throws RangeError when `address` is neither IPv4 nor IPv6. A zone ("%eth0") is not accepted. */
export function familyOf(address: string): AddressFamily {
  const family = address.includes("%") ? 0 : isIP(address);
  if (family === 4 || family === 6) return family;
  throw new RangeError(`"${address}" is not an IPv4 or IPv6 address`);
}

/** The address as the kernel writes it: 2001:db8::1 for 2001:DB8:0::1. Throws RangeError. */
export function canonicalAddress(address: string): string {
  familyOf(address);
  return normalizeCidr(address);
}

/** Whether both are written forms of one address, such as fd00::1 and FD00:0::1. */
export function sameAddress(one: string, other: string): boolean {
  return canonicalAddress(one) === canonicalAddress(other);
}

/** Whether `address` lies in `prefix`, such as 10.8.0.0/24. Never across families. */
export function prefixContains(prefix: string, address: string): boolean {
  return containsCidr(prefix, address);
}

/**
 * The prefix as the kernel writes it, without the bits of hosts: 192.0.2.0/24 for 192.0.2.7/24; of an
 * address, that address alone. Throws RangeError.
 */
export function canonicalPrefix(text: string): string {
  const [, address = "", length] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const bits = familyOf(address) === 4 ? 32 : 128;
  if (length === undefined) return `${canonicalAddress(address)}/${bits}`;
  if (Number(length) > bits) throw new RangeError(`"${text}" is not a prefix`);
  return normalizeCidr(`${address}/${Number(length)}`);
}

/** Whether `text` is a prefix as the kernel writes it. */
export function isCanonicalPrefix(text: string): boolean {
  try {
    return canonicalPrefix(text) === text;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** Whether some address is in both. Never across families. */
export function prefixesOverlap(one: string, other: string): boolean {
  return one.includes(":") === other.includes(":") && overlapCidr(one, other);
}

/** The route to one address alone: 192.0.2.1/32, 2001:db8::1/128. */
export function hostPrefix(address: string): string {
  return familyOf(address) === 4 ? `${address}/32` : `${address}/128`;
}

/** Whether packets to `address` never leave this machine by definition: 127.0.0.0/8, ::1. */
export function isLoopback(address: string): boolean {
  if (familyOf(address) === 4) return prefixContains("127.0.0.0/8", address);
  return sameAddress(address, "::1") || prefixContains("::ffff:127.0.0.0/104", address);
}
