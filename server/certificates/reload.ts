import { messageOf } from "../../lib/ffi/error_text.ts";
import { X509Certificate } from "node:crypto";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import { openServerPki } from "../../lib/pki/server_pki.ts";
import { serverTree } from "../../lib/pki/server_tree.ts";
import { exists } from "../../lib/pki/secure_file.ts";
import { RENEWAL_MS } from "../../lib/pki/server_certificate.ts";
import type { RevocationList } from "../../lib/pki/revocation_list.ts";
import type { ServerCredentials } from "../control/server_credentials.ts";

interface ReloadOptions {
  readonly pkiFolder: string;
  readonly hosts: readonly string[];
  /** Takes other certificates; throws when they do not fit together. */
  readonly control: { replaceCredentials(credentials: ServerCredentials): void };
  /** Stays the same object: what was revoked once is not forgotten. */
  readonly revocations: Pick<RevocationList, "entries">;
}

interface Reloaded {
  /** For the operator: what was read again, in one line. */
  readonly line: string;
  /** Further sentences, such as that a certificate was issued anew. */
  readonly notices: readonly string[];
}

/**
 * Reads the certificates of a running server again; sessions are not touched. Either all of it is
 * used or nothing. Calls are answered one after the other.
 */
export class CredentialReload {
  readonly #options: ReloadOptions;
  #current: ServerCredentials;
  readonly #queue = new SerialQueue();

  constructor(options: ReloadOptions, current: ServerCredentials) {
    this.#options = options;
    this.#current = current;
  }

  /** @throws Error that says which file is wrong and what to do; the old certificates stay in use */
  run(now: Date): Promise<Reloaded> {
    return this.#queue.run(() => this.#reload(now));
  }

  /**
   * As run() when the server's certificate in use is due to be issued anew; else null, and no file is
   * looked at: one that is being edited is not taken half done.
   */
  async runWhenDue(now: Date): Promise<Reloaded | null> {
    const { validFrom, validTo } = new X509Certificate(this.#current.certPem);
    const isDue = Date.parse(validTo) - now.getTime() < RENEWAL_MS;
    // A clock that was ahead has issued it: no client takes it yet.
    const isTooNew = Date.parse(validFrom) > now.getTime();
    return isDue || isTooNew ? await this.run(now) : null;
  }

  async #reload(now: Date): Promise<Reloaded> {
    const { pkiFolder, hosts, control, revocations } = this.#options;
    try {
      const { ca } = serverTree(pkiFolder);
      // Opening a tree makes one where there is none: a new authority that no client knows.
      if (!await exists(ca)) throw new Error(`${ca} is missing; restore it from a backup`);
      const pki = await openServerPki(pkiFolder, { hosts: [...hosts], regenerate: false, now });
      const { caPem, certPem, keyPem } = pki;
      const next = { caPem, certPem, keyPem };
      control.replaceCredentials(next);
      const line = describe(this.#current, next, revocations);
      this.#current = next;
      return { line, notices: pki.notices };
    } catch (error) {
      const reason = messageOf(error);
      throw new Error(
        `Cannot reload the certificates, those in use stay: ${reason}; then send SIGHUP again`,
        { cause: error },
      );
    }
  }
}

function describe(
  before: ServerCredentials,
  after: ServerCredentials,
  revocations: ReloadOptions["revocations"],
): string {
  const certificate = new X509Certificate(after.certPem);
  const change = (what: keyof ServerCredentials) =>
    before[what] === after[what] ? "unchanged" : "new";
  const count = revocations.entries().length;
  return `reloaded: authority ${change("caPem")}, server certificate ${change("certPem")} ` +
    `(serial ${certificate.serialNumber}, until ${certificate.validTo}), ` +
    `server key ${change("keyPem")}, ${count} certificates revoked; sessions go on`;
}
