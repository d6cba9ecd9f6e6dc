import { isIP } from "node:net";
import type { Certificate } from "./certificate.ts";
import { PkiError } from "./pki_error.ts";

/** What `-hosts` stands for when it is not given. */
export const DEFAULT_HOSTS: readonly string[] = ["127.0.0.1", "localhost"];

/** A certificate with more names than this is a mistake in a script. */
const HOSTS_MAX = 100;

/** RFC 1123 labels, and underscores, which some resolvers hand out; a leading "*." is a wildcard. */
const DNS_NAME =
  /^(?=.{1,253}$)(\*\.)?[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

/**
 * The hosts in their canonical spelling, each once.
 * @throws {PkiError} "bad host" for what is neither an IP address nor a DNS name
 */
export function requireHosts(hosts: readonly string[]): string[] {
  const unique = [...new Set(hosts.map(canonicalHost))];
  const bad = unique.find((host) => !isHost(host));
  if (bad !== undefined) {
    throw new PkiError(
      "bad host",
      "",
      `Cannot put ${
        JSON.stringify(bad)
      } into the server certificate: it is neither an IP address nor a DNS name; give -hosts like 203.0.113.5,vpn.example.org`,
    );
  }
  if (unique.length > HOSTS_MAX) {
    throw new PkiError(
      "bad host",
      "",
      `Cannot put ${unique.length} hosts into the server certificate: ${HOSTS_MAX} are the limit; shorten -hosts`,
    );
  }
  return unique;
}

/** Those of `hosts` that a client could not reach this server by: they are not in the SANs. */
export function missingHosts(certificate: Certificate, hosts: readonly string[]): string[] {
  const named = new Set(hostsOf(certificate));
  return hosts.filter((host) => !named.has(host) && !named.has(wildcardFor(host)));
}

/** The IP addresses and DNS names among the SANs. */
export function hostsOf(certificate: Certificate): string[] {
  return (certificate.x509.subjectAltName ?? "")
    .split(", ")
    .flatMap((entry) => {
      const [, kind, value] = /^(DNS|IP Address):(.*)$/.exec(entry) ?? [];
      if (value === undefined || (isIP(value) === 0) !== (kind === "DNS")) return [];
      return [canonicalHost(value)];
    })
    .filter(isHost);
}

/** Lower case; IPv6 as RFC 5952 has it, but without dots, which the encoder takes amiss. */
function canonicalHost(host: string): string {
  if (isIP(host) !== 6 || host.includes("%")) return host.toLowerCase();
  return new URL(`http://[${host}]/`).hostname.slice(1, -1);
}

function isHost(host: string): boolean {
  if (isIP(host) !== 0) return !host.includes("%");
  // All digits and dots is an IPv4 address with a slip in it.
  return DNS_NAME.test(host) && !/^[\d.]+$/.test(host);
}

/** A wildcard stands for exactly one label (RFC 9525, section 6.3). */
function wildcardFor(host: string): string {
  return isIP(host) === 0 ? host.replace(/^[^.]*/, "*") : host;
}
