/**
 * The addresses of the clients inside the tunnel, one host number for both families. A client gets
 * the number that is reserved for it, else the one it had before as long as nobody else needs it, and
 * never one that is in use. What a call costs does not grow with the pool or its clients.
 */
import {
  DEFAULT_NETWORK,
  type InnerAddresses,
  type TunnelNetwork,
} from "../../lib/protocol/wire/tunnel_network.ts";

/** A host number that is kept for a client. */
export interface Lease {
  readonly name: string;
  readonly host: number;
}

/** What numbers a client takes: see FEATURE_ANY_HOST. */
export type TakenHosts = "usual" | "any";

export class AddressPool {
  readonly #usual: Shelf;
  readonly #unusual: Shelf;
  /** By name: those of clients that are connected. */
  readonly #inUse = new Map<string, number>();
  /** By number: whose lease it is, of a client that is connected or has gone. */
  readonly #holders = new Map<number, string>();
  readonly #reserved = new Map<string, number>();
  /** By number: whom it is reserved for. */
  readonly #owners = new Map<number, string>();

  /**
   * `leases` are those of clients that are not connected, the least recently used first. Throws
   * RangeError when a name or a number is there twice, or a number is none of a client's.
   */
  constructor(leases: readonly Lease[] = [], readonly network: TunnelNetwork = DEFAULT_NETWORK) {
    const isFree = (host: number) => !this.#holders.has(host) && !this.#owners.has(host);
    this.#usual = new Shelf(network.clientNumbers("usual"), isFree);
    this.#unusual = new Shelf(network.clientNumbers("unusual"), isFree);
    const names = new Set<string>();
    for (const { name, host } of leases) {
      if (!network.isClientNumber(host)) {
        throw new RangeError(`no client has the host number ${host}`);
      }
      this.#shelfOf(host).kept.set(name, host);
      this.#holders.set(host, name);
      names.add(name);
    }
    if (names.size !== leases.length || this.#holders.size !== leases.length) {
      throw new RangeError("a name or a host number is leased twice");
    }
  }

  /** Clients that can be connected at one time. */
  get size(): number {
    return this.network.clientCount;
  }

  /** Clients that are connected. */
  get inUse(): number {
    return this.#inUse.size;
  }

  isInUse(name: string): boolean {
    return this.#inUse.has(name);
  }

  /** All that is leased, the least recently used first; clients that are connected come last. */
  get leases(): Lease[] {
    return [...this.#usual.kept, ...this.#unusual.kept, ...this.#inUse]
      .map(([name, host]) => ({ name, host }));
  }

  /**
   * The addresses of `name`, the same as before if it had any that it takes. Null when all are in use,
   * or somebody still has the one that is reserved for it.
   */
  lease(name: string, takes: TakenHosts = "usual"): InnerAddresses | null {
    const before = this.#hostOf(name);
    const host = this.#reserved.get(name) ??
      (before !== undefined && this.#suits(before, takes) ? before : this.#freeHost(takes));
    if (host === null) return null;
    const holder = this.#holders.get(host);
    if (holder !== undefined && holder !== name) return null;
    if (before !== undefined && before !== host) this.#drop(name, before);
    this.#shelfOf(host).kept.delete(name);
    this.#inUse.delete(name);
    this.#inUse.set(name, host);
    this.#holders.set(host, name);
    return this.network.addressesOf(host);
  }

  /** The addresses that `name` has, or would get again as things are; null when it has none. */
  addressesOf(name: string): InnerAddresses | null {
    const host = this.#inUse.get(name) ?? this.#reserved.get(name) ?? this.#hostOf(name);
    return host === undefined ? null : this.network.addressesOf(host);
  }

  /** `name` has gone. Its addresses are kept for it until they are needed. */
  release(name: string): void {
    const host = this.#inUse.get(name);
    if (host === undefined) return;
    this.#inUse.delete(name);
    // A number that is reserved is nobody's to keep.
    if (this.#owners.has(host)) this.#holders.delete(host);
    else this.#shelfOf(host).kept.set(name, host);
  }

  /**
   * From now on `host` is for `name` alone, instead of one reserved before. Returns the client that is
   * connected and has it, or null; it keeps the number until it is released.
   * @throws RangeError for a number that not every client takes, or one of another client.
   */
  reserve(name: string, host: number): string | null {
    if (!this.network.isClientNumber(host) || !this.network.isUsual(host)) {
      throw new RangeError(`no client can rely on the host number ${host}`);
    }
    const owner = this.#owners.get(host);
    if (owner !== undefined && owner !== name) {
      throw new RangeError(`the host number ${host} is reserved for ${owner}`);
    }
    if (owner === undefined) this.cancel(name);
    const holder = this.#holders.get(host);
    const isElsewhere = holder !== undefined && holder !== name && this.#inUse.has(holder);
    // Leases of clients that have gone: what another has of this number, and this one of others.
    if (holder !== undefined && !this.#inUse.has(holder)) this.#drop(holder, host);
    const before = this.#inUse.has(name) ? undefined : this.#hostOf(name);
    if (before !== undefined) this.#drop(name, before);
    this.#reserved.set(name, host);
    this.#owners.set(host, name);
    return isElsewhere ? holder : null;
  }

  /** Nothing is reserved for `name` any more. */
  cancel(name: string): void {
    const host = this.#reserved.get(name);
    if (host === undefined) return;
    this.#reserved.delete(name);
    this.#owners.delete(host);
    if (!this.#holders.has(host)) this.#shelfOf(host).freed.add(host);
  }

  #hostOf(name: string): number | undefined {
    return this.#inUse.get(name) ?? this.#usual.kept.get(name) ?? this.#unusual.kept.get(name);
  }

  #suits(host: number, takes: TakenHosts): boolean {
    return takes === "any" || this.network.isUsual(host);
  }

  /** Ends a lease of a number. */
  #drop(name: string, host: number): void {
    const shelf = this.#shelfOf(host);
    this.#inUse.delete(name);
    shelf.kept.delete(name);
    this.#holders.delete(host);
    if (!this.#owners.has(host)) shelf.freed.add(host);
  }

  #shelfOf(host: number): Shelf {
    return this.network.isUsual(host) ? this.#usual : this.#unusual;
  }

  /** A number nobody has, else that of the client that has gone longest ago, which loses its lease. */
  #freeHost(takes: TakenHosts): number | null {
    const shelves = takes === "any" ? [this.#usual, this.#unusual] : [this.#usual];
    for (const shelf of shelves) {
      const host = shelf.takeFree();
      if (host !== null) return host;
    }
    for (const shelf of shelves.reverse()) {
      for (const [name, host] of shelf.kept) {
        shelf.kept.delete(name);
        this.#holders.delete(host);
        return host;
      }
    }
    return null;
  }
}

/** Numbers of one kind that no connected client has. */
class Shelf {
  /** Leases of clients that have gone, by name, the one released longest ago first. */
  readonly kept = new Map<string, number>();
  /** Numbers that were somebody's once. */
  readonly freed = new Set<number>();
  /** Numbers that may not have been anybody's yet; each is looked at once. */
  readonly #unused: Iterator<number>;
  readonly #isFree: (host: number) => boolean;

  constructor(unused: Iterator<number>, isFree: (host: number) => boolean) {
    this.#unused = unused;
    this.#isFree = isFree;
  }

  takeFree(): number | null {
    for (let next = this.#unused.next(); !next.done; next = this.#unused.next()) {
      if (this.#isFree(next.value)) return next.value;
    }
    for (const host of this.freed) {
      this.freed.delete(host);
      if (this.#isFree(host)) return host;
    }
    return null;
  }
}
