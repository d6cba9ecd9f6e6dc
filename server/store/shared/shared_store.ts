/** What several servers share: addresses, revocations, and who is where. */
import { messageOf } from "../../../lib/ffi/error_text.ts";
import { normalizeSerial } from "../../../lib/pki/certificate.ts";
import type { Revocation } from "../../../lib/pki/revocation_file.ts";
import type { ControlRefusal } from "../../../lib/protocol/wire/control_message.ts";
import type {
  KnownServer,
  LocalUsage,
  PresentClient,
  ServerStore,
  SessionHolder,
  StoreStatus,
  UsageElsewhere,
} from "../server_store.ts";
import {
  decodeEntry,
  encodeServer,
  idOfUsage,
  nameOfClient,
  parseKey,
  serverKey,
  type ServerValue,
  type StoreEntry,
} from "./entries.ts";
import type { KeyValueService, StoredValue } from "./key_value.ts";
import { HOLD_MARGIN_MS } from "./lease_table.ts";
import { SharedAddresses, type SharedAddressesParts } from "./shared_addresses.ts";
import type { SettingsStore } from "../../clients/settings_store.ts";
import { SharedSettings } from "./shared_settings.ts";
import { SharedRevocations } from "./shared_revocations.ts";
import { SharedUsage, USAGE_REPORT_MS } from "./shared_usage.ts";
import { StoreLink } from "./store_link.ts";
import type { UsageCounters } from "./usage_counters.ts";

/** More than anybody runs: others are refused. */
const SERVERS_MAX = 256;
/** What is told of a server that is gone is forgotten after so long: its leases are free by then. */
const SERVER_GONE_MS = 7 * 86_400_000;
const SERVER_SILENT_MS = 60_000;
/** What is left to be written when the server stops. */
const LAST_WRITES_MS = 3_000;
const COPY_EVERY_MS = 5_000;
const SAY_EVERY_MS = 60_000;
/** Of a key that is refused: none of ours for a name of usual length is longer. */
const KEY_SHOWN_MAX = 64;

type SharedStoreParts =
  & Pick<SharedAddressesParts, "network" | "serverId" | "leases" | "areAgreed" | "usedAtMs">
  & Pick<ConstructorParameters<typeof SharedRevocations>[0], "list" | "add">
  & {
    readonly service: KeyValueService;
    /** For people. */
    readonly serverName: string;
    readonly version: string;
    readonly warn: (line: string) => void;
    /** Writes the local copy of the addresses soon; `isAgreed`: the store has all of it. */
    readonly saveCopy: (isAgreed: boolean) => void;
    /** What clients have carried, and what writes it to disk; false: it could not. */
    readonly usage: UsageCounters;
    readonly saveUsage: () => Promise<boolean>;
    /** The month it is, as in `2026-11`. */
    readonly month: () => string;
    /** Milliseconds since 1970. */
    readonly nowMs: () => number;
    readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
    readonly random: () => number;
  };

export class SharedStore implements ServerStore {
  readonly addresses: SharedAddresses;
  readonly #revocations: SharedRevocations;
  readonly #settings: SharedSettings;
  readonly #usage: SharedUsage;
  readonly #parts: SharedStoreParts;
  #link: StoreLink | null = null;
  #holder: SessionHolder | null = null;
  #isDraining = false;
  #refused = 0;
  #lastRefused: string | null = null;
  #saidAtMs = -Infinity;
  #endRevokedSoon = false;
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  #isCopyDue = true;

