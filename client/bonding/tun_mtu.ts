/** The MTU of the TUN device: what fits into one datagram on every link. */
import { IPV6_MTU_MIN } from "../../lib/protocol/packet/ip.ts";
import { tunnelOverheadBytes } from "../../lib/protocol/packet/tunnel_overhead.ts";
import { TUN_MTU_MIN } from "../../lib/protocol/wire/control_message.ts";
import { ORDER_EXTENSION_LENGTH } from "../../lib/protocol/wire/order_extension.ts";

export const TUN_MTU_DEFAULT = 1400;
const ORDINARY_LINK_MTU = 1500;

/** A link that leads to the server. */
export interface PathMtu {
  /** Null: a link nobody needs to know by name. */
  readonly link: string | null;
  /** The MTU of the link's interface. */
  readonly interfaceMtu: number;
  /** IP version of what is sent over the link. */
  readonly family: 4 | 6;
  /** The largest packet of the tunnel that was found to arrive, or null when it is not known. */
  readonly found: number | null;
}

export interface TunMtuFacts {
  /** What the user prescribed, or null. */
  readonly prescribed: number | null;
  /** The MTU of the server's TUN device, or null when it did not say. */
  readonly server: number | null;
  /** Whether the tunnel carries IPv6, which no device of less than 1280 bytes does. */
  readonly ipv6Inside: boolean;
  /** Whether what is too large for a path is refused rather than sent in fragments. */
  readonly forbidsFragments: boolean;
  /** The paths that are in use. */
  readonly paths: readonly PathMtu[];
}

export interface TunMtuDecision {
  readonly mtu: number;
  /** Why it is not what is wanted, or why what is wanted is not wise; else null. */
  readonly reason: string | null;
  /** What the reason is about: one that differs only in its numbers is nothing new. */
  readonly about: string | null;
  /** What a person should be told that the decision before did not say, or null. */
  readonly notice: string | null;
  /** False: the notice is good news. */
  readonly isWarning: boolean;
}

/**
 * Decides from what is known. `before` is the decision that is in force, null for the first one.
 *
 * What a user prescribes stays, whatever an interface's MTU is, where the kernel may send such
 * datagrams in fragments. What a path was found to carry bounds that, too.
 */
export function decideTunMtu(facts: TunMtuFacts, before: TunMtuDecision | null): TunMtuDecision {
  const decided = decide(facts);
  const { mtu, reason, about } = decided;
  if (reason !== null) {
    const isNew = before === null || about !== before.about || mtu !== before.mtu;
    const { isOrdinary, ...rest } = decided;
    return { ...rest, notice: isNew ? reason : null, isWarning: isNew && !isOrdinary };
  }
  const notice = before !== null && before.reason !== null && mtu > before.mtu
    ? `every link carries packets of ${mtu} bytes: the tunnel's MTU is ${mtu} again`
    : null;
  return { mtu, reason, about, notice, isWarning: false };
}

interface Decided extends Pick<TunMtuDecision, "mtu" | "reason" | "about"> {
  /** Whether the reason is nothing to worry about: IPv6 outside takes more of ordinary links. */
  readonly isOrdinary: boolean;
}

/** A path that is too narrow for IPv6 carries nothing while there are others. */
function decide(facts: TunMtuFacts): Decided {
  const needed = Math.min(IPV6_MTU_MIN, facts.prescribed ?? wantedFor(facts));
  const isTooNarrow = (path: PathMtu) => certainLimit(path, facts) < needed;
  const narrow = facts.paths.find(isTooNarrow);
  const wide = facts.paths.filter((path) => !isTooNarrow(path));
  if (!facts.ipv6Inside || narrow === undefined || wide.length === 0) return decideFor(facts);
  const { mtu, reason, about } = decideFor({ ...facts, paths: wide });
  const limit = describeLimit(narrow, certainLimit(narrow, facts));
  const left = `${limit}, and IPv6 needs ${needed}: it is used only while no other link works`;
  return {
    mtu,
    reason: reason === null ? left : `${left}; ${reason}`,
    about: `${nameOf(narrow)} is left out; ${about}`,
    isOrdinary: false,
  };
}

function wantedFor({ server }: TunMtuFacts): number {
  return Math.min(TUN_MTU_DEFAULT, server ?? TUN_MTU_DEFAULT);
}

