import { normalizeSerial } from "./certificate.ts";
import { type FileIdentity, fileIdentity, isSameFile } from "./file_identity.ts";
import { PkiError, type PkiErrorCode } from "./pki_error.ts";
import {
  decodeRevocations,
  type Revocation,
  REVOCATION_FILE_BYTES_MAX,
  REVOCATIONS_MAX,
} from "./revocation_file.ts";
import { readError } from "./secure_file.ts";

/** Room for a full list, and for a full one that was in force before it. */
const IN_FORCE_MAX = 2 * REVOCATIONS_MAX;

/**
 * The revoked certificates as `revoked.json` lists them at the moment of the question: the first
 * question of a piece of work looks at the file's identity (some 10 us) and reads it again when that
 * has changed, so `cert revoke` in another process takes effect without a signal.
 *
 * Fails closed: while the file cannot be read, the last list that could be read stays in force and
 * {@link problem} says so; and what has left the file stays revoked until the process ends, because
 * a regenerated tree has an empty list while this process still trusts the old CA. Has no timer: a
 * server calls {@link poll} once a second.
 */
export class RevocationList {
  readonly path: string;
  #identity: FileIdentity | null = null;
  #listed: readonly Revocation[] = [];
  #inForce: ReadonlyMap<string, Revocation> = new Map();
  readonly #unreported = new Map<string, Revocation>();
  #problem: string | null = null;
  /** The file has been looked at since the program last waited for anything. */
  #isFresh = false;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Reads the list; no file means nothing is revoked.
   * @throws {PkiError} "damaged" or "unreadable"
   */
  static open(path: string): RevocationList {
    const list = new RevocationList(path);
    const identity = fileIdentity(path);
    if (identity !== null) list.#load(identity);
    list.#unreported.clear();
    return list;
  }

  /**
   * Whether the certificate is revoked. Takes the serial number as any TLS library writes it in
   * hexadecimal; what is not hexadecimal counts as revoked.
   */
  isRevoked(serialHex: string): boolean {
    this.#refresh();
    return !/^[0-9A-Fa-f]+$/.test(serialHex) || this.#inForce.has(normalizeSerial(serialHex));
  }

  /** What was revoked since the last call (since opening, for the first): sessions to end. */
  poll(): Revocation[] {
    this.#refresh();
    const news = [...this.#unreported.values()];
    this.#unreported.clear();
    return news;
  }

  /** The revocations in the file, oldest first. */
  entries(): Revocation[] {
    this.#refresh();
    return [...this.#listed];
  }

  /** Why the list in force is older than the file, with what to do; null when it is not. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Who asks of thousands of sessions in one go looks at the file once. */
  #refresh(): void {
    if (this.#isFresh) return;
    this.#isFresh = true;
    queueMicrotask(() => this.#isFresh = false);
    try {
      const identity = fileIdentity(this.path);
      if (identity === null) {
        if (this.#identity !== null) throw disappeared(this.path);
      } else if (!isSameFile(identity, this.#identity)) {
        this.#load(identity);
      }
      this.#problem = null;
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
      this.#problem = `${error.message} (until then the list read before stays in force)`;
    }
  }

  /** `identity` was taken before reading: a change in between is found the next time. */
  #load(identity: FileIdentity): void {
    const listed = read(this.path, identity);
    const before = this.#inForce;
    const inForce = new Map(listed.map((entry) => [entry.serial, entry]));
    for (const entry of inForce.values()) {
      if (!before.has(entry.serial)) this.#unreported.set(entry.serial, entry);
    }
    for (const [serial, entry] of before) {
      if (inForce.size === IN_FORCE_MAX) break;
      if (!inForce.has(serial)) inForce.set(serial, entry);
    }
    for (const serial of this.#unreported.keys()) {
      if (!inForce.has(serial)) this.#unreported.delete(serial);
    }
    this.#listed = listed;
    this.#inForce = inForce;
    this.#identity = identity;
  }
}

function read(path: string, { sizeBytes }: FileIdentity): Revocation[] {
  if (sizeBytes > REVOCATION_FILE_BYTES_MAX) {
    throw refusal("damaged", path, `it is larger than ${REVOCATION_FILE_BYTES_MAX} bytes`);
  }
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (cause) {
    throw readError(path, cause);
  }
  return decodeRevocations(text, path);
}

function disappeared(path: string): PkiError {
  return refusal("not found", path, "it has disappeared");
}

function refusal(code: PkiErrorCode, path: string, what: string): PkiError {
  return new PkiError(
    code,
    path,
    `Cannot tell which certificates are revoked from ${path}: ${what}; restore it from a backup`,
  );
}
