import { CommandError, type CommandRunner } from "../command/runner.ts";
import { type AddressFamily, prefixContains } from "../links/address.ts";
import { askKernelForAny, type Route } from "./gateway/routing_table.ts";

/** Of networks for documentation: one that no link has stands for the whole Internet. */
const ANYWHERE: Readonly<Record<AddressFamily, readonly string[]>> = {
  4: ["192.0.2.1", "198.51.100.1", "203.0.113.1"],
  6: ["2001:db8::1", "2001:db8:ffff::1", "3fff::1"],
};

/**
 * By which route the kernel sends what goes to the Internet, rules included; "nowhere" without one.
 * Null where all addresses that could stand for the Internet are ones of `aside`.
 * `selector` tells which packets are meant, in words of `ip route get`. Throws CommandError.
 */
export async function askInternetRoute(
  runner: CommandRunner,
  family: AddressFamily,
  aside: readonly Pick<Route, "destination">[],
  selector: readonly string[] = [],
): Promise<Route | "nowhere" | null> {
  const address = ANYWHERE[family].find((candidate) =>
    !aside.some(({ destination }) => prefixContains(destination, candidate))
  );
  if (address === undefined) return null;
  try {
    return await askKernelForAny(runner, family, address, selector) ?? "nowhere";
  } catch (error) {
    if (error instanceof CommandError) return "nowhere"; // as after a rule that says "unreachable"
    throw error;
  }
}
