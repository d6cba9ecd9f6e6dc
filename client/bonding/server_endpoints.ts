/**
 * The addresses of the server, each with its routes over the links. They are looked up at the start,
 * and again when none of them answers: the server may have moved. Addresses from before stay behind
 * those that DNS names now, as the last resort.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { isLoopback } from "../../lib/host/links/address.ts";
import { isOwnAddress, listInterfaces } from "../../lib/host/links/network_interface.ts";
import type { HostJournal } from "../../lib/host/journal/host_journal.ts";
import { ServerRoutes } from "../../lib/host/routes/server_routes.ts";
import { ControlError } from "../control/control_error.ts";
import { type NamedAddress, SERVER_ADDRESSES_MAX } from "../control/resolve_server.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

/** An address of the server. */
export interface ServerEndpoint extends NamedAddress {
  /** Null: it is on this machine, and no route leads to it over a link. */
  readonly routes: ServerRoutes | null;
}

export class ServerEndpoints {
  readonly #journal: HostJournal;
  readonly #find: (signal: AbortSignal) => Promise<readonly NamedAddress[]>;
  #all: readonly ServerEndpoint[] = [];

  /** @param find looks the addresses up; throws ControlError. */
  constructor(
    journal: HostJournal,
    find: (signal: AbortSignal) => Promise<readonly NamedAddress[]>,
  ) {
    this.#journal = journal;
    this.#find = find;
  }

  /** The best ones first; empty before the first look-up. */
  get all(): readonly ServerEndpoint[] {
    return this.#all;
  }

  /**
   * Looks the addresses up. Returns those that are new. Where some are known already, that DNS does
   * not answer is no error. @throws ControlError, CommandError.
   */
  async lookUp(signal: AbortSignal): Promise<readonly ServerEndpoint[]> {
    const before = this.#all;
    let found: readonly NamedAddress[];
    try {
      found = await this.#find(signal);
    } catch (error) {
      if (before.length === 0 || !(error instanceof ControlError)) throw error;
      log.debug("{error}", { error });
      return [];
    }
    const interfaces = await listInterfaces(this.#journal.runner);
    const endpoints = found.map((named) =>
      before.find((one) => one.address === named.address && one.host === named.host) ?? {
        ...named,
        routes: isLoopback(named.address) || isOwnAddress(interfaces, named.address)
          ? null
          : new ServerRoutes(this.#journal, named.address),
      }
    );
    const rest = before.filter(({ address }) => !endpoints.some((one) => one.address === address));
    this.#all = [...endpoints, ...rest].slice(0, SERVER_ADDRESSES_MAX);
    return this.#all.filter((one) => !before.includes(one));
  }
}
