/**
 * Who is connected: one session for each certificate name. Pure but for what it is given: the data
 * plane, and a source of randomness.
 */
import type { Engine, EngineEvent, EngineSession, SessionLimits } from "../../lib/net/engine.ts";
import { sessionFeatures } from "../../lib/net/driver/features.ts";
import type { SessionTuning } from "../../lib/protocol/session/session_tuning.ts";
import type { ControlRefusal, ControlResponse } from "../../lib/protocol/wire/control_message.ts";
import {
  FEATURE_ANY_HOST,
  type InnerAddresses,
  type TunnelNetwork,
} from "../../lib/protocol/wire/tunnel_network.ts";
import type { AddressBook } from "../store/server_store.ts";
import { AddressPool, type Lease } from "./address_pool.ts";

const SESSION_KEY_LENGTH = 32;
/**
 * Sessions of one client that the engine may have at a time: the one in use, and those that were to
 * replace it and of which nothing has been heard.
 */
const SESSIONS_PER_CLIENT_MAX = 4;

interface ClientIdentity {
  readonly commonName: string;
  readonly serialHex: string;
  /** When the certificate ends, in milliseconds since 1970. */
  readonly notAfterMs: number;
  readonly features: readonly string[];
  /** Where the control connection came from. */
  readonly remoteAddress?: string;
}

interface RegistryOptions {
  readonly engine: Pick<Engine, "features" | "openSession" | "closeSession" | "sessionIdFor">;
  readonly udpPort: number;
  /** Where clients reach the data plane; none: where they reach the control plane. */
  readonly udpHosts?: readonly string[];
  /** MTU of the TUN device, in bytes. */
  readonly mtu: number;
  readonly reorderBufferSize: number;
  readonly reorderFlushTimeoutMs: number;
  readonly tuning: SessionTuning;
  readonly random: (into: Uint8Array<ArrayBuffer>) => void;
  /** 10.8.0.0/24 and fd00:8::/64 unless given. */
  readonly network?: TunnelNetwork;
  /** The addresses of clients; those of a pool of its own unless given. */
  readonly addresses?: AddressBook;
  /** Told whenever an address is given to a client, or one leaves. */
  readonly onLeases?: () => void;
  /** Told when a client has spoken on its session, now and then again. */
  readonly onHeard?: (name: string) => void;
  /** Clients that may be connected at a time; as many as there are addresses unless given. */
  readonly clientsMax?: number;
}

/** Who is let in, and what for. */
export interface AccessPolicy {
  /** What to answer a client that is not let in; null: it is. */
  refusal(name: string): ControlRefusal | null;
  /** What a session of the client is held to; undefined: to nothing. */
  limitsOf(name: string): SessionLimits | undefined;
  carried(event: EngineEvent & { kind: "volume" }): void;
}

/** What came of reserving an address. */
interface Reserved {
  /** Why the client does not get it; null: it does. */
  readonly problem: string | null;
  /** Clients whose sessions had to end for it; they may come back at once. */
  readonly ended: readonly string[];
}

export interface LiveSession {
  readonly id: number;
  readonly name: string;
  readonly serialHex: string;
  /** When the certificate it was given for ends, in milliseconds since 1970. */
  readonly notAfterMs: number;
  readonly addresses: InnerAddresses;
  /** Whether the client has spoken on it. */
  readonly isHeard: boolean;
}

interface OwnSession extends LiveSession {
  isHeard: boolean;
  /** Whether the client has spoken on a newer one: the engine drops this one soon. */
  isOutdated: boolean;
}

