/**
 * Revocations of several servers: a set that only grows. What one server's list has is put into the
 * store, what the store has goes into this server's list, and nothing takes a revocation back: an older
 * copy of either, or an entry that was deleted, is completed again. Those whose certificate has expired
 * long since need no place.
 */
import { messageOf } from "../../../lib/ffi/error_text.ts";
import { type Revocation, REVOCATIONS_MAX } from "../../../lib/pki/revocation_file.ts";
import type { RevocationList } from "../../../lib/pki/revocation_list.ts";
import { decodeEntry, encodeRevocation } from "./entries.ts";
import type { KeyValue, StoredValue } from "./key_value.ts";

interface SharedRevocationsParts {
  /** This server's own list. */
  readonly list: Pick<RevocationList, "entries" | "problem">;
  /** Adds to it. @throws Error */
  readonly add: (revocations: readonly Revocation[]) => Promise<void>;
  readonly store: () => KeyValue | null;
  readonly failed: (error: unknown) => void;
  readonly warn: (line: string) => void;
  /** Sessions of revoked certificates are to end now. */
  readonly revoked: () => void;
  readonly nowMs: () => number;
}

export class SharedRevocations {
  readonly #parts: SharedRevocationsParts;
  /** By serial: what the store has, or had. */
  readonly #shared = new Map<string, Revocation>();
  /** Serials that are in the store now, as far as is known. */
  readonly #stored = new Set<string>();
  readonly #news: Revocation[] = [];
  #isAdding = false;
  #isAddingWanted = false;
  #isPublishing = false;
  #isPublishingWanted = false;
  #saidProblem: string | null = null;

  constructor(parts: SharedRevocationsParts) {
    this.#parts = parts;
  }

  isRevoked(serial: string): boolean {
    return this.#shared.has(serial);
  }

  /** What has been taken since the last call. */
  poll(): Revocation[] {
    return this.#news.splice(0);
  }

  /** Revocations that the store does not have. */
  get pendingWrites(): number {
    return this.#missing().length;
  }

  /** The store is about to be read anew. */
  begin(): void {
    this.#stored.clear();
  }

  /** False: there are too many to keep one more. */
  take(revocation: Revocation): boolean {
    const { serial } = revocation;
    this.#stored.add(serial);
    if (this.#shared.has(serial)) return true;
    if (this.#shared.size >= REVOCATIONS_MAX) this.#forgetExpired();
    if (this.#shared.size >= REVOCATIONS_MAX) return false;
    this.#shared.set(serial, revocation);
    this.#news.push(revocation);
    this.#parts.revoked();
    void this.#addToList();
    return true;
  }

  /** Somebody has deleted one: it is put back, unless nobody needs it. */
  takeRemoval(serial: string): void {
    this.#stored.delete(serial);
    void this.publish();
  }

  /** Puts into the store what it does not have, and into the list what that does not have. */
  async publish(): Promise<void> {
    void this.#addToList();
    this.#isPublishingWanted = true;
    if (this.#isPublishing) return;
    this.#isPublishing = true;
    try {
      while (this.#isPublishingWanted) {
        this.#isPublishingWanted = false;
        for (const revocation of this.#missing()) {
          const store = this.#parts.store();
          if (store === null) return; // called again when it is there
          await put(store, revocation);
          this.#stored.add(revocation.serial);
        }
      }
    } catch (error) {
      this.#parts.failed(error);
    } finally {
      this.#isPublishing = false;
    }
  }

  #missing(): Revocation[] {
    const known = new Map(this.#parts.list.entries().map((entry) => [entry.serial, entry]));
    for (const [serial, revocation] of this.#shared) known.set(serial, revocation);
    return [...known.values()].filter((one) => !this.#stored.has(one.serial) && this.#counts(one));
  }

  #counts({ notAfter }: Revocation): boolean {
    return notAfter.getTime() >= this.#parts.nowMs();
  }

  #forgetExpired(): void {
    for (const [serial, revocation] of this.#shared) {
      if (!this.#counts(revocation)) this.#shared.delete(serial);
    }
  }

  async #addToList(): Promise<void> {
    this.#isAddingWanted = true;
    if (this.#isAdding) return;
    this.#isAdding = true;
    try {
      while (this.#isAddingWanted) {
        this.#isAddingWanted = false;
        const listed = new Set(this.#parts.list.entries().map(({ serial }) => serial));
        const news = [...this.#shared.values()]
          .filter((one) => !listed.has(one.serial) && this.#counts(one));
        if (news.length > 0 && this.#parts.list.problem === null) await this.#parts.add(news);
      }
      this.#saidProblem = null;
    } catch (error) {
      // In force all the same, as long as this server runs; tried again with the next one.
      const problem = messageOf(error);
      if (problem !== this.#saidProblem) this.#parts.warn(problem);
      this.#saidProblem = problem;
    } finally {
      this.#isAdding = false;
    }
  }
}

/** @throws Error when the store does not answer */
async function put(store: KeyValue, revocation: Revocation): Promise<void> {
  const { key, value } = encodeRevocation(revocation);
  const revision = await store.write(key, value, 0);
  if (revision === "conflict" && !isRevocation(await store.read(key))) {
    await store.write(key, value, "anything");
  }
}

/** An entry that was deleted, or spoilt, revokes nothing. */
function isRevocation(found: StoredValue | null): boolean {
  if (found === null || found.value === null) return false;
  try {
    return decodeEntry(found.key, found.value).kind === "revoked";
  } catch {
    return false;
  }
}
