/**
 * The addresses of clients of several servers. Which client has which is agreed in the store, one
 * entry an address, by writes that name the version they replace: of two servers that want one
 * address, one is refused. The local copy is enough for clients that were there lately.
 */
import type { ControlRefusal } from "../../../lib/protocol/wire/control_message.ts";
import type { InnerAddresses, TunnelNetwork } from "../../../lib/protocol/wire/tunnel_network.ts";
import type { Lease } from "../../sessions/address_pool.ts";
import type { AddressBook } from "../server_store.ts";
import { type Claim, refusalOf } from "./claim.ts";
import { encodeLease, leaseKey, type LeaseValue } from "./entries.ts";
import type { KeyValue, StoredValue } from "./key_value.ts";
import { LeaseTable, type SharedLease } from "./lease_table.ts";

/** A write that another server was faster with is tried again, on another address or version. */
const ATTEMPTS_MAX = 32;
/** A client waits 10 s for its answer. */
const CLAIM_MS = 6_000;
/** Writes of who is where, at a time. */
const WRITERS = 16;

export interface SharedAddressesParts {
  readonly network: TunnelNetwork;
  /** Of this run of this server. */
  readonly serverId: string;
  /** Of the local copy, the least recently used first; `usedAtMs`: when each was there last. */
  readonly leases: readonly Lease[];
  /** Whether that is a copy of what servers have agreed on. */
  readonly areAgreed: boolean;
  readonly usedAtMs: (name: string) => number;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** The store; null while it cannot be reached. */
  readonly store: () => KeyValue | null;
  /** Takes in a value that was read, as the watch does. */
  readonly take: (value: StoredValue) => void;
  /** The session of a client has to end, for the reason given. */
  readonly end: (name: string, why: string) => void;
  /** For people, of a server's id. */
  readonly serverName: (id: string) => string;
  /** The store did not answer. */
  readonly failed: (error: unknown) => void;
}

/** What the store is to be told of a client: where it has been heard, or left, and when. */
type Presence = { readonly is: "here" | "gone"; readonly atMs: number };

export class SharedAddresses implements AddressBook {
  readonly network: TunnelNetwork;
  readonly table: LeaseTable;
  readonly #parts: SharedAddressesParts;
  /** Of clients that have a session here: its address. */
  readonly #inUse = new Map<string, number>();
  /** Of clients that were heard here: when. */
  readonly #heard = new Map<string, number>();
  readonly #claims = new Map<string, Promise<Claim>>();
  readonly #claimed = new Set<number>();
  /** Addresses whose entry makes no sense: nobody's to use. */
  readonly #broken = new Set<number>();
  readonly #pending = new Map<string, Presence>();
  /** Addresses that are set for clients, by name, and by number. */
  readonly #reserved = new Map<string, number>();
  readonly #owners = new Map<number, string>();
  #writers = 0;
  #idle: (() => void)[] = [];

  constructor(parts: SharedAddressesParts) {
    this.#parts = parts;
    this.network = parts.network;
    this.table = new LeaseTable(parts.network);
    for (const { name, host } of parts.leases) {
      const known = { server: null, atMs: parts.usedAtMs(name), revision: 0 };
      this.table.set({ name, host, ...known, isAgreed: parts.areAgreed });
    }
  }

  get size(): number {
    return this.table.size;
  }

  get leases(): Lease[] {
    return [...this.table.leases]
      .filter((lease) => this.table.of(lease.name) === lease)
      .sort((one, other) => one.revision - other.revision)
      .map(({ name, host }) => ({ name, host }));
  }

  get pendingWrites(): number {
    return this.#pending.size;
  }

  get inUse(): number {
    return this.#inUse.size;
  }

  isInUse(name: string): boolean {
    return this.#inUse.has(name);
  }

  lease(name: string): InnerAddresses | null {
    const host = this.#inUse.get(name) ?? this.#ownLease(name)?.host;
    if (host === undefined) return null;
    this.#inUse.set(name, host);
    return this.network.addressesOf(host);
  }

  addressesOf(name: string): InnerAddresses | null {
    const host = this.#inUse.get(name) ?? this.#reserved.get(name) ?? this.table.of(name)?.host;
    return host === undefined ? null : this.network.addressesOf(host);
  }

