/** What one server keeps for itself, in files beside its certificates. */
import type { TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";
import { AddressPool } from "../sessions/address_pool.ts";
import { LeaseStore } from "../sessions/lease_store.ts";
import type { AddressBook, LocalUsage, ServerStore, UsageElsewhere } from "./server_store.ts";
import type { UsageCounters } from "./shared/usage_counters.ts";

interface FileStoreOptions {
  /** The folder of the certificates. */
  readonly directory: string;
  readonly network: TunnelNetwork;
  /** What others had counted while a store was shared; null: none was. */
  readonly usage: UsageCounters | null;
  /** The month it is. */
  readonly month: () => string;
  /** For the operator. */
  readonly warn: (line: string) => void;
}

export class FileStore implements ServerStore {
  readonly addresses: AddressBook;
  readonly status = { kind: "file" } as const;
  readonly present = [];
  readonly #leases: LeaseStore;

  readonly #options: FileStoreOptions;

  private constructor(addresses: AddressBook, leases: LeaseStore, options: FileStoreOptions) {
    this.addresses = addresses;
    this.#leases = leases;
    this.#options = options;
  }

  static async open(options: FileStoreOptions): Promise<FileStore> {
    const { directory, network, warn } = options;
    const store = new LeaseStore({ directory, network, warn });
    const { leases, problem } = await store.load();
    if (problem !== null) warn(problem);
    return new FileStore(new AddressPool(leases, network), store, options);
  }

  isRevoked(): boolean {
    return false;
  }

  pollRevoked(): [] {
    return [];
  }

  follow(): void {}

  admit(): null {
    return null;
  }

  leasesChanged(): void {
    this.#leases.save(() => this.addresses.leases);
  }

  heard(): void {}

  revocationsChanged(): void {}

  shareSettings(): Disposable {
    return { [Symbol.dispose]: () => {} };
  }

  shareUsage(local: LocalUsage): UsageElsewhere {
    const { usage, month } = this.#options;
    return {
      bytesOf: (name) => usage?.elsewhere(name, month(), local.bytesOf(name)) ?? 0,
      watch: () => {},
    };
  }

  setDraining(): void {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.#leases[Symbol.asyncDispose]();
  }
}
