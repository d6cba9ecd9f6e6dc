import { isIP } from "node:net";
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import { CommandError } from "../../lib/host/command/runner.ts";
import { type AddressFamily, sameAddress } from "../../lib/host/links/address.ts";
import { checkInterfaceName } from "../../lib/host/links/network_interface.ts";

const TIMEOUT_SECONDS = 5;
const ANSWER_BYTES_MAX = 4096;

/** The URL as it may be logged: without a password, or a token behind the question mark. */
export function pageOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

/**
 * The address that `url` sees when it is asked over one interface: the first thing in its answer that
 * is an address of this family. Null without one. Throws MissingProgramError without `curl`.
 */
export async function askExternalAddress(
  runner: CommandRunner,
  device: string,
  family: AddressFamily,
  url: string,
): Promise<string | null> {
  const argv = [
    ...["curl", `-${family}`, "-q", "--globoff", "--silent", "--fail", "--noproxy", "*"],
    ...["--max-time", String(TIMEOUT_SECONDS), "--max-filesize", String(ANSWER_BYTES_MAX)],
    ...["--interface", `if!${checkInterfaceName(device)}`, "--", url],
  ];
  try {
    const { code, stdout } = await runner.run(argv, { timeoutMs: (TIMEOUT_SECONDS + 2) * 1000 });
    return code === 0 ? addressIn(stdout.slice(0, ANSWER_BYTES_MAX), family) : null;
  } catch (error) {
    if (error instanceof CommandError) return null;
    throw error;
  }
}

export function addressIn(text: string, family: AddressFamily): string | null {
  return text.match(/[0-9a-fA-F.:]+/g)?.find((word) => isIP(word) === family) ?? null;
}

/** The one warning that some uplinks share a connection further out, or null. */
export function sameUpstreamWarning(addresses: ReadonlyMap<string, string>): string | null {
  const entries = [...addresses];
  for (const [name, address] of entries) {
    const others = entries.filter(([other, theirs]) =>
      other !== name && sameAddress(address, theirs)
    ).map(([other]) => other);
    if (others.length > 0) {
      return `${[name, ...others].join(" and ")} have the same external address ${address}: they ` +
        "share a connection further out, and balancing over them gains little";
    }
  }
  return null;
}
