/** The addresses of a client inside the tunnel, as words that a packet's addresses are compared to. */
import { isIPv4, isIPv6 } from "node:net";
import { parseCidr } from "cidr-tools";

/** An IPv4 address as a signed 32-bit word. @throws RangeError when `text` is none. */
export function ipv4Word(text: string): number {
  if (!isIPv4(text)) throw new RangeError(`Cannot read IPv4 address: '${text}'`);
  return Number(BigInt.asIntN(32, parseCidr(text).start));
}

/** An IPv6 address as four signed 32-bit words. @throws RangeError when `text` is none. */
export function ipv6Words(text: string): [number, number, number, number] {
  if (!isIPv6(text)) throw new RangeError(`Cannot read IPv6 address: '${text}'`);
  const { start } = parseCidr(text);
  const word = (shift: bigint) => Number(BigInt.asIntN(32, start >> shift));
  return [word(96n), word(64n), word(32n), word(0n)];
}
