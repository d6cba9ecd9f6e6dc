/**
 * The servers a client may use, and their addresses together: links lead to all of them, and the data
 * plane is at those of one. With one server, this is that server.
 */
import type { HostJournal } from "../../../lib/host/journal/host_journal.ts";
import { ServerRoutes } from "../../../lib/host/routes/server_routes.ts";
import type { ServerStatus } from "../../../lib/status/bond_status.ts";
import { ControlError } from "../../control/control_error.ts";
import { type FindAddresses, type ServerEndpoint, ServerEndpoints } from "../server_endpoints.ts";
import { type AskingFor, ServerChoice, type ServerPolicy } from "./server_choice.ts";

export class ServerPool {
  readonly choice: ServerChoice;
  readonly #names: readonly string[];
  readonly #members: readonly ServerEndpoints[];
  /** By address: servers may have one in common. */
  readonly #routes = new Map<string, ServerRoutes>();
  /** Of addresses of control planes, also such as are known no more. */
  readonly #owners = new WeakMap<ServerEndpoint, number>();
  /** The one whose data plane links lead to; null: that of any. */
  #used: number | null = null;

  /** @param servers each is names and addresses of one server, with commas between. */
  constructor(
    journal: HostJournal,
    servers: readonly string[],
    policy: ServerPolicy,
    find: FindAddresses,
  ) {
    this.#names = servers;
    this.choice = new ServerChoice(servers.length, policy);
    const routesTo = (address: string) =>
      this.#routes.getOrInsertComputed(address, () => new ServerRoutes(journal, address));
    this.#members = servers.map((hosts) => new ServerEndpoints(journal, hosts, find, routesTo));
  }

  get size(): number {
    return this.#members.length;
  }

  /** Whether links keep their routes to all addresses, so that no server has to wait for one. */
  get keepsRoutes(): boolean {
    return this.size > 1;
  }

  /** Addresses of the control planes. */
  get all(): readonly ServerEndpoint[] {
    return this.#members.flatMap(({ all }) => all);
  }

  /** Those of the server whose data plane links lead to; of all, where that is any. */
  get control(): readonly ServerEndpoint[] {
    return this.#used === null ? this.all : this.#of().all;
  }

  /** Addresses of the data plane that links lead to. */
  get data(): readonly ServerEndpoint[] {
    return this.#used === null
      ? distinct(this.#members.flatMap(({ data }) => data))
      : this.#of().data;
  }

  /** Addresses of all planes, each once. */
  get both(): readonly ServerEndpoint[] {
    return distinct(this.#members.flatMap(({ both }) => both));
  }

  nameOf(index: number): string {
    return this.#names[index]!;
  }

  /** As the user named the one in use, or the one that comes first. */
  get name(): string {
    return this.nameOf(this.choice.current ?? 0);
  }

  /** The server that an address of a control plane is of. */
  indexOf(endpoint: ServerEndpoint): number {
    return this.#owners.get(endpoint) ?? 0;
  }

  /** How each of several stands, in the user's order; none where there is one alone. */
  states(nowMs: number): ServerStatus[] {
    if (this.size === 1) return [];
    return this.#names.map((name, index) => ({ name, ...this.choice.stateOf(index, nowMs) }));
  }

  /** The servers to ask for a session, the best ones first, as far as they have addresses. */
  plan(what: AskingFor, nowMs: number): number[] {
    return this.choice.plan(what, nowMs).filter((index) => this.#members[index]!.all.length > 0);
  }

  /** From now on the links lead to the data plane of that server; null: to any. */
  use(index: number | null): void {
    this.#used = this.size === 1 ? 0 : index;
  }

  get used(): number | null {
    return this.#used;
  }

  /**
   * Looks up the addresses of all. Returns those that are new. Servers that are not found do not count
   * as long as one is known. @throws ControlError, CommandError.
   */
  async lookUp(signal: AbortSignal): Promise<readonly ServerEndpoint[]> {
    const looked = await Promise.allSettled(this.#members.map((one) => one.lookUp(signal)));
    for (const [index, { all }] of this.#members.entries()) {
      for (const endpoint of all) this.#owners.set(endpoint, index);
    }
    const failures = looked.filter((one) => one.status === "rejected");
    const fault = failures.find(({ reason }) => !(reason instanceof ControlError));
    if (fault !== undefined) throw fault.reason;
    if (this.all.length === 0 && failures.length > 0) throw failures[0]!.reason;
    return looked.flatMap((one) => one.status === "fulfilled" ? one.value : []);
  }

  /** As ServerEndpoints.useForData() of the server in use. */
  async useForData(hosts: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#of().useForData(hosts, signal);
  }

  #of(): ServerEndpoints {
    return this.#members[this.#used ?? 0]!;
  }
}

function distinct(endpoints: readonly ServerEndpoint[]): ServerEndpoint[] {
  const byAddress = new Map<string, ServerEndpoint>();
  for (const endpoint of endpoints) byAddress.getOrInsert(endpoint.address, endpoint);
  return [...byAddress.values()];
}
