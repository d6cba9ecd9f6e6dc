/**
 * The networks inside the tunnel, one of each family, and the addresses of their hosts: number 1 is
 * the server, the others are clients, with one number for both families.
 */
import { formatIpv6, parseIpv6 } from "./tunnel_address.ts";

/** From /16 to /29: six hosts at least, and no more than a server serves. */
const LENGTH4 = { min: 16, max: 29 } as const;
/** From /48 to /120. */
const LENGTH6 = { min: 48, max: 120 } as const;
const GROUP_BITS = 16;
const GROUPS = 8;
/** Every client takes such a last octet for a host's, whatever the prefix, */
const LAST_OCTET = { min: 2, max: 254 } as const;
/** and one that lists this feature takes any other but the server's and that of all hosts. */
export const FEATURE_ANY_HOST = "any-host";
const OCTETS = 256;

export interface InnerAddresses {
  readonly ipv4: string;
  readonly ipv6: string;
}

export class TunnelNetwork {
  readonly prefix4: number;
  readonly prefix6: number;
  readonly #base4: number;
  readonly #base6: readonly number[];

  /**
   * @param subnet4 such as 10.8.0.0/24
   * @param subnet6 such as fd00:8::/64
   * @throws RangeError that says which of them cannot be used, and why.
   */
  constructor(readonly subnet4: string, readonly subnet6: string) {
    [this.#base4, this.prefix4] = parseSubnet4(subnet4);
    [this.#base6, this.prefix6] = parseSubnet6(subnet6);
  }

  /** Of the server. */
  get server(): InnerAddresses {
    return this.addressesOf(1);
  }

  /** How many numbers a client may have. */
  get clientCount(): number {
    return this.#end - 2;
  }

  /** The numbers that every client takes, or those that only some do, the least first. */
  *clientNumbers(which: "usual" | "unusual"): Generator<number> {
    for (let number = 2; number < this.#end; number++) {
      if (this.isUsual(number) === (which === "usual")) yield number;
    }
  }

  isClientNumber(number: number): boolean {
    return Number.isInteger(number) && number >= 2 && number < this.#end;
  }

  /** Whether every client takes the number; the others need {@link FEATURE_ANY_HOST}. */
  isUsual(number: number): boolean {
    const last = (this.#base4 + number) % OCTETS;
    return last >= LAST_OCTET.min && last <= LAST_OCTET.max;
  }

  /** The number of all hosts, the broadcast address: the first that no client may have. */
  get #end(): number {
    return 2 ** Math.min(32 - this.prefix4, 128 - this.prefix6) - 1;
  }

  addressesOf(number: number): InnerAddresses {
    const ipv4 = this.#base4 + number;
    const groups = [...this.#base6];
    groups[GROUPS - 1]! += number;
    return {
      ipv4: [24, 16, 8, 0].map((shift) => (ipv4 >>> shift) & 0xff).join("."),
      ipv6: formatIpv6(groups),
    };
  }

  /** Whether an IPv4 address lies in the network. */
  contains(ipv4: string): boolean {
    const value = parseIpv4(ipv4);
    return value !== null && value >= this.#base4 && value < this.#base4 + 2 ** (32 - this.prefix4);
  }

  /** The number of the host with that IPv4 address; null when it is none of a client here. */
  numberOf(ipv4: string): number | null {
    const value = parseIpv4(ipv4);
    if (value === null) return null;
    const number = value - this.#base4;
    return this.isClientNumber(number) ? number : null;
  }
}

/** Those of the Go program, and the default. */
export const DEFAULT_NETWORK = new TunnelNetwork("10.8.0.0/24", "fd00:8::/64");

function parseSubnet4(text: string): [base: number, length: number] {
  const [, address = "", digits = ""] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? [];
  const base = parseIpv4(address);
  const length = Number(digits);
  if (base === null || digits === "" || length < LENGTH4.min || length > LENGTH4.max) {
    throw new RangeError(
      `'${text}' is no network such as 10.8.0.0/24, from /${LENGTH4.min} to /${LENGTH4.max}`,
    );
  }
  const size = 2 ** (32 - length);
  if (base % size !== 0) {
    throw new RangeError(
      `'${text}' is an address in a network: the bits behind /${length} must be 0`,
    );
  }
  return [base, length];
}

function parseSubnet6(text: string): [base: number[], length: number] {
  const [, address = "", digits = ""] = /^([\da-fA-F:]+)\/(\d{1,3})$/.exec(text) ?? [];
  const base = parseIpv6(address);
  const length = Number(digits);
  if (base === null || digits === "" || length < LENGTH6.min || length > LENGTH6.max) {
    throw new RangeError(
      `'${text}' is no network such as fd00:8::/64, from /${LENGTH6.min} to /${LENGTH6.max}`,
    );
  }
  const isNetwork = base.every((group, index) => {
    const bits = Math.min(Math.max(length - index * GROUP_BITS, 0), GROUP_BITS);
    return group % 2 ** (GROUP_BITS - bits) === 0;
  });
  if (!isNetwork) {
    throw new RangeError(
      `'${text}' is an address in a network: the bits behind /${length} must be 0`,
    );
  }
  return [base, length];
}

function parseIpv4(text: string): number | null {
  const octets = text.split(".").map(Number);
  const isWritten = /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text) && octets.join(".") === text;
  if (!isWritten || !octets.every((octet) => octet <= 255)) return null;
  return octets.reduce((value, octet) => value * OCTETS + octet, 0);
}
