/**
 * Who has which address, whose certificate is revoked, and who is where: kept by one server for itself
 * in files, or shared by several. Sessions are never shared: keys and counters belong to one server.
 */
import type { Revocation } from "../../lib/pki/revocation_file.ts";
import type { ControlRefusal } from "../../lib/protocol/wire/control_message.ts";
import type { InnerAddresses, TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";
import type { SettingsStore } from "../clients/settings_store.ts";
import type { Lease, TakenHosts } from "../sessions/address_pool.ts";

/** The addresses of clients inside the tunnel. */
export interface AddressBook {
  readonly network: TunnelNetwork;
  /** Clients that can be connected at one time. */
  readonly size: number;
  /** Clients that are connected. */
  readonly inUse: number;
  isInUse(name: string): boolean;
  /** All that is leased, the least recently used first. */
  readonly leases: Lease[];
  /** The addresses of `name`, the same as before if it had any; null when there are none for it. */
  lease(name: string, takes: TakenHosts): InnerAddresses | null;
  /** The addresses that `name` has, or would get again as things are; null when it has none. */
  addressesOf(name: string): InnerAddresses | null;
  /** `name` has gone. Its addresses are kept for it until they are needed. */
  release(name: string): void;
  /**
   * From now on `host` is for `name` alone, instead of one reserved before. Returns the client that is
   * connected here and has it, or null.
   * @throws RangeError for a number that not every client takes, or one of another client.
   */
  reserve(name: string, host: number): string | null;
  /** Nothing is reserved for `name` any more. */
  cancel(name: string): void;
}

/** Another server, or this one, as it last told of itself. */
export interface KnownServer {
  readonly name: string;
  readonly isThis: boolean;
  readonly sessions: number;
  readonly isDraining: boolean;
  readonly heardMsAgo: number;
}

/** A client that is connected to one of the servers. */
export interface PresentClient {
  readonly name: string;
  readonly ipv4: string;
  /** The server's name, for people. */
  readonly server: string;
  readonly isThis: boolean;
}

/** For those who look at a server. */
export type StoreStatus =
  | { readonly kind: "file" }
  | {
    readonly kind: "nats";
    /** Addresses of the store, without credentials. */
    readonly place: string;
    readonly isReachable: boolean;
    /** Why it is not, or null. */
    readonly problem: string | null;
    /** Since it was reached last; null: never. */
    readonly reachedMsAgo: number | null;
    readonly servers: readonly KnownServer[];
    /** Entries that were not what they should be, and the last of them. */
    readonly refusedEntries: number;
    readonly lastRefused: string | null;
    /** What the store does not know yet: changes of who is where, revocations. */
    readonly pendingWrites: number;
  };

/** The sessions of the server, as its store needs them. */
export interface SessionHolder {
  /** How many there are. */
  sessions(): number;
  /** Ends the session of a client, and says `why`. */
  end(name: string, why: string): void;
  /** Certificates have been revoked: their sessions are to end. */
  endRevoked(): void;
}

/** What clients have carried this month, as this server has counted it. */
export interface LocalUsage {
  bytesOf(name: string): number;
  /** Clients that have carried something. */
  names(): Iterable<string>;
  /** `carried` is told of a client that has carried more. */
  watch(carried: (name: string) => void): void;
}

/** The same of all other servers together, as far as is known. */
export interface UsageElsewhere {
  bytesOf(name: string): number;
  /** `changed` is told of a client that has carried more elsewhere. */
  watch(changed: (name: string) => void): void;
}

export interface ServerStore extends AsyncDisposable {
  readonly addresses: AddressBook;
  readonly status: StoreStatus;
  /** Clients on all servers, as far as is known, by name; a server's own files know of none. */
  readonly present: readonly PresentClient[];
  /** Whether other servers know that a certificate is revoked. In hexadecimal. */
  isRevoked(serialHex: string): boolean;
  /** What other servers have revoked since the last call. */
  pollRevoked(): Revocation[];
  /** Starts to follow what other servers do. */
  follow(holder: SessionHolder): void;
  /** Makes sure that `name` has an address before it gets a session. Null: it has. Never rejects. */
  admit(name: string): ControlRefusal | null | Promise<ControlRefusal | null>;
  /** The addresses have changed: the local copy is written soon. */
  leasesChanged(): void;
  /** The client has spoken on its session. */
  heard(name: string): void;
  /** This server's own list of revocations has. */
  revocationsChanged(): void;
  /** What is prescribed for clients is the same on all servers from now on, until disposed of. */
  shareSettings(local: SettingsStore): Disposable;
  /** What clients have carried is told to all servers from now on. */
  shareUsage(local: LocalUsage): UsageElsewhere;
  /** Whether this server moves its clients away. */
  setDraining(isDraining: boolean): void;
}
