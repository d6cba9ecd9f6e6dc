/** The links of this machine as a person chooses among them. */
import { FAMILIES } from "../../../lib/host/links/address.ts";
import { type CommandRunner } from "../../../lib/host/command/runner.ts";
import type { AddressFamily } from "../../../lib/host/links/address.ts";
import {
  listInterfaces,
  type NetworkInterface,
} from "../../../lib/host/links/network_interface.ts";
import { findDefaultGateways } from "../../../lib/host/routes/gateway/default_gateways.ts";
import type { NextHop } from "../../../lib/host/routes/gateway/routing_table.ts";

type LinkKind = "ethernet" | "wifi" | "mobile" | "virtual" | "other";

export interface MachineLink {
  readonly name: string;
  readonly kind: LinkKind;
  /** Those that reach further than its wire, IPv4 first. */
  readonly addresses: readonly string[];
  /** Where it leads: an address, or `none` for a link with one other end. */
  readonly gateways: readonly string[];
  readonly mtu: number;
  readonly isUp: boolean;
  /** In Mbit/s, as its driver says; null where it does not. */
  readonly speedMbit: number | null;
  /** Why it cannot be used, such as "has no carrier"; null when it can. */
  readonly problem: string | null;
}

/** Types of devices, see ARPHRD_* in linux/if_arp.h. */
const TYPE_ETHERNET = 1;
const TYPE_PPP = 512;
const TYPE_RAW_IP = 519;
/** Names that container engines, hypervisors and tunnels give. */
const VIRTUAL_NAME = /^(docker|veth|br-|virbr|vnet|tun|tap|wg|lxc|cni|flannel|dummy)/;

/** What the kernel's files say of a device. */
export interface DeviceFacts {
  readonly type: number | null;
  readonly isWireless: boolean;
  readonly deviceType: string | null;
  readonly isVirtual: boolean;
  readonly speedMbit: number | null;
}

/** All but loopback and the tunnel `tun`. Throws CommandError when they cannot be read. */
export async function readMachineLinks(
  runner: CommandRunner,
  tun: string,
  readFacts: (name: string) => DeviceFacts = readDeviceFacts,
): Promise<MachineLink[]> {
  const links = (await listInterfaces(runner)).filter(({ loopback, name }) =>
    !loopback && name !== tun
  );
  const gateways = await Promise.all(FAMILIES.map((family) =>
    // A kernel without IPv6 cannot list its routes.
    findDefaultGateways(runner, { family, links }).catch(() => new Map<string, NextHop>())
  ));
  return links.map((link) => {
    const own = gateways.flatMap((known) => known.get(link.name) ?? []);
    return describe(
      link,
      own.map(({ gateway }) => gateway?.address ?? "none"),
      readFacts(link.name),
    );
  });
}

/** A link that nobody would bond as a rule: it is shown when all are asked for. */
export function isHidden({ kind, gateways }: MachineLink): boolean {
  return kind === "virtual" && gateways.length === 0;
}

/**
 * Those to choose among: all, or those that are likely, the selected ones always, also when they are
 * not there at the moment.
 */
export function listLinks(
  links: readonly MachineLink[],
  selected: readonly string[],
  shows: "likely links" | "all links",
): MachineLink[] {
  const present = links.filter((link) =>
    shows === "all links" || !isHidden(link) || selected.includes(link.name)
  );
  const gone = selected.filter((name) => !links.some((link) => link.name === name));
  return [...present, ...gone.map(goneLink)];
}

function goneLink(name: string): MachineLink {
  return {
    name,
    kind: "other",
    addresses: [],
    gateways: [],
    mtu: 0,
    isUp: false,
    speedMbit: null,
    problem: "is not there",
  };
}

function describe(
  link: NetworkInterface,
  gateways: readonly string[],
  facts: DeviceFacts,
): MachineLink {
  const addresses = FAMILIES.flatMap((family: AddressFamily) =>
    link.addresses.filter((one) => one.family === family && one.scope === "global")
      .map(({ address }) => address)
  );
  return {
    name: link.name,
    kind: kindOf(link, facts),
    addresses,
    gateways,
    mtu: link.mtu,
    isUp: link.up && link.lowerUp,
    speedMbit: facts.speedMbit,
    problem: !link.up
      ? "is down"
      : !link.lowerUp
      ? "has no carrier"
      : addresses.length === 0
      ? "has no address"
      : gateways.length === 0
      ? "has no gateway"
      : null,
  };
}

function kindOf({ name }: NetworkInterface, facts: DeviceFacts): LinkKind {
  if (facts.isWireless) return "wifi";
  if (facts.deviceType === "wwan" || name.startsWith("ww") || facts.type === TYPE_RAW_IP) {
    return "mobile";
  }
  // PPP over a modem has no device of its own either, and leads to the internet.
  if (facts.type === TYPE_PPP) return "other";
  if (facts.isVirtual || VIRTUAL_NAME.test(name)) return "virtual";
  return facts.type === TYPE_ETHERNET ? "ethernet" : "other";
}

function readDeviceFacts(name: string): DeviceFacts {
  const folder = `/sys/class/net/${name}`;
  const speed = Number(read(`${folder}/speed`));
  return {
    type: Number(read(`${folder}/type`)) || null,
    isWireless: exists(`${folder}/wireless`) || exists(`${folder}/phy80211`),
    deviceType: /^DEVTYPE=(\S+)$/m.exec(read(`${folder}/uevent`) ?? "")?.[1] ?? null,
    isVirtual: !exists(`${folder}/device`),
    speedMbit: Number.isFinite(speed) && speed > 0 ? speed : null,
  };
}

function read(path: string): string | null {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return null; // not every driver says
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
