/** The MTU of the TUN device: what fits into one datagram on every link. */
import { RECORD_OVERHEAD } from "../../lib/protocol/wire/header.ts";

export const TUN_MTU_DEFAULT = 1400;
/** IPv4 needs this much of every link (RFC 791); less is not worth a tunnel. */
const TUN_MTU_MIN = 576;
const UDP_HEADER_LENGTH = 8;
const OUTER_HEADER_LENGTH = { 4: 20, 6: 40 } as const;

export interface MtuFacts {
  /** What the user prescribed, or null. */
  readonly prescribed: number | null;
  /** The MTU of the server's TUN device, or null when it did not say. */
  readonly server: number | null;
  /** The MTUs of the links. */
  readonly links: readonly number[];
  /** IP version of the outer packets. */
  readonly family: 4 | 6;
}

/** @returns the MTU in bytes, and what a person should know about it, or null. */
export function chooseTunMtu(facts: MtuFacts): { mtu: number; notice: string | null } {
  const overhead = OUTER_HEADER_LENGTH[facts.family] + UDP_HEADER_LENGTH + RECORD_OVERHEAD;
  const smallest = Math.min(...facts.links);
  const fitting = smallest - overhead;
  const wanted = facts.prescribed ??
    Math.min(TUN_MTU_DEFAULT, facts.server ?? TUN_MTU_DEFAULT);
  if (wanted <= fitting) return { mtu: wanted, notice: null };
  if (facts.prescribed !== null) {
    return {
      mtu: wanted,
      notice:
        `-mtu ${wanted} makes datagrams larger than the ${smallest} bytes of a link: they are ` +
        `sent in fragments; ${fitting} would fit`,
    };
  }
  const mtu = Math.max(TUN_MTU_MIN, fitting);
  return {
    mtu,
    notice: `the tunnel's MTU is ${mtu}, because a link carries ${smallest} bytes only`,
  };
}
