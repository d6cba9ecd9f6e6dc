/**
 * The kill switch as a client in bonding mode uses it: in force before the first packet to the
 * server and until the machine's own routes are back. When the client fails after it was up, the
 * kill switch stays, as it does when the client is killed; the next start takes it over. Without
 * the option, all of this does nothing.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { familyOf } from "../../lib/host/links/address.ts";
import { type HostJournal, restoreStale } from "../../lib/host/journal/host_journal.ts";
import type { LinkResolver } from "../../lib/host/dns/link_resolvers.ts";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import type { LocalNetwork } from "../../lib/host/firewall/kill_switch/permitted_traffic.ts";
import { adoptedServer, KillSwitch } from "../../lib/host/firewall/kill_switch/kill_switch.ts";
import { ControlError } from "../control/control_error.ts";
import {
  answerWithin,
  hostFor,
  type NamedAddress,
  resolveServers,
} from "../control/resolve_server.ts";
import type { BondOptions } from "../config/options.ts";
import { undoChanges } from "../undo_changes.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

type ProtectionOptions = Pick<BondOptions, "server" | "controlPort" | "killSwitch">;

export class Protection {
  readonly #journal: HostJournal;
  readonly #options: ProtectionOptions;
  #killSwitch: KillSwitch | null = null;
  readonly #queue = new SerialQueue();
  readonly #followNext = this.#queue.shared(() => this.#follow());
  /** Why it could not be changed the last time; empty when it could. */
  #problem = "";
  #afterFailure: "lift" | "keep" = "lift";
  readonly #inForce = Promise.withResolvers<void>();

  constructor(journal: HostJournal, options: ProtectionOptions) {
    this.#journal = journal;
    this.#options = options;
    if (!options.killSwitch) this.#inForce.resolve();
  }

  /** Resolved from the moment on in which nothing leaves that must not; it may never come. */
  get inForce(): Promise<void> {
    return this.#inForce.promise;
  }

  /**
   * Undoes what an earlier run left, but for its kill switch, which is ours from now on. To be done
   * when no other client can run beside this one. @throws JournalError.
   */
  async takeOver(): Promise<void> {
    if (!this.#options.killSwitch) return;
    warn(await restoreStale(this.#journal.runner, undefined, { lasting: this.#journal }));
    if (this.#journal.lasting.length > 0) this.#afterFailure = "keep";
  }

  /**
   * Puts the kill switch in force, unless it is: the server is reached at `addresses` over `links`,
   * which are interfaces. @throws Error, everything as before then.
   */
  async enable(
    tun: string,
    links: readonly string[],
    addresses: readonly string[],
  ): Promise<void> {
    if (!this.#options.killSwitch || this.#killSwitch !== null) return;
    const { server, controlPort } = this.#options;
    const killSwitch = new KillSwitch(this.#journal, {
      ...{ tun, links, server, controlPort, addresses },
    });
    warn(await killSwitch.enable());
    this.#killSwitch = killSwitch;
    this.#inForce.resolve();
    log.info("kill switch: nothing leaves this machine beside the tunnel");
  }

  /** The server is reached over other links, or at other addresses. @throws CommandError. */
  async cover(links: readonly string[], addresses: readonly string[]): Promise<void> {
    warn(await this.#queue.run(async () => await this.#killSwitch?.cover(links, addresses) ?? []));
  }

  /** The traffic goes into the tunnel: whatever happens now must not let it out. */
  keepOnFailure(): void {
    this.#afterFailure = "keep";
  }

  /** What is to go beside the tunnel leaves there, although the kill switch is on. @throws CommandError. */
  async letOut(networks: readonly LocalNetwork[]): Promise<void> {
    warn(await this.#queue.run(async () => await this.#killSwitch?.letOut(networks) ?? []));
  }

  /** Servers have told the ports of their data planes: these, and no other. @throws CommandError. */
  async allowDataPorts(ports: readonly number[]): Promise<void> {
    warn(await this.#queue.run(async () => await this.#killSwitch?.allowDataPorts(ports) ?? []));
  }

  /** The client asks these DNS servers now, or none. @throws CommandError. */
  async allowLookUps(resolvers: readonly LinkResolver[]): Promise<void> {
    warn(await this.#queue.run(async () => await this.#killSwitch?.allowLookUps(resolvers) ?? []));
  }

  /**
   * Links or addresses have changed. To be called regularly besides: what another program has removed
   * of the kill switch is put back.
   */
  follow(): void {
    if (this.#killSwitch !== null) this.#followNext();
  }

  async #follow(): Promise<void> {
    try {
      warn(await this.#killSwitch?.follow() ?? []);
      this.#problem = "";
    } catch (error) {
      if (this.#problem === String(error)) return;
      this.#problem = String(error);
      log.warn("the kill switch cannot follow the links: {error}", { error });
    }
  }

  /** Undoes what the client did to the machine; nothing is followed from then on. */
  async end(how: "stopped" | "failed"): Promise<void> {
    this.#killSwitch = null;
    // What it is told now would put it back in force after it was lifted, and nobody would know.
    await this.#queue.idle();
    const keep = how === "failed" && this.#afterFailure === "keep";
    const isUndone = await undoChanges(this.#journal, keep ? "leave" : "undo");
    if (isUndone && how === "stopped") log.info("stopped: the machine's own routes are back");
    if (keep && this.#journal.lasting.length > 0) {
      log.error(
        "the kill switch stays on: nothing leaves this machine until the client runs again, or " +
          "'fluxify-client restore' lifts it",
      );
    }
  }
}

/** How long DNS may take: the system's resolver would try for longer when nobody answers. */
const DNS_TIMEOUT_MS = 20_000;

/**
 * The addresses of `server`. A kill switch that `journal` has taken over may keep the machine from
 * asking DNS: then they are those it lets through. @throws ControlError.
 */
export async function findServer(
  server: string,
  journal: Pick<HostJournal, "lasting">,
  signal: AbortSignal,
  resolve: (server: string) => Promise<NamedAddress[]> = resolveServers,
): Promise<NamedAddress[]> {
  try {
    return await answerWithin(resolve(server), server, DNS_TIMEOUT_MS, signal);
  } catch (error) {
    const known = adoptedServer(journal);
    if (known === null || !(error instanceof ControlError) || signal.aborted) throw error;
    if (known.server === server || known.server.split(",").includes(server)) {
      log.warn("the kill switch keeps DNS from answering: using the addresses known from before");
      return known.addresses.map((address) => ({
        address,
        family: familyOf(address),
        host: hostFor(server, address),
      }));
    }
    throw new ControlError(
      error.code,
      `${error.message}; the kill switch of an earlier run is on and may be the reason: give the ` +
        "server's address, or lift it with 'fluxify-client restore'",
      { retryable: error.retryable },
    );
  }
}

function warn(lines: readonly string[]): void {
  for (const line of lines) log.warn("{line}", { line });
}
