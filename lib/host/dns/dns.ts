/**
 * The DNS servers this machine asks, as long as the tunnel is up: through systemd-resolved where
 * programs ask that, else in /etc/resolv.conf. The journal puts back what was there, whether a file
 * or a link, or what another program, such as a DHCP client with a new lease, has written since.
 */
import { CommandError, MissingProgramError, runChecked } from "../command/runner.ts";
import { familyOf } from "../links/address.ts";
import { checkInterfaceName } from "../links/network_interface.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { saveFile } from "../journal/saved_file.ts";
import { nameservers, OWN_HEADER } from "./resolv_conf.ts";

/** As many as the C library reads from /etc/resolv.conf (MAXNS of resolv.h). */
export const DNS_SERVERS_MAX = 3;

interface DnsOptions {
  tun: string;
  /** Addresses, from 1 to DNS_SERVERS_MAX. */
  servers: readonly string[];
  /** /etc/resolv.conf unless given. */
  resolvConf?: string;
  /** /etc/nsswitch.conf unless given. */
  nsswitch?: string;
}

type DnsPlace = "systemd-resolved" | "resolv.conf" | "resolv.conf and systemd-resolved";

const RESOLV_CONF = "/etc/resolv.conf";
const NSSWITCH = "/etc/nsswitch.conf";
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
/** What others write is replaced so many times at once; then once in so many looks. */
const REPLACEMENTS_MAX = 10;
const LOOKS_PER_REPLACEMENT = 60;

/**
 * Asks `servers` from now on. Call it when the tunnel is up. Throws, with everything as before, when
 * it cannot be done.
 */
export async function setDns(journal: HostJournal, options: DnsOptions): Promise<DnsSetting> {
  const { tun, servers, resolvConf = RESOLV_CONF, nsswitch = NSSWITCH } = options;
  checkInterfaceName(tun);
  checkServers(servers);
  const parts = { journal, tun, resolvConf };
  try {
    const isStub = await leadsToStub(resolvConf);
    const isAsked = isStub || await asksResolved(nsswitch);
    const isSet = isAsked && await resolvedAnswers(journal);
    const inResolved = isSet ? await setInResolved(journal, tun, servers) : null;
    if (isStub && isSet) {
      return new DnsSetting(parts, servers, "systemd-resolved", { file: null, inResolved });
    }
    const change = await writeResolvConf(journal, resolvConf, servers).catch(async (error) => {
      if (inResolved !== null) await journal.undo(inResolved);
      throw error;
    });
    const place = isSet ? "resolv.conf and systemd-resolved" : "resolv.conf";
    return new DnsSetting(parts, servers, place, { file: change, inResolved });
  } catch (error) {
    throw new Error(
      `Cannot set the DNS servers: ${error instanceof Error ? error.message : error}; ` +
        `make ${resolvConf} writable, or start without -dns`,
      { cause: error },
    );
  }
}

/** @throws RangeError */
function checkServers(servers: readonly string[]): void {
  if (servers.length === 0 || servers.length > DNS_SERVERS_MAX) {
    throw new RangeError(`1 to ${DNS_SERVERS_MAX} DNS servers, not ${servers.length}`);
  }
  for (const server of servers) familyOf(server);
}

interface DnsParts {
  readonly journal: HostJournal;
  readonly tun: string;
  readonly resolvConf: string;
}

/** What is on record, to be undone. */
interface DnsChanges {
  readonly file: ChangeId | null;
  readonly inResolved: ChangeId | null;
}

/** What setDns() has set, and what keeps it so. */
export class DnsSetting {
  readonly #journal: HostJournal;
  readonly #tun: string;
  readonly #resolvConf: string;
  #servers: readonly string[];
  #place: DnsPlace;
  #change: ChangeId | null;
  readonly #inResolved: ChangeId | null;
  /** What another program has written, as of the last look. */
  #theirs: string | null = null;
  #replacementsLeft = REPLACEMENTS_MAX;
  #looks = 0;

