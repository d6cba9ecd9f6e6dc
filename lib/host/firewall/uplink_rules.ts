import { checkInterfaceName } from "../links/network_interface.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { addRules, type IptablesProgram, type Rule } from "./iptables.ts";

/** The comment on every rule of load balancing. */
export const UPLINK_TAG = "fluxify-balance";

/**
 * The bits of the mark that say which uplink a connection keeps; the others are left to whoever uses
 * them. These are out of the way of Docker, Kubernetes, Tailscale and mwan3.
 */
export const UPLINK_MARK_MASK = 0x3f000000;
export const OTHERS_MARK_MASK = 0xffffffff - UPLINK_MARK_MASK;
const UPLINK_MARK_SHIFT = 24;
/** As many as the mark tells apart; 0 is no uplink. */
export const UPLINKS_MAX = 63;

export interface NatUplink {
  device: string;
  /** From 1 to UPLINKS_MAX: its mark, rules and table. */
  slot: number;
  /** Own addresses of the family whose connections were there before the rules. */
  addresses: readonly string[];
  /** The address to send from, where the route prescribes one; null: the interface's own. */
  source: string | null;
}

/** The mark of an uplink's connections. Throws RangeError for a slot that has none. */
export function uplinkMark(slot: number): number {
  if (!(Number.isInteger(slot) && slot >= 1 && slot <= UPLINKS_MAX)) {
    throw new RangeError(`an uplink has a slot from 1 to ${UPLINKS_MAX}, not ${slot}`);
  }
  return slot << UPLINK_MARK_SHIFT;
}

/** `0x1000000/0x3f000000`: value and mask, as `ip rule` and iptables read them. */
export function markWithMask(mark: number): string {
  return `0x${mark.toString(16)}/0x${UPLINK_MARK_MASK.toString(16)}`;
}

/**
 * The rules of iptables that masquerade what leaves on each uplink, and remember for each connection
 * the uplink it began on.
 */
export class UplinkRules {
  readonly #journal: HostJournal;
  readonly #program: IptablesProgram;
  /** By interface: the source it has, and the rule that gives it. */
  readonly #sources = new Map<string, { source: string | null; change: ChangeId | null }>();

  constructor(journal: HostJournal, program: IptablesProgram) {
    this.#journal = journal;
    this.#program = program;
  }

  /**
   * Adds what is missing, and replaces what gives an uplink another source than it has. Throws, with
   * everything as before, when a rule is refused.
   */
  async follow(uplinks: readonly NatUplink[]): Promise<void> {
    const changed = uplinks.filter(({ device, source }) =>
      this.#sources.get(device)?.source !== source
    );
    const marks = markRules(uplinks);
    const rules = [...marks, ...changed.map(sourceRule)];
    const changes = await addRules(this.#journal, this.#program, rules);
    for (const [index, { device, source }] of changed.entries()) {
      const before = this.#sources.get(device)?.change ?? null;
      this.#sources.set(device, { source, change: changes[marks.length + index]! });
      if (before !== null) await this.#journal.undo(before);
    }
  }
}

/** All that follow() adds at first. */
export function uplinkRules(uplinks: readonly NatUplink[]): Rule[] {
  return [...markRules(uplinks), ...uplinks.map(sourceRule)];
}

function sourceRule({ device, source }: NatUplink): Rule {
  return {
    table: "nat",
    chain: "POSTROUTING",
    place: "last",
    match: ["-o", device],
    tag: UPLINK_TAG,
    target: source === null ? ["MASQUERADE"] : ["SNAT", "--to-source", source],
  };
}

/** One chain after the other, so that a chain nobody else uses can go with its last rule. */
function markRules(uplinks: readonly NatUplink[]): Rule[] {
  for (const { device } of uplinks) checkInterfaceName(device);
  return [
    ...uplinks.flatMap((uplink) => [
      ...markExisting("PREROUTING", uplink),
      markUnmarked("PREROUTING", ["-i", uplink.device], uplink),
    ]),
    restoreMark("PREROUTING", []),
    ...uplinks.flatMap((uplink) => [
      ...markExisting("OUTPUT", uplink),
      ...markMidStream(uplink),
    ]),
    restoreMark("OUTPUT", NOT_MARKED_BY_OTHERS),
    ...uplinks.map((uplink) => markUnmarked("POSTROUTING", ["-o", uplink.device], uplink)),
  ];
}

const UNMARKED = ["-m", "connmark", "--mark", markWithMask(0)];

/** Answers to a connection from before the rules come to the address of the uplink it is on. */
function markExisting(chain: Rule["chain"], uplink: NatUplink): Rule[] {
  return uplink.addresses.map((address) =>
    markUnmarked(
      chain,
      ["-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "--ctrepldst", address],
      uplink,
    )
  );
}

/** Before the rules nothing may have tracked connections: those of TCP are seen to be under way. */
function markMidStream(uplink: NatUplink): Rule[] {
  return uplink.addresses.map((address) =>
    markUnmarked("OUTPUT", ["-s", address, "-p", "tcp", "!", "--syn"], uplink)
  );
}

function markUnmarked(chain: Rule["chain"], match: string[], { slot }: NatUplink): Rule {
  return {
    table: "mangle",
    chain,
    place: "last",
    match: [...match, ...UNMARKED],
    tag: UPLINK_TAG,
    target: ["CONNMARK", "--set-xmark", markWithMask(uplinkMark(slot))],
  };
}

/**
 * A socket with a mark has its own routing: a VPN's rule lets packets past its tunnel that bear its mark
 * and no other bit.
 */
const NOT_MARKED_BY_OTHERS = ["-m", "mark", "--mark", `0x0/0x${OTHERS_MARK_MASK.toString(16)}`];

function restoreMark(chain: Rule["chain"], which: readonly string[]): Rule {
  const mask = `0x${UPLINK_MARK_MASK.toString(16)}`;
  return {
    table: "mangle",
    chain,
    place: "last",
    match: [...which, "-m", "connmark", "!", "--mark", markWithMask(0)],
    tag: UPLINK_TAG,
    target: ["CONNMARK", "--restore-mark", "--nfmask", mask, "--ctmask", mask],
  };
}
