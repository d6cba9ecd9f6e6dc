import { prefixesOverlap } from "./address.ts";
import type { NetworkInterface } from "./network_interface.ts";

/** An address on a link of the machine whose network overlaps one of the tunnel. */
export interface Overlap {
  readonly device: string;
  /** With its prefix length, such as 10.8.0.5/24. */
  readonly address: string;
  /** The tunnel's. */
  readonly subnet: string;
}

/**
 * Where networks of the machine's links, other than the device `tun`, overlap networks of the
 * tunnel: packets for one of them would go to the other.
 */
export function findOverlaps(
  interfaces: readonly NetworkInterface[],
  tun: string,
  subnets: readonly string[],
): Overlap[] {
  return interfaces.filter(({ name }) => name !== tun).flatMap(({ name: device, addresses }) =>
    addresses.filter(({ scope }) => scope !== "link").flatMap(({ address, peer, prefixLength }) =>
      subnets
        .filter((subnet) => prefixesOverlap(`${peer ?? address}/${prefixLength}`, subnet))
        .map((subnet) => ({ device, address: `${address}/${prefixLength}`, subnet }))
    )
  );
}
