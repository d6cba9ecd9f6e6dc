/**
 * The addresses of the clients inside the tunnel, one host number for both families. A client gets
 * the number it had before as long as nobody else needs it, and never one that is in use.
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

interface Entry {
  readonly host: number;
  readonly isInUse: boolean;
}

export class AddressPool {
  /** By client name, the one released longest ago first. */
  readonly #leases = new Map<string, Entry>();
  readonly #taken = new Set<number>();
  /** Numbers that may not have been leased yet; each is looked at once. */
  readonly #unused: Iterator<number>;

  /**
   * `leases` are those of clients that are not connected, the least recently used first. Throws
   * RangeError when a name or a number is there twice, or a number is none of a client's.
   */
  constructor(leases: readonly Lease[] = [], readonly network: TunnelNetwork = DEFAULT_NETWORK) {
    for (const { name, host } of leases) {
      if (!network.isClientNumber(host)) {
        throw new RangeError(`no client has the host number ${host}`);
      }
      this.#leases.set(name, { host, isInUse: false });
      this.#taken.add(host);
    }
    if (this.#leases.size !== leases.length || this.#taken.size !== leases.length) {
      throw new RangeError("a name or a host number is leased twice");
    }
    this.#unused = network.clientNumbers();
  }

  /** Clients that can be connected at one time. */
  get size(): number {
    let size = 0;
    for (const _ of this.network.clientNumbers()) size++;
    return size;
  }

  /** All that is leased, the least recently used first; clients that are connected come last. */
  get leases(): Lease[] {
    const entries = [...this.#leases];
    return [
      ...entries.filter(([, { isInUse }]) => !isInUse),
      ...entries.filter(([, e]) => e.isInUse),
    ]
      .map(([name, { host }]) => ({ name, host }));
  }

  /** The addresses of `name`, the same as before if it had any; null when all are in use. */
  lease(name: string): InnerAddresses | null {
    const known = this.#leases.get(name);
    const host = known?.host ?? this.#freeHost();
    if (host === null) return null;
    this.#leases.delete(name);
    this.#leases.set(name, { host, isInUse: true });
    return this.network.addressesOf(host);
  }

  /** The addresses that `name` has, or would get again as things are; null when it has none. */
  addressesOf(name: string): InnerAddresses | null {
    const lease = this.#leases.get(name);
    return lease === undefined ? null : this.network.addressesOf(lease.host);
  }

  /** `name` has gone. Its addresses are kept for it until they are needed. */
  release(name: string): void {
    const lease = this.#leases.get(name);
    if (lease === undefined) return;
    this.#leases.delete(name);
    this.#leases.set(name, { ...lease, isInUse: false });
  }

  /** A number nobody ever had, else the one released longest ago. */
  #freeHost(): number | null {
    for (let next = this.#unused.next(); !next.done; next = this.#unused.next()) {
      if (this.#taken.has(next.value)) continue;
      this.#taken.add(next.value);
      return next.value;
    }
    for (const [name, lease] of this.#leases) {
      if (lease.isInUse) continue;
      this.#leases.delete(name);
      return lease.host;
    }
    return null;
  }
}