  release(name: string): void {
    this.#inUse.delete(name);
    if (this.#heard.delete(name)) this.#note(name, { is: "gone", atMs: this.#parts.nowMs() });
  }

  reserve(name: string, host: number): string | null {
    if (!this.network.isClientNumber(host) || !this.network.isUsual(host)) {
      throw new RangeError(`no client can rely on the host number ${host}`);
    }
    const owner = this.#owners.get(host);
    if (owner !== undefined && owner !== name) {
      throw new RangeError(`the host number ${host} is reserved for ${owner}`);
    }
    this.cancel(name);
    this.#reserved.set(name, host);
    this.#owners.set(host, name);
    const [holder] = [...this.#inUse].find(([, each]) => each === host) ?? [];
    return holder === undefined || holder === name ? null : holder;
  }

  cancel(name: string): void {
    const host = this.#reserved.get(name);
    if (host === undefined) return;
    this.#reserved.delete(name);
    this.#owners.delete(host);
  }

  /** The client has spoken on its session here. */
  heard(name: string): void {
    if (this.#heard.has(name) || !this.#inUse.has(name)) return;
    const atMs = this.#parts.nowMs();
    this.#heard.set(name, atMs);
    this.#note(name, { is: "here", atMs });
  }

  /** Makes sure that `name` has an address that is its own. Never rejects. */
  admit(name: string): ControlRefusal | null | Promise<ControlRefusal | null> {
    if (this.#inUse.has(name) || this.#mayUse(this.#ownLease(name))) return null;
    let claim = this.#claims.get(name);
    if (claim === undefined) {
      claim = this.#claim(name).finally(() => this.#claims.delete(name));
      this.#claims.set(name, claim);
    }
    return claim.then((outcome) => refusalOf(outcome, this.size));
  }

  /** The store is about to be read anew. */
  begin(): void {
    this.#broken.clear();
    this.table.begin();
  }

  /** Of a lease entry: what the store has. */
  take(host: number, value: LeaseValue, revision: number): void {
    this.#broken.delete(host);
    const lease = { ...value, host, revision, isAgreed: true };
    const before = this.table.at(host);
    if (!this.table.set(lease)) return;
    if (before !== undefined && before.name !== lease.name) this.#lost(before);
    this.#movedAway(lease);
  }

  /** An entry that makes no sense. */
  refuse(host: number): void {
    this.#broken.add(host);
  }

  /** An entry that has been deleted by hand: it is made again, unless somebody else has the address. */
  takeRemoval(host: number): void {
    this.#broken.delete(host);
    const lease = this.table.at(host);
    if (lease === undefined) return;
    this.table.remove(host);
    this.table.set({ ...lease, revision: 0 });
    void this.publish();
  }

  /** After the whole of the store has been told: what it does not know of is put into it. */
  async publish(): Promise<void> {
    for (const [name, atMs] of this.#heard) {
      if (!this.#pending.has(name)) this.#noteIfNews(name, atMs);
    }
    this.#write();
    const unknown = [...this.table.leases].filter(({ revision }) => revision === 0);
    for (const lease of unknown) {
      const store = this.#parts.store();
      if (store === null) return;
      // Of an address that the client has given up for another since, nothing is told.
      if (this.table.of(lease.name) !== lease) {
        this.table.remove(lease.host);
        continue;
      }
      try {
        await this.#replace(store, lease.host, 0, lease);
      } catch (error) {
        return this.#parts.failed(error); // tried again when the store is back
      }
    }
  }

  /** When all is written, or the store is away. */
  async flush(): Promise<void> {
    this.#write();
    if (this.#writers === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #claim(name: string): Promise<Claim> {
    const endMs = this.#parts.nowMs() + CLAIM_MS;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const nowMs = this.#parts.nowMs();
      const store = this.#parts.store();
      if (store === null || nowMs > endMs) return "store away";
      const own = this.#ownLease(name);
      if (this.#mayUse(own)) return "has one";
      const isReserved = this.#reserved.has(name);
      const target = own ??
        (isReserved ? this.#reservedTarget(name, nowMs) : this.#candidate(name, nowMs));
      if (target === undefined) return isReserved ? "not free yet" : "all in use";
      this.#claimed.add(target.host);
      try {
        const value = { name, server: null, atMs: nowMs };
        if (await this.#replace(store, target.host, target.revision, value)) return "has one";
      } catch (error) {
        this.#parts.failed(error);
        return "store away";
      } finally {
        this.#claimed.delete(target.host);
      }
    }
    return "store away";
  }

  /** Whether a client may have it without a word to the others. */
  #mayUse(lease: SharedLease | undefined): boolean {
    if (lease === undefined || !this.table.isHeld(lease, this.#parts.nowMs())) return false;
    return this.#parts.store() === null ? lease.isAgreed : lease.revision > 0;
  }

  #candidate(name: string, nowMs: number) {
    const inUse = new Set(this.#inUse.values());
    const isReserved = (host: number) =>
      this.#claimed.has(host) || this.#broken.has(host) || this.#owners.has(host) ||
      inUse.has(host);
    const { value } = this.table.candidates(name, nowMs, isReserved).next();
    return value === undefined ? undefined : value;
  }

  /** The address of a client; of one with a reserved address, that one or none. */
  #ownLease(name: string): SharedLease | undefined {
    const reserved = this.#reserved.get(name);
    if (reserved === undefined) return this.table.of(name);
    const lease = this.table.at(reserved);
    return lease?.name === name ? lease : undefined;
  }

  /** What to take over for a client with a reserved address; undefined: another one may still use it. */
  #reservedTarget(name: string, nowMs: number) {
    const host = this.#reserved.get(name)!;
    const lease = this.table.at(host);
    if (lease === undefined) return { host, revision: 0 };
    return this.table.isFree(lease, nowMs) ? lease : undefined;
  }

  /** False: another version is there, which has been taken in. @throws Error when nobody answered */
  async #replace(
    store: KeyValue,
    host: number,
    expected: number,
    value: LeaseValue,
  ): Promise<boolean> {
    const { ipv4 } = this.network.addressesOf(host);
    const entry = encodeLease(ipv4, value);
    let revision = await store.write(entry.key, entry.value, expected);
    if (revision === "conflict") {
      const found = await store.read(leaseKey(ipv4));
      // What was deleted leaves a version behind.
      const free = found === null ? 0 : found.value === null ? found.revision : null;
      if (free === null) {
        this.#parts.take(found!);
        return false;
      }
      revision = await store.write(entry.key, entry.value, free);
      if (revision === "conflict") return false;
    }
    this.take(host, value, revision);
    return true;
  }

  #note(name: string, presence: Presence): void {
    this.#pending.set(name, presence);
    this.#write();
  }

  #noteIfNews(name: string, atMs: number): void {
    const lease = this.table.of(name);
    if (lease?.server !== this.#parts.serverId) this.#pending.set(name, { is: "here", atMs });
  }

  #write(): void {
    if (this.#parts.store() === null) return;
    while (this.#writers < WRITERS && this.#pending.size > 0) {
      this.#writers++;
      void this.#writeAll();
    }
  }

  async #writeAll(): Promise<void> {
    for (;;) {
      const store = this.#parts.store();
      const [next] = this.#pending;
      if (store === null || next === undefined) break;
      const [name, presence] = next;
      this.#pending.delete(name);
      try {
        await this.#tell(store, name, presence);
      } catch (error) {
        this.#parts.failed(error);
        // Unless something newer waits, it is told when the store is back.
        if (!this.#pending.has(name)) this.#pending.set(name, presence);
        break;
      }
    }
    this.#writers--;
    if (this.#writers > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** @throws Error when nobody answered */
  async #tell(store: KeyValue, name: string, { is, atMs }: Presence): Promise<void> {
    const { serverId } = this.#parts;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const host = this.#inUse.get(name);
      const lease = host === undefined ? this.table.of(name) : this.table.at(host);
      // Lost to another client, which take() has dealt with.
      if (lease === undefined || lease.name !== name) return;
      if (is === "gone" && lease.server !== serverId) return;
      if (is === "here" && this.#isNewerElsewhere(lease, atMs)) return this.#movedAway(lease);
      const value = { name, server: is === "here" ? serverId : null, atMs };
      if (await this.#replace(store, lease.host, lease.revision, value)) return;
    }
  }

  #isNewerElsewhere({ server, atMs }: LeaseValue, heardAtMs: number): boolean {
    return server !== null && server !== this.#parts.serverId && atMs > heardAtMs;
  }

  /** The client was heard on another server after it was heard here. */
  #movedAway(lease: SharedLease): void {
    const heardAtMs = this.#heard.get(lease.name);
    if (heardAtMs === undefined || !this.#isNewerElsewhere(lease, heardAtMs)) return;
    this.#heard.delete(lease.name);
    this.#pending.delete(lease.name);
    this.#parts.end(lease.name, `it has moved to ${this.#parts.serverName(lease.server!)}`);
  }

  /** The store says that an address is somebody else's. */
  #lost({ name, host }: SharedLease): void {
    if (this.#inUse.get(name) !== host) return;
    this.#heard.delete(name);
    this.#pending.delete(name);
    this.#parts.end(name, "its address has been given to another client while the store was away");
  }
}
