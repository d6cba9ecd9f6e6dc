/** How the server sees each link: by its own address, or by that of a NAT. */
import { isIPv4 } from "node:net";
import { prefixContains, sameAddress } from "../../lib/host/links/address.ts";
import { type Check, checksOf } from "./check.ts";

/** Between the NAT of a provider and its customers (RFC 6598). */
const PROVIDER_NETWORK = "100.64.0.0/10";
export const SECTION = "External addresses";

interface SeenLink {
  readonly name: string;
  /** Those of the interface. */
  readonly own: readonly string[];
  /** Address and port, as `203.0.113.7:40000` or `[2001:db8::7]:40000`; null: the server does not say. */
  readonly seenAs: string | null;
}

export function externalChecks(links: readonly SeenLink[]): Check[] {
  const { ok, warning, leftOut } = checksOf(SECTION);
  const checks = links.map(({ name, own, seenAs }) => {
    if (seenAs === null) return leftOut(name, "the server does not say from where it is reached");
    const host = hostOf(seenAs);
    if (!isBehindNat({ own, seenAs })) {
      return ok(name, `${host}, the link's own: no NAT`);
    }
    return ok(name, `${host}, behind ${natOf(own)}, which shows port ${portOf(seenAs)}`);
  });
  for (const [host, names] of sharedHosts(links)) {
    checks.push(warning(
      names.join(" and "),
      `all are seen as ${host}: they share a connection further out`,
      `put ${names.slice(1).join(" and ")} on another line: links of one line gain little together`,
    ));
  }
  return checks;
}

/** Whether the server sees another address than the link's own. */
export function isBehindNat({ own, seenAs }: Pick<SeenLink, "own" | "seenAs">): boolean {
  return seenAs !== null && !own.some((address) => sameAddress(address, hostOf(seenAs)));
}

function natOf(own: readonly string[]): string {
  const isProviders = own.some((one) => isIPv4(one) && prefixContains(PROVIDER_NETWORK, one));
  return isProviders ? "the NAT of the provider" : "a NAT";
}

/**
 * Addresses that several links are seen at, and their names: a NAT has one address for many links,
 * and links without a NAT have addresses of their own.
 */
export function sharedHosts(
  links: readonly Pick<SeenLink, "name" | "seenAs">[],
): Map<string, string[]> {
  const byHost = new Map<string, string[]>();
  for (const { name, seenAs } of links) {
    if (seenAs === null) continue;
    byHost.set(hostOf(seenAs), [...byHost.get(hostOf(seenAs)) ?? [], name]);
  }
  return new Map([...byHost].filter(([, names]) => names.length > 1));
}

/** Without brackets. */
export function hostOf(seenAs: string): string {
  return seenAs.slice(0, seenAs.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
}

export function portOf(seenAs: string): string {
  return seenAs.slice(seenAs.lastIndexOf(":") + 1);
}
