import { isIP } from "node:net";
import { UsageError } from "./exit.ts";

const HOST_NAME_LENGTH_MAX = 253;
/** A label of RFC 1123, section 2.1; the underscore is common in private zones. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;
/** IFNAMSIZ of linux/if.h, less the terminating zero. */
const INTERFACE_NAME_BYTES_MAX = 15;

/**
 * Checks an IP address or DNS name given to the option `flag`. Brackets around an IPv6 address
 * are taken off. Throws UsageError.
 */
export function parseHost(flag: string, text: string): string {
  const bracketed = /^\[(.*)\]$/.exec(text)?.[1];
  if (bracketed !== undefined && isIP(bracketed) === 6) return bracketed;
  if (isIP(text) !== 0) return text;
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  const labels = name.split(".");
  // A name whose last label is a number is a mistyped address, never a host (RFC 3696, section 2).
  const numeric = /^\d+$/.test(labels.at(-1) ?? "");
  if (name.length > HOST_NAME_LENGTH_MAX || numeric || !labels.every((l) => LABEL.test(l))) {
    throw new UsageError(`${flag} must be an IP address or a host name, not '${text}'`);
  }
  return name;
}

/** Checks an IPv4 or IPv6 address given to the option `flag`. Throws UsageError. */
export function parseAddress(flag: string, text: string): string {
  if (isIP(text) === 0) throw new UsageError(`${flag} must hold IP addresses, not '${text}'`);
  return text;
}

/**
 * Checks the name of a network interface given to the option `flag`, by the rule of
 * dev_valid_name() in the kernel's net/core/dev.c. Throws UsageError.
 */
export function parseInterfaceName(flag: string, text: string): string {
  const bytes = new TextEncoder().encode(text).byteLength;
  const valid = bytes > 0 && bytes <= INTERFACE_NAME_BYTES_MAX && text !== "." && text !== ".." &&
    // deno-lint-ignore no-control-regex
    !/[/:\s\u0000-\u001f]/.test(text);
  if (!valid) {
    throw new UsageError(`${flag} must hold names of network interfaces, not '${text}'`);
  }
  return text;
}