function decideFor(facts: TunMtuFacts): Decided {
  const { prescribed, paths } = facts;
  if (prescribed !== null) return decidePrescribed(prescribed, facts);
  const wanted = wantedFor(facts);
  const narrowest = smallest(paths, fitting);
  if (narrowest === null || fitting(narrowest) >= wanted) return asWanted(wanted);
  return lowered(facts, wanted, narrowest, fitting(narrowest), "");
}

function decidePrescribed(prescribed: number, facts: TunMtuFacts): Decided {
  const { paths } = facts;
  const limited = smallest(paths, (path) => certainLimit(path, facts));
  const limit = limited === null ? Infinity : certainLimit(limited, facts);
  if (limited !== null && limit < prescribed) {
    return lowered(facts, prescribed, limited, limit, `, not the ${prescribed} of -mtu`);
  }
  const narrowest = smallest(paths, fitting);
  if (narrowest === null || fitting(narrowest) >= prescribed) return asWanted(prescribed);
  return {
    mtu: prescribed,
    reason: `-mtu ${prescribed} makes datagrams larger than the ${narrowest.interfaceMtu} bytes ` +
      `of ${nameOf(narrowest)}: they are sent in fragments; ${fitting(narrowest)} would fit`,
    about: `${nameOf(narrowest)} fragments`,
    isOrdinary: false,
  };
}

function asWanted(mtu: number): Decided {
  return { mtu, reason: null, about: null, isOrdinary: true };
}

/** The tunnel gets what fits a path, if it can have so little. */
function lowered(
  facts: TunMtuFacts,
  wanted: number,
  path: PathMtu,
  fits: number,
  aside: string,
): Decided {
  const least = leastMtu(facts, wanted);
  const mtu = Math.max(least, fits);
  const limit = describeLimit(path, fits);
  const now = `the tunnel's MTU is ${mtu} now${aside}`;
  const about = `${nameOf(path)} is narrow`;
  const isOrdinary = path.interfaceMtu >= ORDINARY_LINK_MTU && fits === withinInterface(path);
  if (mtu === fits) return { mtu, reason: `${limit}: ${now}`, about, isOrdinary };
  const floor = facts.ipv6Inside ? "IPv6 needs" : "a tunnel needs";
  const fate = facts.forbidsFragments
    ? "IPv6 packets that the link does not carry do not pass; -probe-pmtud off has " +
      "them sent in fragments"
    : "what the link does not carry is sent over it in fragments, if at all; leave the link out";
  const reason = `${limit}, and ${floor} ${least}: ${now}, and ${fate}`;
  return { mtu, reason, about, isOrdinary: false };
}

function leastMtu({ ipv6Inside }: TunMtuFacts, wanted: number): number {
  return Math.min(wanted, ipv6Inside ? IPV6_MTU_MIN : TUN_MTU_MIN);
}

/** What does not pass if it is larger: without fragments the MTU of the interface is such a limit. */
function certainLimit(path: PathMtu, { forbidsFragments }: TunMtuFacts): number {
  return forbidsFragments ? fitting(path) : path.found ?? Infinity;
}

/** The largest packet of the tunnel that goes over the path in one piece, as far as is known. */
function fitting(path: PathMtu): number {
  return Math.min(withinInterface(path), path.found ?? Infinity);
}

/** Whatever the scheduler is now: a packet may have its place in the order of a flow behind it. */
function withinInterface({ interfaceMtu, family }: PathMtu): number {
  return interfaceMtu - tunnelOverheadBytes(family) - ORDER_EXTENSION_LENGTH;
}

function smallest(paths: readonly PathMtu[], size: (path: PathMtu) => number): PathMtu | null {
  let least: PathMtu | null = null;
  for (const path of paths) if (least === null || size(path) < size(least)) least = path;
  return least;
}

function describeLimit(path: PathMtu, fits: number): string {
  const why = fits === path.found ? "" : `, because its own MTU is ${path.interfaceMtu} bytes`;
  return `${nameOf(path)} carries packets of at most ${fits} bytes${why}`;
}

function nameOf({ link }: PathMtu): string {
  return link === null ? "a link" : `link ${link}`;
}
