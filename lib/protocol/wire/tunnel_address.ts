/** The addresses a client is given inside the tunnel, as text; the server is host 1 of both. */

const PREFIX_GROUPS = 4;
const GROUPS = 8;

/**
 * Whether `text` is a dotted unicast address whose host number can be a client's in its network.
 * @param prefix length of the network's prefix, in bits.
 */
export function isClientIpv4(text: string, prefix: number): boolean {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return false;
  const octets = match.slice(1).map(Number);
  const isCanonical = octets.join(".") === text && octets.every((octet) => octet <= 255);
  const network = octets[0]!;
  const isUnicast = network >= 1 && network <= 223 && network !== 127;
  const hosts = 2 ** (32 - prefix);
  const host = octets.reduce((value, octet) => value * 256 + octet, 0) % hosts;
  // The last one is the broadcast address.
  return isCanonical && isUnicast && host >= 2 && host < hosts - 1;
}

/** Whether `text` is an IPv6 unicast address, in colon form, whose host part can be a client's. */
export function isClientIpv6(text: string): boolean {
  const groups = parseIpv6(text);
  if (groups === null) return false;
  const network = groups[0]!;
  const isMulticast = network >= 0xff00;
  const isLinkLocal = (network & 0xffc0) === 0xfe80;
  const isReserved = groups.slice(0, PREFIX_GROUPS).every((group) => group === 0);
  if (isMulticast || isLinkLocal || isReserved) return false;
  const host = groups.slice(PREFIX_GROUPS);
  return host.slice(0, -1).some((group) => group !== 0) || host.at(-1)! > 1;
}

/**
 * The eight groups of RFC 4291 text forms 1 and 2, or null. Form 3 (dotted end) and zones are
 * refused.
 */
export function parseIpv6(text: string): number[] | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = halves.map((half) => half === "" ? [] : half.split(":"));
  const written = [...head!, ...tail ?? []];
  if (!written.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  const missing = GROUPS - written.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  const zeros = new Array<string>(missing).fill("0");
  return [...head!, ...zeros, ...tail ?? []].map((group) => Number.parseInt(group, 16));
}

/** The text of RFC 5952: the longest run of zeros is left out, letters are small. */
export function formatIpv6(groups: readonly number[]): string {
  const text = groups.map((group) => group.toString(16)).join(":");
  const runs = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].map(([run]) => run);
  const longest = runs.sort((a, b) => b.length - a.length)[0];
  if (longest === undefined) return text;
  const at = text.indexOf(longest);
  return `${text.slice(0, at)}::${text.slice(at + longest.length).replace(/^:/, "")}`;
}
