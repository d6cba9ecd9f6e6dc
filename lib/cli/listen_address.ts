import { isIP, isIPv6 } from "node:net";
import { UsageError } from "./exit.ts";
import { parseInteger } from "./integer.ts";

/** Where a program takes connections from others than its peers. */
export interface ListenAddress {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

/** `9477` alone is on 127.0.0.1; else as in `192.0.2.1:9477` or `[::1]:9477`. @throws UsageError */
export function parseListenAddress(flag: string, text: string): ListenAddress {
  const [, bracketed, plain, digits = ""] = /^(?:\[([^\]]*)\]:|([^:]*):)?(\d+)$/.exec(text) ?? [];
  const given = bracketed ?? plain ?? "127.0.0.1";
  const host = given === "localhost" ? "127.0.0.1" : given;
  const port = parseInteger(digits);
  const isHost = bracketed === undefined ? isIP(host) === 4 : isIPv6(host);
  if (isHost && port !== null && port >= 1 && port <= 65535) return { host, port };
  throw new UsageError(
    `${flag} must be a port, or an IP address and a port as in 127.0.0.1:9477, not '${text}'`,
  );
}

/** As in a URL. */
export function formatListenAddress({ host, port }: ListenAddress): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}
