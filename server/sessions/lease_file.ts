/**
 * The leases as a file beside the certificates, so that clients keep their addresses when the server
 * starts again:
 *
 *   {"version":1,"leases":[{"name":"phone","ipv4":"10.8.0.3"},{"name":"laptop","ipv4":"10.8.0.2"}]}
 *
 * The least recently used comes first. The IPv6 address has the same host number.
 */
import * as v from "valibot";
import type { TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";
import { AddressPool, type Lease } from "./address_pool.ts";

export const LEASE_FILE_NAME = "leases.json";
/** What the leases of a /16 take with names of ordinary length. */
export const LEASE_FILE_BYTES_MAX = 8 * 1024 * 1024;
/** Those of a /16. */
const LEASES_MAX = 65_536;

const NAME_LENGTH_MAX = 256;

const FileSchema = v.object({
  version: v.literal(1),
  leases: v.pipe(
    v.array(v.object({
      name: v.pipe(v.string(), v.minLength(1), v.maxLength(NAME_LENGTH_MAX)),
      ipv4: v.pipe(v.string(), v.ipv4()),
    })),
    v.maxLength(LEASES_MAX),
  ),
});

export function encodeLeases(leases: readonly Lease[], network: TunnelNetwork): string {
  const lines = leases
    .filter(({ name }) => name.length > 0 && name.length <= NAME_LENGTH_MAX)
    .map(({ name, host }) => JSON.stringify({ name, ipv4: network.addressesOf(host).ipv4 }));
  return `{"version":1,"leases":[\n${lines.join(",\n")}\n]}\n`;
}

/**
 * Leases of another network than `network` are left out: the server has been given a new one since.
 * Throws an Error that says what is wrong with the text.
 */
export function decodeLeases(text: string, network: TunnelNetwork): Lease[] {
  const parsed = v.safeParse(FileSchema, parseJson(text));
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const where = v.getDotPath(issue);
    throw new Error(
      where === null ? "it is not a list of leases" : `${where} is not what it should be`,
    );
  }
  const leases: Lease[] = [];
  for (const { name, ipv4 } of parsed.output.leases) {
    if (!network.contains(ipv4)) continue;
    const host = network.numberOf(ipv4);
    if (host === null) throw new Error(`${ipv4} is no address of a client`);
    leases.push({ name, host });
  }
  new AddressPool(leases, network); // refuses what is leased twice
  return leases;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("it is not JSON");
  }
}