  constructor(
    { journal, tun, resolvConf }: DnsParts,
    servers: readonly string[],
    place: DnsPlace,
    { file, inResolved }: DnsChanges,
  ) {
    this.#journal = journal;
    this.#tun = tun;
    this.#resolvConf = resolvConf;
    this.#servers = servers;
    this.#place = place;
    this.#change = file;
    this.#inResolved = inResolved;
  }

  /**
   * Other servers from now on, in one step: at no moment are those asked that the machine had before.
   * Not beside look(). @throws Error when it cannot be done.
   */
  async change(servers: readonly string[]): Promise<void> {
    checkServers(servers);
    if (this.#place !== "resolv.conf") {
      await runChecked(this.#journal.runner, ["resolvectl", "dns", this.#tun, ...servers]);
    }
    if (this.#place !== "systemd-resolved") {
      // Null: it is ours as it is to be, and on record.
      this.#change = await writeResolvConf(this.#journal, this.#resolvConf, servers) ??
        this.#change;
    }
    this.#servers = servers;
  }

  /** The machine asks those again that it had before. Not beside look(). @throws Error */
  async end(): Promise<void> {
    for (const change of [this.#change, this.#inResolved]) {
      if (change !== null) await this.#journal.undo(change);
    }
  }

  get place(): DnsPlace {
    return this.#place;
  }

  /**
   * To be called regularly, one call after the other. Where another program has written its own
   * servers, ours are asked again, and its version is what comes back at the end. It has until the
   * next look to write all of it. Returns a line for people, or null. Throws, when ours cannot be set.
   */
  async look(): Promise<string | null> {
    if (++this.#looks % LOOKS_PER_REPLACEMENT === 0) {
      this.#replacementsLeft = Math.min(REPLACEMENTS_MAX, this.#replacementsLeft + 1);
    }
    const before = this.#theirs;
    this.#theirs = await this.#writtenByOthers();
    if (this.#theirs === null || this.#theirs !== before || this.#replacementsLeft === 0) {
      return null;
    }
    this.#replacementsLeft--;
    this.#theirs = null;
    const replaced = this.#change;
    this.#change = await writeResolvConf(this.#journal, this.#resolvConf, this.#servers);
    if (this.#place === "systemd-resolved") this.#place = "resolv.conf and systemd-resolved";
    if (replaced !== null && this.#change !== null) await this.#journal.settle(replaced);
    return `another program has written ${this.#resolvConf}: ${this.#servers.join(", ")} ` +
      "are asked all the same, and its version comes back at the end";
  }

  /** What is there in the place of ours, in a form to compare; null when ours is. */
  async #writtenByOthers(): Promise<string | null> {
    if (this.#place === "systemd-resolved" && await leadsToStub(this.#resolvConf)) return null;
    const present = await saveFile(this.#resolvConf);
    const own = new TextEncoder().encode(resolvConfText(this.#servers)).toBase64();
    return present.type === "file" && present.base64 === own ? null : JSON.stringify(present);
  }
}

/** What /etc/resolv.conf holds while the tunnel is up. */
export function resolvConfText(servers: readonly string[]): string {
  return [
    OWN_HEADER,
    ...servers.map((server) => `nameserver ${server}`),
    "",
  ].join("\n");
}

function writeResolvConf(
  journal: HostJournal,
  path: string,
  servers: readonly string[],
): Promise<ChangeId | null> {
  return journal.apply({ kind: "file", path, content: resolvConfText(servers), mode: 0o644 });
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

/** Whether the C library asks systemd-resolved itself, whatever /etc/resolv.conf says. */
async function asksResolved(nsswitch: string): Promise<boolean> {
  const text = await Deno.readTextFile(nsswitch).catch(() => "");
  return /^hosts:.*\sresolve(?:\s|$)/m.test(text);
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
): Promise<ChangeId | null> {
  const change = await journal.apply({
    kind: "command",
    argv: ["resolvectl", "dns", tun, ...servers],
    undo: ["resolvectl", "revert", tun],
  });
  try {
    await runChecked(journal.runner, ["resolvectl", "domain", tun, "~."]);
    // Before systemd 240 there is no such setting, and the domain says as much.
    await journal.runner.run(["resolvectl", "default-route", tun, "yes"]);
    return change;
  } catch (error) {
    if (change !== null) await journal.undo(change);
    throw error;
  }
}
