/**
 * The local copy of the leases in a shared store, and the rules by which an address may be used. Has
 * no clock and asks nobody.
 *
 * An address belongs to the client in its entry. A client that was on a server within the last
 * {@link HOLD_MS} keeps its address whatever happens: nobody else may take the entry. So a server that
 * is cut off from the store may go on for as long with what it knows, less a margin for clocks that
 * differ: no address is ever given to two clients.
 */
import type { TunnelNetwork } from "../../../lib/protocol/wire/tunnel_network.ts";
import type { LeaseValue, ServerValue } from "./entries.ts";

/** An address that was not used for so long may be given to another client. */
export const HOLD_MS = 24 * 3_600_000;
/** By how much the clocks of servers may differ, and what is read may be old. */
export const HOLD_MARGIN_MS = 3_600_000;

export interface SharedLease extends LeaseValue {
  readonly host: number;
  /** 0: not in the store as far as is known. */
  readonly revision: number;
  /** Whether the store had it once, so that other servers know that it is not free. */
  readonly isAgreed: boolean;
}

export class LeaseTable {
  readonly network: TunnelNetwork;
  /** Numbers that every client takes. */
  readonly #hosts: readonly number[];
  readonly #byHost = new Map<number, SharedLease>();
  /** Of each client the entry written last. */
  readonly #byName = new Map<string, number>();
  readonly #servers = new Map<string, ServerValue>();
  /** Servers that the store has not told of since it is read anew. */
  #unseenServers = new Set<string>();

  constructor(network: TunnelNetwork) {
    this.network = network;
    this.#hosts = [...network.clientNumbers("usual")];
  }

  /** Clients that can have an address. */
  get size(): number {
    return this.#hosts.length;
  }

  get leases(): Iterable<SharedLease> {
    return this.#byHost.values();
  }

  get servers(): ReadonlyMap<string, ServerValue> {
    return this.#servers;
  }

  at(host: number): SharedLease | undefined {
    return this.#byHost.get(host);
  }

  /** The address of a client: of several the one written last. */
  of(name: string): SharedLease | undefined {
    const host = this.#byName.get(name);
    return host === undefined ? undefined : this.#byHost.get(host);
  }

  /** Takes what the store has. An older version than the one known is left aside: false. */
  set(lease: SharedLease): boolean {
    const before = this.#byHost.get(lease.host);
    if (before !== undefined && before.revision > lease.revision) return false;
    if (before !== undefined && before.name !== lease.name) this.remove(lease.host);
    this.#byHost.set(lease.host, lease);
    const other = this.of(lease.name);
    if (other === undefined || other.revision <= lease.revision) {
      this.#byName.set(lease.name, lease.host);
    }
    return true;
  }

  remove(host: number): void {
    const lease = this.#byHost.get(host);
    if (lease === undefined) return;
    this.#byHost.delete(host);
    if (this.#byName.get(lease.name) !== host) return;
    this.#byName.delete(lease.name);
    for (const other of this.#byHost.values()) {
      if (other.name !== lease.name) continue;
      const chosen = this.of(lease.name);
      if (chosen === undefined || chosen.revision < other.revision) {
        this.#byName.set(other.name, other.host);
      }
    }
  }

  /** The store is about to be read anew: of nothing is known whether it is there. */
  begin(): void {
    for (const [host, lease] of this.#byHost) this.#byHost.set(host, { ...lease, revision: 0 });
    this.#unseenServers = new Set(this.#servers.keys());
  }

  /** All of the store has been read. */
  current(): void {
    for (const id of this.#unseenServers) this.#servers.delete(id);
  }

  setServer(id: string, value: ServerValue): void {
    this.#unseenServers.delete(id);
    this.#servers.set(id, value);
  }

  removeServer(id: string): void {
    this.#servers.delete(id);
  }

  /** When a lease was in use last, as far as is known. */
  usedAtMs({ server, atMs }: LeaseValue, nowMs: number): number {
    const heartbeatMs = server === null ? -Infinity : this.#servers.get(server)?.atMs ?? -Infinity;
    return Math.min(Math.max(atMs, heartbeatMs), nowMs);
  }

  /** Whether the client may use it without asking: nobody else can have taken it. */
  isHeld(lease: LeaseValue, nowMs: number): boolean {
    return nowMs - this.usedAtMs(lease, nowMs) < HOLD_MS - HOLD_MARGIN_MS;
  }

  /** Whether it may be given to another client. */
  isFree(lease: LeaseValue, nowMs: number): boolean {
    return nowMs - this.usedAtMs(lease, nowMs) > HOLD_MS;
  }

  /**
   * Addresses that `name` may try to get, the best first: those of nobody, in an order that is the
   * client's own, so that servers which do so at the same time try the same for one client and
   * different ones for different clients; then those not used for long, the longest first.
   */
  *candidates(
    name: string,
    nowMs: number,
    isReserved: (host: number) => boolean,
  ): Generator<{ readonly host: number; readonly revision: number }> {
    const count = this.#hosts.length;
    const start = hashOf(name) % count;
    for (let step = 0; step < count; step++) {
      const host = this.#hosts[(start + step) % count]!;
      if (!this.#byHost.has(host) && !isReserved(host)) yield { host, revision: 0 };
    }
    const old = [...this.#byHost.values()]
      .map((lease) => ({ ...lease, usedMs: this.usedAtMs(lease, nowMs) }))
      .filter((lease) => this.isFree(lease, nowMs) && !isReserved(lease.host))
      .sort((one, other) => one.usedMs - other.usedMs);
    yield* old;
  }
}

/** FNV-1a, 32 bits: spreads names evenly; nothing secret depends on it. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash;
}
