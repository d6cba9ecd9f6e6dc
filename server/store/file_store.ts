/** What one server keeps for itself, in files beside its certificates. */
import type { TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";
import { AddressPool } from "../sessions/address_pool.ts";
import { LeaseStore } from "../sessions/lease_store.ts";
import type { AddressBook, ServerStore } from "./server_store.ts";

interface FileStoreOptions {
  /** The folder of the certificates. */
  readonly directory: string;
  readonly network: TunnelNetwork;
  /** For the operator. */
  readonly warn: (line: string) => void;
}

export class FileStore implements ServerStore {
  readonly addresses: AddressBook;
  readonly status = { kind: "file" } as const;
  readonly present = [];
  readonly #leases: LeaseStore;

  private constructor(addresses: AddressBook, leases: LeaseStore) {
    this.addresses = addresses;
    this.#leases = leases;
  }

  static async open({ directory, network, warn }: FileStoreOptions): Promise<FileStore> {
    const store = new LeaseStore({ directory, network, warn });
    const { leases, problem } = await store.load();
    if (problem !== null) warn(problem);
    return new FileStore(new AddressPool(leases, network), store);
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

  setDraining(): void {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.#leases[Symbol.asyncDispose]();
  }
}
