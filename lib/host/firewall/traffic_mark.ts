/** Marks of packets, as policy rules and firewalls read them. */

/** Packets are meant whose mark, under the mask, is the value. */
export interface TrafficMark {
  /** u32; within the mask. */
  readonly value: number;
  /** u32, not 0. */
  readonly mask: number;
}

/**
 * The bit that what goes beside the tunnel by its cgroup gets: out of the way of the marks of load
 * balancing, the client's own look-ups, Docker, Kubernetes, Tailscale and mwan3.
 */
export const BESIDE_MARK: TrafficMark = { value: 0x80000000, mask: 0x80000000 };

/** `0x1000000/0x3f000000`, as `ip rule` and iptables read it. */
export function markText({ value, mask }: TrafficMark): string {
  return `0x${value.toString(16)}/0x${mask.toString(16)}`;
}

/** As nft reads it. */
export function markMatch({ value, mask }: TrafficMark): string {
  return `meta mark and 0x${mask.toString(16)} == 0x${value.toString(16)}`;
}

/** Reads `5`, `0x5` or `0x50/0xf0`. Throws RangeError. */
export function parseMark(text: string): TrafficMark {
  const [value, mask = 0xffffffff, ...rest] = text.trim().split("/").map(readU32);
  if (value === undefined || rest.length > 0 || !(value > 0) || !(mask > 0)) throw unreadable(text);
  if ((value & mask) >>> 0 !== value) {
    throw new RangeError(
      `the mark 0x${value.toString(16)} has bits outside its mask, in '${text}'`,
    );
  }
  return { value, mask };
}

/** NaN for what is none. */
function readU32(text: string): number {
  if (!/^(?:0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})$/.test(text)) return NaN;
  const value = Number(text);
  return value <= 0xffffffff ? value : NaN;
}

function unreadable(text: string): RangeError {
  return new RangeError(`'${text}' is no mark: give a number from 1 to 0xffffffff, or VALUE/MASK`);
}
