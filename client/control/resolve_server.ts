import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { ControlError } from "./control_error.ts";

export interface ServerAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** More than a server has in practice; each costs a share of the time for an exchange. */
export const SERVER_ADDRESSES_MAX = 8;

/**
 * Finds the addresses of `host`, which may be a name or an IP address, brackets around an IPv6
 * address allowed. IPv6 and IPv4 alternate, first the family that the system prefers: one dead
 * family then costs one attempt. At least one address, at most SERVER_ADDRESSES_MAX.
 *
 * Throws ControlError "name not found".
 */
export async function resolveServer(host: string): Promise<ServerAddress[]> {
  const literal = plainHost(host);
  const family = isIP(literal);
  if (family === 4 || family === 6) return [{ address: literal, family }];
  let found: { address: string; family: number }[];
  try {
    found = await lookup(literal, { all: true, verbatim: true });
  } catch (error) {
    throw nameNotFound(host, (error as NodeJS.ErrnoException).code);
  }
  const addresses = found.map(({ address, family }): ServerAddress => ({
    address,
    family: family === 6 ? 6 : 4,
  }));
  if (addresses.length === 0) throw nameNotFound(host, "ENODATA");
  return alternateFamilies(addresses).slice(0, SERVER_ADDRESSES_MAX);
}

/** Takes the brackets off an IPv6 address; certificates and sockets want it without. */
export function plainHost(host: string): string {
  const bracketed = /^\[(.*)\]$/.exec(host)?.[1];
  return bracketed !== undefined && isIP(bracketed) === 6 ? bracketed : host;
}

/** Keeps the order within each family. */
export function alternateFamilies(addresses: readonly ServerAddress[]): ServerAddress[] {
  const preferred = addresses[0]?.family;
  const first = addresses.filter(({ family }) => family === preferred);
  const second = addresses.filter(({ family }) => family !== preferred);
  const mixed: ServerAddress[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    mixed.push(...first.slice(i, i + 1), ...second.slice(i, i + 1));
  }
  return mixed;
}

function nameNotFound(host: string, code: string | undefined): ControlError {
  return new ControlError(
    "name not found",
    `Cannot find the server '${host}' (${code ?? "no answer"}): check the spelling, and that DNS ` +
      "works on this machine",
    { retryable: true },
  );
}