  constructor(parts: SharedStoreParts) {
    this.#parts = parts;
    const { network, serverId, leases, areAgreed, usedAtMs, nowMs, list, add, warn } = parts;
    const store = () => this.#link?.store ?? null;
    this.addresses = new SharedAddresses({
      ...{ network, serverId, leases, areAgreed, usedAtMs, nowMs, store },
      take: (value) => this.#take(value),
      end: (name, why) => this.#holder?.end(name, why),
      serverName: (id) => this.addresses.table.servers.get(id)?.name ?? "another server",
      failed: (error) => this.#link?.suspect(error),
    });
    this.#revocations = new SharedRevocations({
      ...{ list, add, warn, nowMs, store },
      failed: (error) => this.#link?.suspect(error),
      revoked: () => this.#endRevoked(),
    });
    this.#settings = new SharedSettings({
      ...{ warn, nowMs, store },
      take: (value) => this.#take(value),
      failed: (error) => this.#link?.suspect(error),
    });
    this.#usage = new SharedUsage({
      ...{ counters: parts.usage, save: parts.saveUsage, month: parts.month, nowMs, store },
      take: (value) => this.#take(value),
      failed: (error) => this.#link?.suspect(error),
    });
  }

  get status(): StoreStatus {
    const { service, nowMs } = this.#parts;
    const link = this.#link;
    const reachedAtMs = link?.reachedAtMs ?? null;
    return {
      kind: "nats",
      place: service.place,
      isReachable: link !== null && link.store !== null,
      problem: link === null ? "the server has just started" : link.problem,
      reachedMsAgo: reachedAtMs === null ? null : Math.max(0, nowMs() - reachedAtMs),
      servers: this.#servers(),
      refusedEntries: this.#refused,
      lastRefused: this.#lastRefused,
      pendingWrites: this.addresses.pendingWrites + this.#revocations.pendingWrites +
        this.#settings.pendingWrites + (link?.store == null ? this.#usage.pendingWrites : 0),
    };
  }

  get present(): PresentClient[] {
    const { serverId, network } = this.#parts;
    const { table } = this.addresses;
    const present: PresentClient[] = [];
    for (const { name, host, server } of table.leases) {
      const known = server === null ? undefined : table.servers.get(server);
      // Of a server that was killed, what it said last is no news.
      if (known === undefined || this.#parts.nowMs() - known.atMs > SERVER_SILENT_MS) continue;
      const { ipv4 } = network.addressesOf(host);
      present.push({ name, ipv4, server: known.name, isThis: server === serverId });
    }
    return present.sort((one, other) => one.name < other.name ? -1 : 1);
  }

  isRevoked(serialHex: string): boolean {
    return this.#revocations.isRevoked(normalizeSerial(serialHex));
  }

  pollRevoked(): Revocation[] {
    return this.#revocations.poll();
  }

  follow(holder: SessionHolder): void {
    const { service, serverId, warn, nowMs, pause, random } = this.#parts;
    this.#holder = holder;
    this.#link = new StoreLink({
      ...{ service, warn, nowMs, pause, random },
      beat: () => encodeServer(serverId, this.#ownValue()),
      begin: () => {
        this.addresses.begin();
        this.#revocations.begin();
        this.#settings.begin();
        this.#usage.begin();
      },
      changed: (value) => this.#take(value),
      current: () => void this.#publish(),
    });
    this.#timers.push(
      setInterval(() => this.#saveCopy(), COPY_EVERY_MS),
      setInterval(() => void this.#usage.publish(), USAGE_REPORT_MS),
    );
  }

  admit(name: string): ControlRefusal | null | Promise<ControlRefusal | null> {
    return this.addresses.admit(name);
  }

  heard(name: string): void {
    this.addresses.heard(name);
  }

  leasesChanged(): void {
    this.#isCopyDue = true;
  }

  revocationsChanged(): void {
    void this.#revocations.publish();
  }

  shareSettings(local: SettingsStore): Disposable {
    return this.#settings.share(local);
  }

  shareUsage(local: LocalUsage): UsageElsewhere {
    return this.#usage.share(local);
  }

  setDraining(isDraining: boolean): void {
    this.#isDraining = isDraining;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    const link = this.#link;
    if (link === null) return;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), LAST_WRITES_MS);
    await Promise.race([this.#leave(link), this.#parts.pause(LAST_WRITES_MS, late.signal)]);
    clearTimeout(timer);
    await link[Symbol.asyncDispose]();
    this.#saveCopy();
    await this.#usage.save();
  }

  /** Tells what clients have carried last, who is gone, and that this server is: else its clients' addresses are held for a day more. */
  async #leave(link: StoreLink): Promise<void> {
    await Promise.all([this.addresses.flush(), this.#usage.flush()]);
    const { store } = link;
    if (store === null || this.addresses.pendingWrites > 0) return;
    try {
      await store.remove(serverKey(this.#parts.serverId));
    } catch {
      // Then it is forgotten by and by.
    }
  }

  async #publish(): Promise<void> {
    this.addresses.table.current();
    await Promise.all([
      this.addresses.publish(),
      this.#revocations.publish(),
      this.#settings.current(),
      this.#usage.current(),
    ]);
    const store = this.#link?.store ?? null;
    if (store === null) return;
    this.#saveCopy();
    const nowMs = this.#parts.nowMs();
    for (const [id, { atMs }] of this.addresses.table.servers) {
      if (nowMs - atMs > SERVER_GONE_MS) await store.remove(serverKey(id)).catch(() => {});
    }
  }

  #saveCopy(): void {
    if (!this.#isCopyDue) return;
    this.#isCopyDue = false;
    this.#parts.saveCopy(this.#link?.store != null);
  }

  #take({ key, value, revision }: StoredValue): void {
    if (value === null) return this.#takeRemoval(key, revision);
    try {
      this.#takeEntry(decodeEntry(key, value), revision);
    } catch (error) {
      this.#refuse(key, messageOf(error));
    }
  }

  /** @throws Error that says why it is not taken */
  #takeEntry(entry: StoreEntry, revision: number): void {
    const latestMs = this.#parts.nowMs() + HOLD_MARGIN_MS;
    switch (entry.kind) {
      case "lease": {
        const host = this.#hostOf(entry.ipv4);
        if (host === null) throw new Error(`it is not of ${this.#parts.network.subnet4}`);
        if (entry.value.atMs > latestMs) throw new Error("its time has not come yet");
        this.#isCopyDue = true;
        return this.addresses.take(host, entry.value, revision);
      }
      case "revoked":
        if (!this.#revocations.take(entry.value)) throw new Error("there are too many");
        return;
      case "client":
        if (entry.value.atMs > latestMs) throw new Error("its time has not come yet");
        if (this.#settings.take(entry.name, entry.value, revision)) return;
        throw new Error("there are too many");
      case "usage":
        return this.#usage.take(entry.name, entry.id, entry.value, revision);
      case "server": {
        const { table } = this.addresses;
        if (entry.value.atMs > latestMs) throw new Error("its time has not come yet");
        if (!table.servers.has(entry.id) && !this.#hasRoomForServer()) {
          throw new Error(`there are ${SERVERS_MAX} servers already`);
        }
        return table.setServer(entry.id, entry.value);
      }
      default:
        return entry satisfies never;
    }
  }

  /**
   * One that crashes and starts again and again leaves an entry each time: the one that has been silent
   * longest gives way, so that those which work are always known.
   */
  #hasRoomForServer(): boolean {
    const { servers } = this.addresses.table;
    if (servers.size < SERVERS_MAX) return true;
    const [id, { atMs }] = [...servers].reduce((one, other) =>
      other[1].atMs < one[1].atMs ? other : one
    );
    if (this.#parts.nowMs() - atMs <= SERVER_SILENT_MS) return false;
    this.addresses.table.removeServer(id);
    this.#link?.store?.remove(serverKey(id)).catch(() => {}); // else when all is read anew
    return true;
  }

  #takeRemoval(key: string, revision: number): void {
    const parsed = parseKey(key);
    if (parsed === null) return;
    if (parsed.kind === "server") return this.addresses.table.removeServer(parsed.id);
    if (parsed.kind === "client") return this.#settings.takeRemoval(nameOfClient(parsed.id));
    if (parsed.kind === "usage") {
      const name = nameOfClient(parsed.id.slice(0, parsed.id.indexOf(".")));
      return this.#usage.takeRemoval(name, idOfUsage(parsed.id), revision);
    }
    if (parsed.kind === "revoked") return this.#revocations.takeRemoval(parsed.id);
    const host = this.#hostOf(parsed.id);
    if (host !== null) this.addresses.takeRemoval(host);
  }

  /** What is refused is counted and named: somebody else writes to this store, or a later version. */
  #refuse(key: string, why: string): void {
    const { nowMs, warn } = this.#parts;
    this.#refused++;
    const start = key.slice(0, KEY_SHOWN_MAX).replaceAll(/[^\w.=/-]/g, "?");
    const shown = key.length > KEY_SHOWN_MAX ? `${start}... (${key.length} characters)` : start;
    this.#lastRefused = `${shown}: ${why}`;
    const parsed = parseKey(key);
    const host = parsed?.kind === "lease" ? this.#hostOf(parsed.id) : null;
    if (host !== null) this.addresses.refuse(host);
    if (nowMs() - this.#saidAtMs < SAY_EVERY_MS) return;
    this.#saidAtMs = nowMs();
    warn(`refused an entry of the shared store, ${this.#lastRefused}; ${this.#refused} so far`);
  }

  #hostOf(ipv4: string): number | null {
    const { network } = this.#parts;
    return network.contains(ipv4) ? network.numberOf(ipv4) : null;
  }

  #endRevoked(): void {
    if (this.#endRevokedSoon) return;
    this.#endRevokedSoon = true;
    // Many may come at once, and each look walks over all sessions.
    queueMicrotask(() => {
      this.#endRevokedSoon = false;
      this.#holder?.endRevoked();
    });
  }

  #ownValue(): ServerValue {
    const { serverName: name, version, nowMs } = this.#parts;
    const sessions = this.#holder?.sessions() ?? 0;
    return { name, version, atMs: nowMs(), sessions, isDraining: this.#isDraining };
  }

  #servers(): KnownServer[] {
    const nowMs = this.#parts.nowMs();
    const own = this.#parts.serverId;
    const others = [...this.addresses.table.servers].filter(([id]) => id !== own);
    const all: [string, ServerValue][] = [[own, this.#ownValue()], ...others];
    return all.map(([id, { name, sessions, isDraining, atMs }]) => ({
      ...{ name, sessions, isDraining },
      isThis: id === own,
      heardMsAgo: Math.max(0, nowMs - atMs),
    }));
  }
}
