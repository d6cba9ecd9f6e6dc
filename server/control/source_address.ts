/**
 * Names the source that `address` counts for: an IPv4 address itself (also when written as
 * ::ffff:a.b.c.d), the /64 of an IPv6 address, because one host commonly owns a whole /64.
 */
export function sourceOf(address: string): string {
  const plain = plainAddress(address);
  return plain.includes(":") ? `${groupsOf(plain, 4)}::/64` : plain;
}

/**
 * Names the network of `address`, whose hosts have one owner as a rule: the /24 of an IPv4 address,
 * the /48 of an IPv6 address.
 */
export function networkOf(address: string): string {
  const plain = plainAddress(address);
  if (plain.includes(":")) return `${groupsOf(plain, 3)}::/48`;
  return `${plain.slice(0, plain.lastIndexOf("."))}.0/24`;
}

/** The first groups of an IPv6 address, without leading zeros. */
function groupsOf(plain: string, count: number): string {
  const [head = "", tail] = plain.split("%")[0]!.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const tailGroups = tail === "" ? [] : tail.split(":");
    while (groups.length + tailGroups.length < 8) groups.push("0");
    groups.push(...tailGroups);
  }
  return groups.slice(0, count).map((group) => Number.parseInt(group, 16).toString(16)).join(":");
}

/** Writes an IPv4 address that came in on a dual-stack socket as IPv4. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
}
