/**
 * The leases as a file beside the certificates, so that clients keep their addresses when the server
 * starts again:
 *
 *   {"version":1,"leases":[{"name":"phone","ipv4":"10.8.0.3"},{"name":"laptop","ipv4":"10.8.0.2"}]}
 *
 * The least recently used comes first. The IPv6 address has the same host number.
 */
import * as v from "valibot";
import { AddressPool, HOST_MAX, HOST_MIN, type Lease, POOL_SIZE } from "./address_pool.ts";

export const LEASE_FILE_NAME = "leases.json";
/** What 253 leases of the longest names take, with room for what JSON escapes. */
export const LEASE_FILE_BYTES_MAX = 512 * 1024;

const NAME_LENGTH_MAX = 256;
const SUBNET = "10.8.0.";

const FileSchema = v.object({
  version: v.literal(1),
  leases: v.pipe(
    v.array(v.object({
      name: v.pipe(v.string(), v.minLength(1), v.maxLength(NAME_LENGTH_MAX)),
      ipv4: v.pipe(v.string(), v.regex(/^10\.8\.0\.(?:0|[1-9]\d{0,2})$/)),
    })),
    v.maxLength(POOL_SIZE),
  ),
});

export function encodeLeases(leases: readonly Lease[]): string {
  const lines = leases
    .filter(({ name }) => name.length > 0 && name.length <= NAME_LENGTH_MAX)
    .map(({ name, host }) => JSON.stringify({ name, ipv4: `${SUBNET}${host}` }));
  return `{"version":1,"leases":[\n${lines.join(",\n")}\n]}\n`;
}

/** Throws an Error that says what is wrong with the text. */
export function decodeLeases(text: string): Lease[] {
  const parsed = v.safeParse(FileSchema, parseJson(text));
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const where = v.getDotPath(issue);
    throw new Error(
      where === null ? "it is not a list of leases" : `${where} is not what it should be`,
    );
  }
  const leases = parsed.output.leases.map(({ name, ipv4 }) => ({
    name,
    host: Number(ipv4.slice(SUBNET.length)),
  }));
  for (const { host } of leases) {
    if (host < HOST_MIN || host > HOST_MAX) {
      throw new Error(`${SUBNET}${host} is no address of a client`);
    }
  }
  new AddressPool(leases); // refuses what is leased twice
  return leases;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("it is not JSON");
  }
}
