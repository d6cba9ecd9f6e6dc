/**
 * Gives a TUN device its addresses, MTU and queue and brings it up. Nothing of this is journalled:
 * it goes with the device, which goes with the process that made it.
 */
import { type CommandRunner, runChecked } from "../command/runner.ts";
import { familyOf } from "./address.ts";
import { checkInterfaceName } from "./network_interface.ts";
import { IPV6_MTU_MIN } from "../../protocol/packet/ip.ts";

export interface TunAddresses {
  ipv4: string;
  prefix4: number;
  /** Left out for a tunnel that carries IPv4 only. */
  ipv6?: string;
  prefix6?: number;
  /** Largest IP packet inside, in bytes. */
  mtu: number;
  /** Packets the kernel keeps for a reader that is late. */
  txqueuelen?: number;
}

const IPV4_MTU_MIN = 576;
const MTU_MAX = 65_535;

/**
 * Returns notices for people: IPv6 may be unavailable on this machine. Throws RangeError for values
 * no device can have, CommandError when `ip` fails.
 */
export async function configureTun(
  runner: CommandRunner,
  name: string,
  wanted: TunAddresses,
): Promise<string[]> {
  checkInterfaceName(name);
  const { ipv4, prefix4, ipv6, prefix6 = 64, mtu, txqueuelen } = wanted;
  checkWhole("the MTU", mtu, IPV4_MTU_MIN, MTU_MAX);
  const address4 = addressWithPrefix(ipv4, 4, prefix4);
  const address6 = ipv6 === undefined ? undefined : addressWithPrefix(ipv6, 6, prefix6);
  const queue: string[] = [];
  if (txqueuelen !== undefined) {
    checkWhole("the queue length", txqueuelen, 1, 1_000_000);
    queue.push("txqueuelen", String(txqueuelen));
  }

  // The tunnel has no use for link-local addresses; kernels that insist on one do no harm.
  await runner.run(["ip", "link", "set", "dev", name, "addrgenmode", "none"]);
  await runChecked(runner, ["ip", "link", "set", "dev", name, "mtu", String(mtu), ...queue]);
  await runChecked(runner, ["ip", "-4", "address", "replace", address4, "dev", name]);
  const notices = address6 === undefined ? [] : await addIpv6(runner, name, address6, mtu);
  await runChecked(runner, ["ip", "link", "set", "dev", name, "up"]);
  return notices;
}

async function addIpv6(
  runner: CommandRunner,
  name: string,
  address: string,
  mtu: number,
): Promise<string[]> {
  if (mtu < IPV6_MTU_MIN) {
    return [`${name} carries IPv4 only: its MTU of ${mtu} is below the ${IPV6_MTU_MIN} of IPv6`];
  }
  // Nobody else is on the wire, so there is no duplicate address to wait for.
  const argv = ["ip", "-6", "address", "replace", address, "dev", name, "nodad"];
  const result = await runner.run(argv);
  if (result.code === 0) return [];
  return [`${name} carries IPv4 only: this machine refuses IPv6 (${result.stderr.trim()})`];
}

function addressWithPrefix(address: string, family: 4 | 6, prefixLength: number): string {
  if (familyOf(address) !== family) throw new RangeError(`"${address}" is not IPv${family}`);
  checkWhole("the prefix length", prefixLength, 1, family === 4 ? 32 : 128);
  return `${address}/${prefixLength}`;
}

function checkWhole(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`Cannot set ${what} to ${value}: use ${least} to ${most}`);
}
