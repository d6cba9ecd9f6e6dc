/** Networks of which nobody on the Internet is. */
import { isIP } from "node:net";
import { isLoopback, prefixContains } from "./address.ts";

/** Addresses that anybody may use at home (RFC 1918, 4193, 6598), and those of one link (RFC 3927). */
export const PRIVATE_NETWORKS = [
  "10.0.0.0/8",
  "100.64.0.0/10",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "fc00::/7",
];
const LINK_LOCAL6 = "fe80::/10";

/** Whether packets to `address` stay on this machine, or in networks that are somebody's own. */
export function isPrivateAddress(address: string): boolean {
  const plain = address.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
  if (isIP(plain) === 0) return false;
  return isLoopback(plain) ||
    [...PRIVATE_NETWORKS, LINK_LOCAL6].some((network) => prefixContains(network, plain));
}
