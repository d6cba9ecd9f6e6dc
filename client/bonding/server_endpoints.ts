/**
 * The addresses of the server, each with its routes over the links. They are looked up at the start,
 * and again when none of them answers: the server may have moved. Addresses from before stay behind
 * those that DNS names now, as the last resort. The data plane has the same ones, unless the server
 * says otherwise.
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

/** Looks up names and addresses with commas between; throws ControlError. */
export type FindAddresses = (
  hosts: string,
  signal: AbortSignal,
) => Promise<readonly NamedAddress[]>;

/** An address of the server. */
export interface ServerEndpoint extends NamedAddress {
  /** Null: it is on this machine, and no route leads to it over a link. */
  readonly routes: ServerRoutes | null;
}

export class ServerEndpoints {
  readonly #journal: HostJournal;
  readonly #server: string;
  readonly #find: FindAddresses;
  readonly #routesTo: (address: string) => ServerRoutes;
  #all: readonly ServerEndpoint[] = [];
  /** What the server said of its data plane; empty: nothing. */
  #dataHosts = "";
  #data: readonly ServerEndpoint[] = [];

  /**
   * @param server names and addresses with commas between, as the user gave them.
   * @param routesTo the routes to an address, which other servers may have, too.
   */
  constructor(
    journal: HostJournal,
    server: string,
    find: FindAddresses,
    routesTo = (address: string) => new ServerRoutes(journal, address),
  ) {
    this.#journal = journal;
    this.#routesTo = routesTo;
    this.#server = server;
    this.#find = find;
  }

  /** Of the control plane, the best ones first; empty before the first look-up. */
  get all(): readonly ServerEndpoint[] {
    return this.#all;
  }

  /** Of the data plane. */
  get data(): readonly ServerEndpoint[] {
    return this.#data.length > 0 ? this.#data : this.#all;
  }

  /** Of both, each address once, whatever it is called by. */
  get both(): readonly ServerEndpoint[] {
    const { all } = this;
    const isNew = ({ address }: ServerEndpoint) => !all.some((one) => one.address === address);
    return [...all, ...this.data.filter(isNew)];
  }

  /**
   * Looks the addresses up. Returns those that are new. Where some are known already, that DNS does
   * not answer is no error. @throws ControlError, CommandError.
   */
  async lookUp(signal: AbortSignal): Promise<readonly ServerEndpoint[]> {
    const before = this.both;
    this.#all = await this.#merge(this.#all, this.#server, signal);
    if (this.#dataHosts !== "") {
      this.#data = await this.#merge(this.#data, this.#dataHosts, signal);
    }
    return this.both.filter((one) => !before.includes(one));
  }

  /**
   * The server says that its data plane is at `hosts`; none: where the control plane is. Names that are
   * not found leave it there, too. @throws CommandError.
   */
  async useForData(hosts: readonly string[], signal: AbortSignal): Promise<void> {
    const wanted = hosts.join(",");
    if (wanted === this.#dataHosts) return;
    this.#dataHosts = wanted;
    this.#data = [];
    if (wanted === "") return;
    try {
      this.#data = await this.#merge([], wanted, signal);
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      if (!signal.aborted) log.warn("{error}; trying UDP where TCP works", { error });
    }
  }

  /** What `hosts` are found to be, before the addresses that are known. */
  async #merge(
    known: readonly ServerEndpoint[],
    hosts: string,
    signal: AbortSignal,
  ): Promise<readonly ServerEndpoint[]> {
    let found: readonly NamedAddress[];
    try {
      found = await this.#find(hosts, signal);
    } catch (error) {
      if (known.length === 0 || !(error instanceof ControlError)) throw error;
      log.debug("{error}", { error });
      return known;
    }
    const interfaces = await listInterfaces(this.#journal.runner);
    const before = this.both;
    // One address has one set of routes, whatever it is called by.
    const endpoints = found.map((named): ServerEndpoint => {
      const same = before.find(({ address }) => address === named.address);
      if (same?.host === named.host) return same;
      const isOwn = isLoopback(named.address) || isOwnAddress(interfaces, named.address);
      return {
        ...named,
        routes: isOwn ? null : same?.routes ?? this.#routesTo(named.address),
      };
    });
    const rest = known.filter(({ address }) => !endpoints.some((one) => one.address === address));
    return [...endpoints, ...rest].slice(0, SERVER_ADDRESSES_MAX);
  }
}