export class SessionRegistry {
  readonly #options: RegistryOptions;
  readonly #pool: AddressBook;
  /** The present session of each client. */
  readonly #byName = new Map<string, OwnSession>();
  /** All sessions, those before the present ones as well. */
  readonly #byId = new Map<number, OwnSession>();
  /** By client name, the sessions before the present one, the oldest first. */
  readonly #replaced = new Map<string, OwnSession[]>();
  /** Nobody is held to anything before there is one. */
  policy: AccessPolicy | null = null;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#pool = options.addresses ?? new AddressPool([], options.network);
  }

  get sessions(): Iterable<LiveSession> {
    return this.#byName.values();
  }

  /** What share of the addresses is in use, 0 to 1. */
  get load(): number {
    return this.#byName.size / this.#pool.size;
  }

  /** Clients that are connected. */
  get size(): number {
    return this.#byName.size;
  }

  /** As AddressBook has it. */
  addressesOf(client: string): InnerAddresses | null {
    return this.#pool.addressesOf(client);
  }

  /** For the next server, the least recently used first. */
  get leases(): readonly Lease[] {
    return this.#pool.leases;
  }

  /** The present session of a client. */
  byName(name: string): LiveSession | undefined {
    return this.#byName.get(name);
  }

  byId(id: number): LiveSession | undefined {
    const session = this.#byId.get(id);
    return session !== undefined && this.#isPresent(session) ? session : undefined;
  }

  /** The client's name, also of a session that a newer one is to replace. */
  nameOf(id: number): string | undefined {
    return this.#byId.get(id)?.name;
  }

  /** The client has spoken on a session, so those before it have served. */
  heard(id: number): void {
    const name = this.nameOf(id);
    if (name === undefined) return;
    for (const session of [...this.#replaced.get(name) ?? [], this.#byName.get(name)!]) {
      if (session.id !== id) {
        session.isOutdated = true;
        continue;
      }
      session.isHeard = true;
      return this.#options.onHeard?.(name);
    }
  }

  /** Opens a session for a client that has proved who it is, in place of the one it had. */
  grant(client: ClientIdentity): ControlResponse {
    const { commonName, serialHex, notAfterMs } = client;
    const refused = this.policy?.refusal(commonName) ?? null;
    if (refused !== null) return refused;
    if (this.#isFullFor(commonName)) {
      return refusal("server_full", `all ${this.#pool.inUse} places`);
    }
    const takes = client.features.includes(FEATURE_ANY_HOST) ? "any" : "usual";
    const addresses = this.#pool.lease(commonName, takes);
    if (addresses === null) return refusal("pool_full", `all ${this.#pool.size} addresses`);
    const { engine, udpPort, udpHosts = [], mtu, random } = this.#options;
    const features = engine.features.filter((feature) => client.features.includes(feature));
    const sessionKey = new Uint8Array(SESSION_KEY_LENGTH);
    random(sessionKey);
    const id = this.#newId(addresses.ipv4);
    const limits = this.policy?.limitsOf(commonName);
    const session: EngineSession = {
      role: "server",
      id,
      key: sessionKey,
      ...sessionFeatures(features),
      ...addresses,
      ...(client.remoteAddress === undefined ? {} : { controlHost: client.remoteAddress }),
      reorderBufferSize: this.#options.reorderBufferSize,
      reorderFlushTimeoutMs: this.#options.reorderFlushTimeoutMs,
      tuning: this.#options.tuning,
      mtu,
      name: commonName,
      ...(limits === undefined ? {} : { limits }),
    };
    // The engine drops the session this one replaces, once the client speaks on the new one.
    engine.openSession(session);
    this.#noteReplaced(commonName);
    const begun = { id, name: commonName, serialHex, notAfterMs, addresses };
    const opened = { ...begun, isHeard: false, isOutdated: false };
    this.#byName.set(commonName, opened);
    this.#byId.set(id, opened);
    this.#options.onLeases?.();
    return {
      kind: "grant",
      sessionId: id,
      sessionKey,
      udpPort,
      udpHosts,
      clientIp: addresses.ipv4,
      clientIp6: addresses.ipv6,
      prefix4: this.#pool.network.prefix4,
      prefix6: this.#pool.network.prefix6,
      features,
      mtu,
      ...(limits === undefined || limits.routes.length === 0 ? {} : { routes: limits.routes }),
    };
  }

  /** From now on `address`, an IPv4 one, is for the client alone; null: no address is. */
  reserve(name: string, address: string | null): Reserved {
    const { network } = this.#pool;
    const host = address === null ? null : network.numberOf(address);
    if (host === null || !network.isUsual(host)) {
      this.#pool.cancel(name);
      const problem = address === null
        ? null
        : host === null
        ? `it is no address of a client in ${network.subnet4}, the network inside the tunnel`
        : "not every client takes one that ends in 0, 1 or 255";
      return { problem, ended: [] };
    }
    const holder = this.#pool.reserve(name, host);
    const present = this.#byName.get(name);
    const ended = [
      ...holder === null ? [] : [holder],
      ...present === undefined || present.addresses.ipv4 === address ? [] : [name],
    ];
    for (const each of ended) this.end(this.#byName.get(each)!.id);
    return { problem: null, ended };
  }

  /**
   * Ends a session now, and those before it that the client may still use: it need not have spoken
   * on the present one. False when it is none of ours, or has been replaced.
   */
  end(id: number): boolean {
    const session = this.byId(id);
    if (session === undefined) return false;
    for (const each of [...this.#replaced.get(session.name) ?? [], session]) {
      this.#options.engine.closeSession(each.id);
      this.#byId.delete(each.id);
    }
    this.#replaced.delete(session.name);
    this.#byName.delete(session.name);
    this.#pool.release(session.name);
    this.#options.onLeases?.();
    return true;
  }

  /** Ends whatever session the client has; false when it has none. */
  endOf(name: string): boolean {
    const session = this.#byName.get(name);
    return session !== undefined && this.end(session.id);
  }

  /**
   * The client has said that it leaves. Returns the session it was using; null when it goes on with a
   * newer one. One that it asked for last and never spoke on is left to fall idle.
   */
  left(id: number): LiveSession | null {
    const session = this.#byId.get(id);
    if (session === undefined) return null;
    if (this.end(id)) return session;
    const wasInUse = this.#inUseBefore(session.name)?.id === id;
    this.#options.engine.closeSession(id);
    this.#forget(session);
    return wasInUse ? session : null;
  }

  /**
   * The engine has dropped a session that was silent. Returns it when the client is gone with it.
   * The answer with a session may be lost, so one that was never spoken on gives its place back.
   */
  fellIdle(id: number): LiveSession | null {
    const session = this.#byId.get(id);
    if (session === undefined) return null;
    if (!this.#isPresent(session)) {
      this.#forget(session);
      return null;
    }
    const before = session.isHeard ? undefined : this.#inUseBefore(session.name);
    if (before === undefined) return this.end(id) ? session : null;
    this.#forget(before);
    this.#byName.set(before.name, before);
    this.#byId.set(before.id, before);
    this.#byId.delete(id);
    return null;
  }

  endAll(): void {
    for (const { id } of [...this.#byName.values()]) this.end(id);
  }

  /**
   * Ends the sessions that `mustEnd` tells of, by their certificates, also one whose client's name has
   * a newer certificate and session by now. Returns the names of the clients.
   */
  endWhere(mustEnd: (session: LiveSession) => boolean): string[] {
    const names: string[] = [];
    for (const session of [...this.#byName.values()]) {
      const ended = mustEnd(session)
        ? this.end(session.id)
        : this.#endReplaced(session.name, mustEnd);
      if (ended) names.push(session.name);
    }
    return names;
  }

  #endReplaced(name: string, mustEnd: (session: LiveSession) => boolean): boolean {
    const replaced = this.#replaced.get(name) ?? [];
    const ended = replaced.filter(mustEnd);
    for (const session of ended) {
      this.#options.engine.closeSession(session.id);
      this.#forget(session);
    }
    return ended.length > 0;
  }

  #noteReplaced(name: string): void {
    const present = this.#byName.get(name);
    if (present === undefined) return;
    const replaced = [...this.#replaced.get(name) ?? [], present];
    this.#replaced.set(name, replaced);
    // Unknown to the engine unless the client asks for sessions and does not use them.
    while (replaced.length >= SESSIONS_PER_CLIENT_MAX) {
      const inUse = this.#inUseBefore(name);
      const [oldest] = replaced.splice(replaced[0] === inUse ? 1 : 0, 1);
      this.#options.engine.closeSession(oldest!.id);
      this.#byId.delete(oldest!.id);
    }
  }

  #isPresent(session: OwnSession): boolean {
    return this.#byName.get(session.name) === session;
  }

  /** A client that is connected has its place. */
  #isFullFor(name: string): boolean {
    const { clientsMax = Infinity } = this.#options;
    // Where there are no more addresses than that, it is they that are used up.
    if (clientsMax >= this.#pool.size) return false;
    return this.#pool.inUse >= clientsMax && !this.#pool.isInUse(name);
  }

  /** Of the sessions before the present one, that which the client spoke on last. */
  #inUseBefore(name: string): OwnSession | undefined {
    const { isHeard = false } = this.#byName.get(name) ?? {};
    if (isHeard) return undefined;
    return this.#replaced.get(name)?.find((session) => session.isHeard && !session.isOutdated);
  }

  /** It is no longer one of those before the present one. */
  #forget({ id, name }: LiveSession): void {
    this.#byId.delete(id);
    const replaced = this.#replaced.get(name)?.filter((session) => session.id !== id) ?? [];
    if (replaced.length > 0) this.#replaced.set(name, replaced);
    else this.#replaced.delete(name);
  }

  #newId(ipv4: string): number {
    const { engine, random } = this.#options;
    const bytes = new Uint8Array(4);
    for (;;) {
      random(bytes);
      const any = new DataView(bytes.buffer).getUint32(0);
      const id = engine.sessionIdFor?.(any, ipv4) ?? any;
      if (id !== 0 && this.nameOf(id) === undefined) return id;
    }
  }
}

function refusal(code: "server_full" | "pool_full", what: string): ControlResponse {
  const message = `${what} of this server are in use: wait until another client has left, or ask ` +
    "the operator of the server to end one that is not needed";
  return { kind: "refusal", code, message };
}
