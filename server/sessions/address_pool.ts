/**
 * The addresses of the clients inside the tunnel: 10.8.0.x and fd00:8:0::x, one host number x for
 * both, from 2 to 254. A client gets the number it had before as long as nobody else needs it, and
 * never one that is in use.
 */
export const TUNNEL_SUBNET4 = "10.8.0.0/24";
export const TUNNEL_SUBNET6 = "fd00:8::/64";
export const TUNNEL_PREFIX4 = 24;
export const TUNNEL_PREFIX6 = 64;
export const SERVER_IPV4 = "10.8.0.1";
export const SERVER_IPV6 = "fd00:8::1";

export const HOST_MIN = 2;
export const HOST_MAX = 254;
/** Clients that can be connected at one time. */
export const POOL_SIZE = HOST_MAX - HOST_MIN + 1;

export interface InnerAddresses {
  readonly ipv4: string;
  readonly ipv6: string;
}

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

  /**
   * `leases` are those of clients that are not connected, the least recently used first. Throws
   * RangeError when a name or a number is there twice, or a number is none of ours.
   */
  constructor(leases: readonly Lease[] = []) {
    for (const { name, host } of leases) {
      if (!Number.isInteger(host) || host < HOST_MIN || host > HOST_MAX) {
        throw new RangeError(`no client has the host number ${host}`);
      }
      this.#leases.set(name, { host, isInUse: false });
    }
    const hosts = new Set(leases.map(({ host }) => host));
    if (this.#leases.size !== leases.length || hosts.size !== leases.length) {
      throw new RangeError("a name or a host number is leased twice");
    }
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
    return { ipv4: `10.8.0.${host}`, ipv6: `fd00:8::${host.toString(16)}` };
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
    if (this.#leases.size < POOL_SIZE) {
      const taken = new Set([...this.#leases.values()].map(({ host }) => host));
      for (let host = HOST_MIN; host <= HOST_MAX; host++) if (!taken.has(host)) return host;
    }
    for (const [name, lease] of this.#leases) {
      if (lease.isInUse) continue;
      this.#leases.delete(name);
      return lease.host;
    }
    return null;
  }
}
