/**
 * Who is connected: one session for each certificate name. Pure but for what it is given: the data
 * plane, and a source of randomness.
 */
import type { Engine, EngineSession } from "../../lib/net/engine/engine.ts";
import type { ControlResponse } from "../../lib/protocol/wire/control_message.ts";
import { AddressPool, type InnerAddresses } from "./address_pool.ts";

/** The features this server enables for clients that have them. */
const FEATURES: readonly string[] = ["x1"];
const SESSION_KEY_LENGTH = 32;

export interface ClientIdentity {
  readonly commonName: string;
  readonly serialHex: string;
  readonly features: readonly string[];
}

export interface RegistryOptions {
  readonly engine: Pick<Engine, "openSession" | "closeSession">;
  readonly udpPort: number;
  /** MTU of the TUN device, in bytes. */
  readonly mtu: number;
  readonly reorderBufferSize: number;
  readonly reorderFlushTimeoutMs: number;
  readonly random: (into: Uint8Array<ArrayBuffer>) => void;
}

export interface LiveSession {
  readonly id: number;
  readonly name: string;
  readonly serialHex: string;
  readonly addresses: InnerAddresses;
}

export class SessionRegistry {
  readonly #options: RegistryOptions;
  readonly #pool = new AddressPool();
  readonly #byName = new Map<string, LiveSession>();

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  get sessions(): Iterable<LiveSession> {
    return this.#byName.values();
  }

  byId(id: number): LiveSession | undefined {
    for (const session of this.#byName.values()) if (session.id === id) return session;
    return undefined;
  }

  /** Opens a session for a client that has proved who it is, in place of the one it had. */
  grant(client: ClientIdentity): ControlResponse {
    const { commonName, serialHex } = client;
    const addresses = this.#pool.lease(commonName);
    if (addresses === null) {
      return {
        kind: "refusal",
        code: "pool_full",
        message: "all addresses of this server are in use: wait until another client has left",
      };
    }
    const { engine, udpPort, mtu, random } = this.#options;
    const features = FEATURES.filter((feature) => client.features.includes(feature));
    const sessionKey = new Uint8Array(SESSION_KEY_LENGTH);
    random(sessionKey);
    const id = this.#newId();
    const session: EngineSession = {
      role: "server",
      id,
      key: sessionKey,
      x1: features.includes("x1"),
      ...addresses,
      reorderBufferSize: this.#options.reorderBufferSize,
      reorderFlushTimeoutMs: this.#options.reorderFlushTimeoutMs,
      name: commonName,
    };
    // The engine drops the session this one replaces, once the client speaks on the new one.
    engine.openSession(session);
    this.#byName.set(commonName, { id, name: commonName, serialHex, addresses });
    return {
      kind: "grant",
      sessionId: id,
      sessionKey,
      udpPort,
      clientIp: addresses.ipv4,
      clientIp6: addresses.ipv6,
      features,
      mtu,
    };
  }

  /** Ends a session now. False when it is none of ours, or has been replaced. */
  end(id: number): boolean {
    const session = this.byId(id);
    if (session === undefined) return false;
    this.#options.engine.closeSession(id);
    this.#byName.delete(session.name);
    this.#pool.release(session.name);
    return true;
  }

  #newId(): number {
    const bytes = new Uint8Array(4);
    for (;;) {
      this.#options.random(bytes);
      const id = new DataView(bytes.buffer).getUint32(0);
      if (id !== 0 && this.byId(id) === undefined) return id;
    }
  }
}
