import { messageOf } from "../../lib/ffi/error_text.ts";
import { join } from "node:path";
import { readBounded, SECRET_FILE_MODE, writeFilesAtomically } from "../../lib/pki/secure_file.ts";
import type { TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";
import type { Lease } from "./address_pool.ts";
import { decodeLeases, encodeLeases, LEASE_FILE_BYTES_MAX, LEASE_FILE_NAME } from "./lease_file.ts";

interface LeaseStoreOptions {
  /** The folder of the certificates. */
  readonly directory: string;
  readonly network: TunnelNetwork;
  /** For the operator: the leases are not on disk, or are again. */
  readonly warn: (line: string) => void;
}

/** What an earlier server left. */
interface StoredLeases {
  readonly leases: Lease[];
  /** What is wrong with the file, for the operator, or null. */
  readonly problem: string | null;
}

/** A write is followed by a rest of so many times what it took, */
const REST_SHARE = 20;
/** but no longer than this. */
const REST_MAX_MS = 10_000;

/**
 * Keeps the leases on disk. A change costs its caller nothing: one write runs at a time, and what
 * changes meanwhile goes into the next, so however many clients come and go, writing takes a
 * twentieth of a core at the most. A write that fails is a warning; the server works on, and tries
 * again with the next change and when it stops.
 */
export class LeaseStore implements AsyncDisposable {
  readonly path: string;
  readonly #network: TunnelNetwork;
  readonly #warn: (line: string) => void;
  /** Tells what is not written yet. */
  #pending: (() => readonly Lease[]) | null = null;
  /** Ends the rest after a write. */
  #wake: (() => void) | null = null;
  #isFlushing = false;
  #writing: Promise<void> | null = null;
  #problem: string | null = null;

  constructor({ directory, network, warn }: LeaseStoreOptions) {
    this.#network = network;
    this.path = join(directory, LEASE_FILE_NAME);
    this.#warn = warn;
  }

  /** Reads the leases; a damaged file is kept aside as `leases.json.damaged`. Never throws. */
  async load(): Promise<StoredLeases> {
    let text: string | null;
    try {
      text = await readBounded(this.path, LEASE_FILE_BYTES_MAX);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return { leases: [], problem: null };
      return { leases: [], problem: this.#unreadable(error) };
    }
    try {
      if (text === null) throw new Error(`it is larger than ${LEASE_FILE_BYTES_MAX} bytes`);
      return { leases: decodeLeases(text, this.#network), problem: null };
    } catch (error) {
      return { leases: [], problem: await this.#setAside(error) };
    }
  }

  /** Writes soon what `leases` tells by then; `flush` waits for it. */
  save(leases: () => readonly Lease[]): void {
    this.#pending = leases;
    this.#writing ??= this.#writeAll();
  }

  /** Returns when what was saved is on disk, or could not be written. */
  async flush(): Promise<void> {
    this.#isFlushing = true;
    this.#wake?.();
    await this.#writing;
    // What failed before may succeed now.
    if (this.#pending !== null) this.save(this.#pending);
    await this.#writing;
    this.#isFlushing = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
  }

  async #writeAll(): Promise<void> {
    while (this.#pending !== null) {
      const leases = this.#pending;
      this.#pending = null;
      const startedMs = performance.now();
      const problem = await this.#write(leases());
      if (problem === null) {
        if (this.#problem !== null) this.#warn(`${this.path} is written again`);
        this.#problem = null;
        await this.#rest(startedMs);
        continue;
      }
      if (problem !== this.#problem) {
        this.#warn(
          `${problem}; until then clients may get other addresses when the server starts again`,
        );
      }
      this.#problem = problem;
      this.#pending ??= leases;
      await this.#rest(startedMs);
      break;
    }
    // In one step with finding nothing to do: a later change starts the next write.
    this.#writing = null;
  }

  /** After a write that began at `startedMs`; `flush` waits for no rest. */
  async #rest(startedMs: number): Promise<void> {
    if (this.#isFlushing) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const tookMs = performance.now() - startedMs;
    const timer = setTimeout(resolve, Math.min(tookMs * REST_SHARE, REST_MAX_MS));
    await promise;
    clearTimeout(timer);
    this.#wake = null;
  }

  async #write(leases: readonly Lease[]): Promise<string | null> {
    try {
      const text = encodeLeases(leases, this.#network);
      await writeFilesAtomically([{ path: this.path, text, mode: SECRET_FILE_MODE }]);
      return null;
    } catch (error) {
      return messageOf(error);
    }
  }

  async #setAside(error: unknown): Promise<string> {
    const kept = `${this.path}.damaged`;
    const found = `Cannot use the address leases in ${this.path}: ${messageOf(error)}`;
    try {
      await Deno.rename(this.path, kept);
      return `${found}; the file is kept as ${kept}, and clients may get other addresses`;
    } catch (cause) {
      return `${found}; it could not be moved away either (${messageOf(cause)}) and is overwritten`;
    }
  }

  #unreadable(error: unknown): string {
    return `Cannot read the address leases in ${this.path}: ${messageOf(error)}; check its owner ` +
      "and the disk, until then clients may get other addresses";
  }
}
