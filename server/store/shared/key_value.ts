/**
 * What the shared store asks of a key-value service: versions that grow over all keys, writes that
 * name the version they replace, and a watch that begins with everything there is. The service may be
 * gone at any moment; whatever is asked of it then rejects within a bounded time.
 */

/** One key as the service has it. */
export interface StoredValue {
  readonly key: string;
  /** Null: it was deleted. */
  readonly value: Uint8Array | null;
  /** Grows with every write to any key. */
  readonly revision: number;
}

/** What a write expects to replace: a version, 0 for nothing, or whatever is there. */
export type Expected = number | "anything";

/** A connection to the service. */
export interface KeyValue extends AsyncDisposable {
  /**
   * Resolves with the new revision, or with "conflict" when something else is there than was expected.
   * @throws Error when the answer did not come: the value may have been written or not
   */
  write(key: string, value: Uint8Array, expected: Expected): Promise<number | "conflict">;
  /** As the leader has it, never an older copy. @throws Error when it cannot be asked */
  read(key: string): Promise<StoredValue | null>;
  /** @throws Error when the answer did not come */
  remove(key: string): Promise<void>;
  /**
   * Tells the latest value of each key and then each change, all in the order of their revisions.
   * Until the connection ends, which rejects, or `signal` is aborted.
   */
  watch(changed: (value: StoredValue) => void, signal: AbortSignal): Promise<void>;
}

export interface KeyValueService {
  /** For the operator, without secrets: where it is. */
  readonly place: string;
  /** @throws Error that says what to do */
  connect(signal: AbortSignal): Promise<KeyValue>;
}
