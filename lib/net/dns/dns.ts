/**
 * The DNS servers this machine asks, as long as the tunnel is up: through systemd-resolved where
 * programs ask that, else in /etc/resolv.conf. The journal puts back what was there, whether a file
 * or a link, unless somebody else has changed it meanwhile.
 */
import { CommandError, MissingProgramError, runChecked } from "../command/runner.ts";
import { familyOf } from "../interface/address.ts";
import { checkInterfaceName } from "../interface/network_interface.ts";
import type { HostJournal } from "../journal/host_journal.ts";

/** As many as the C library reads from /etc/resolv.conf (MAXNS of resolv.h). */
export const DNS_SERVERS_MAX = 3;

export interface DnsOptions {
  tun: string;
  /** Addresses, from 1 to DNS_SERVERS_MAX. */
  servers: readonly string[];
  /** /etc/resolv.conf unless given. */
  resolvConf?: string;
}

export type DnsPlace = "systemd-resolved" | "resolv.conf";

const RESOLV_CONF = "/etc/resolv.conf";
/** Files of systemd-resolved(8) that send programs to its stub; the third is in its package. */
const STUB_FILES = [
  "/run/systemd/resolve/stub-resolv.conf",
  "/usr/lib/systemd/resolv.conf",
  "/lib/systemd/resolv.conf",
];
/** The stub's own addresses, where /etc/resolv.conf is a file that names them. */
const STUB_ADDRESSES = ["127.0.0.53", "127.0.0.54"];
/** Far above any /etc/resolv.conf that works. */
const RESOLV_CONF_BYTES_MAX = 64 * 1024;

/**
 * Asks `servers` from now on. Call it when the tunnel is up. Returns where that was set. Throws, with
 * everything as before, when it cannot be.
 */
export async function setDns(journal: HostJournal, options: DnsOptions): Promise<DnsPlace> {
  const { tun, servers, resolvConf = RESOLV_CONF } = options;
  checkInterfaceName(tun);
  if (servers.length === 0 || servers.length > DNS_SERVERS_MAX) {
    throw new RangeError(`1 to ${DNS_SERVERS_MAX} DNS servers, not ${servers.length}`);
  }
  for (const server of servers) familyOf(server);
  try {
    if (await leadsToStub(resolvConf) && await resolvedAnswers(journal)) {
      await setInResolved(journal, tun, servers);
      return "systemd-resolved";
    }
    await journal.apply({
      kind: "file",
      path: resolvConf,
      content: resolvConfText(servers),
      mode: 0o644,
    });
    return "resolv.conf";
  } catch (error) {
    throw new Error(
      `Cannot set the DNS servers: ${error instanceof Error ? error.message : error}; ` +
        `make ${resolvConf} writable, or start without -dns`,
      { cause: error },
    );
  }
}

/** What /etc/resolv.conf holds while the tunnel is up. */
export function resolvConfText(servers: readonly string[]): string {
  return [
    "# Written by fluxify-client; what was here comes back when it stops.",
    ...servers.map((server) => `nameserver ${server}`),
    "",
  ].join("\n");
}

/** Whether programs that read `resolvConf` ask systemd-resolved and nobody else. */
async function leadsToStub(resolvConf: string): Promise<boolean> {
  const file = await Deno.realPath(resolvConf).catch(() => null);
  if (file === null) return false;
  if (STUB_FILES.includes(file)) return true;
  const info = await Deno.stat(file);
  if (!info.isFile || info.size > RESOLV_CONF_BYTES_MAX) return false;
  const servers = nameservers(await Deno.readTextFile(file));
  return servers.length > 0 && servers.every((server) => STUB_ADDRESSES.includes(server));
}

function nameservers(text: string): string[] {
  return [...text.matchAll(/^nameserver[ \t]+(\S+)/gm)].map(([, server]) => server!);
}

async function resolvedAnswers(journal: HostJournal): Promise<boolean> {
  try {
    return (await journal.runner.run(["resolvectl", "dns"])).code === 0;
  } catch (error) {
    // Installed without its daemon, it waits for D-Bus.
    if (error instanceof MissingProgramError || error instanceof CommandError) return false;
    throw error;
  }
}

/** All names go to the servers of this link, and those of other links are not asked. */
async function setInResolved(
  journal: HostJournal,
  tun: string,
  servers: readonly string[],
): Promise<void> {
  const change = await journal.apply({
    kind: "command",
    argv: ["resolvectl", "dns", tun, ...servers],
    undo: ["resolvectl", "revert", tun],
  });
  try {
    await runChecked(journal.runner, ["resolvectl", "domain", tun, "~."]);
    // Before systemd 240 there is no such setting, and the domain says as much.
    await journal.runner.run(["resolvectl", "default-route", tun, "yes"]);
  } catch (error) {
    if (change !== null) await journal.undo(change);
    throw error;
  }
}
