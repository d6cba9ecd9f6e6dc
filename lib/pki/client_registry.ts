import { type Certificate, isIssuedBy } from "./certificate.ts";
import {
  isStoredClientName,
  requireNewClientName,
  requireStoredClientName,
} from "./client_name.ts";
import { PkiError } from "./pki_error.ts";
import { generateKey } from "./private_key.ts";
import {
  addRevocation,
  COMMON_NAME_LENGTH_MAX,
  encodeRevocations,
  type Revocation,
} from "./revocation_file.ts";
import type { RevocationList } from "./revocation_list.ts";
import {
  exists,
  makeSecretDirectory,
  type PendingFile,
  PUBLIC_FILE_MODE,
  readError,
  SECRET_FILE_MODE,
  withDirectoryLock,
  writeFilesAtomically,
} from "./secure_file.ts";
import {
  clientFiles,
  loadAuthority,
  openRevocations,
  readCa,
  readCertificateIfPresent,
  type ServerTree,
  serverTree,
} from "./server_tree.ts";

/** "foreign": of another CA than the tree's, so the server refuses it. */
type ClientStatus =
  | "valid"
  | "revoked"
  | "expired"
  | "not yet valid"
  | "foreign"
  | "unreadable";

export interface ClientSummary {
  name: string;
  /** Upper-case hexadecimal; "" when unreadable. */
  serial: string;
  /** Null when unreadable. */
  notAfter: Date | null;
  status: ClientStatus;
}

export interface ClientDetails extends ClientSummary {
  commonName: string;
  notBefore: Date;
  notAfter: Date;
  revokedAt: Date | null;
  /** SHA-256 of the certificate, hexadecimal with colons. */
  fingerprint: string;
  certPath: string;
  /** Null when there is no bundle, as in trees of other programs. */
  bundlePath: string | null;
  /** Serials of this common name that were revoked before this certificate was issued. */
  revokedEarlier: string[];
}

export interface IssuedClient {
  name: string;
  serial: string;
  notAfter: Date;
  certPath: string;
  keyPath: string;
  bundlePath: string;
}

export interface RevokedClient {
  revocation: Revocation;
  /** What the operator should know, for example that `revoked.pem` could not be renewed. */
  notices: string[];
}

/** The client certificates of one server tree. Changes are made under the tree's lock. */
export class ClientRegistry {
  readonly revocations: RevocationList;
  readonly #tree: ServerTree;
  readonly #ca: Certificate;

  constructor(tree: ServerTree, ca: Certificate, revocations: RevocationList) {
    this.#tree = tree;
    this.#ca = ca;
    this.revocations = revocations;
  }

  /**
   * Makes a key and a certificate for a new client, or for one whose certificate is revoked.
   * @throws {PkiError} "bad name", "name taken", "no CA key" and what reading and writing throw
   */
  async issue(name: string, now: Date): Promise<IssuedClient> {
    requireNewClientName(name);
    const { cert, key, bundle } = clientFiles(this.#tree, name);
    return await withDirectoryLock(this.#tree.directory, async () => {
      await this.#requireFree(name);
      const authority = await loadAuthority(this.#tree, now);
      const { pem: keyPem, spki } = generateKey();
      const certPem = await authority.issueClient(spki, name, now);
      await makeSecretDirectory(this.#tree.clients);
      const bundlePem = certPem + keyPem + authority.certPem;
      await writeFilesAtomically([
        { path: key, text: keyPem, mode: SECRET_FILE_MODE },
        { path: bundle, text: bundlePem, mode: SECRET_FILE_MODE },
        { path: cert, text: certPem, mode: PUBLIC_FILE_MODE },
      ]);
      const { serial, notAfter } = await this.#requireClient(name);
      return { name, serial, notAfter, certPath: cert, keyPath: key, bundlePath: bundle };
    });
  }

  /** All clients by name, then revoked certificates whose name has a newer one or no file. */
  async list(now: Date): Promise<ClientSummary[]> {
    const current: ClientSummary[] = [];
    for (const name of await this.#names()) current.push(await this.#summarize(name, now));
    const listed = new Set(current.map((client) => client.serial));
    const earlier = this.#revocations()
      .filter((entry) => !listed.has(entry.serial))
      .map((entry): ClientSummary => ({
        name: entry.commonName,
        serial: entry.serial,
        notAfter: entry.notAfter,
        status: "revoked",
      }));
    return [...current, ...earlier];
  }

  /** @throws {PkiError} "bad name", "no such client" and what reading a certificate throws */
  async show(name: string, now: Date): Promise<ClientDetails> {
    requireStoredClientName(name);
    const certificate = await this.#requireClient(name);
    const { serial, commonName, notBefore, notAfter, x509, path: certPath } = certificate;
    const { bundle } = clientFiles(this.#tree, name);
    const revocations = this.#revocations();
    return {
      name,
      serial,
      commonName,
      notBefore,
      notAfter,
      status: this.#statusOf(certificate, now),
      revokedAt: revocations.find((entry) => entry.serial === serial)?.revokedAt ?? null,
      fingerprint: x509.fingerprint256,
      certPath,
      bundlePath: await exists(bundle) ? bundle : null,
      revokedEarlier: revocations
        .filter((entry) => entry.commonName === commonName && entry.serial !== serial)
        .map((entry) => entry.serial),
    };
  }

  /**
   * Revokes the client's certificate. Works without the CA's key, except for the CRL.
   * @throws {PkiError} "bad name", "no such client", "already revoked", "too many revocations" and
   * what reading and writing throw
   */
  async revoke(name: string, now: Date): Promise<RevokedClient> {
    requireStoredClientName(name);
    const { directory, revoked, crl } = this.#tree;
    return await withDirectoryLock(directory, async () => {
      const { serial, commonName, notAfter, path } = await this.#requireClient(name);
      const before = this.#revocations();
      if (before.some((entry) => entry.serial === serial)) {
        throw new PkiError(
          "already revoked",
          path,
          `Cannot revoke ${name}: its certificate ${path} (serial ${serial}) is revoked already; "fluxify-server cert new ${name}" issues a new one`,
        );
      }
      const subject = (commonName || name).slice(0, COMMON_NAME_LENGTH_MAX);
      const revocation = { serial, commonName: subject, revokedAt: now, notAfter };
      const after = addRevocation(before, revocation, revoked, now);
      const files: PendingFile[] = [
        { path: revoked, text: encodeRevocations(after), mode: PUBLIC_FILE_MODE },
      ];
      const { crlPem, notices } = await this.#issueCrl(after, now);
      if (crlPem !== null) files.push({ path: crl, text: crlPem, mode: PUBLIC_FILE_MODE });
      await writeFilesAtomically(files);
      return { revocation, notices };
    });
  }

  async #issueCrl(revocations: Revocation[], now: Date) {
    try {
      const authority = await loadAuthority(this.#tree, now);
      return { crlPem: await authority.issueCrl(revocations, now), notices: [] };
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
      const notice =
        `${this.#tree.crl}, which only other programs read, was not renewed: ${error.message}`;
      return { crlPem: null, notices: [notice] };
    }
  }

  /** @throws {PkiError} rather than answer, or write back, from a list that is out of date */
  #revocations(): Revocation[] {
    const entries = this.revocations.entries();
    const { problem, path } = this.revocations;
    if (problem !== null) throw new PkiError("damaged", path, problem);
    return entries;
  }

  async #requireFree(name: string): Promise<void> {
    const files = clientFiles(this.#tree, name);
    const certificate = await readCertificateIfPresent(files.cert);
    if (certificate === null) {
      for (const path of [files.key, files.bundle]) {
        if (!await exists(path)) continue;
        throw new PkiError(
          "name taken",
          path,
          `Cannot issue a certificate for ${name}: ${path} exists without ${files.cert}; move it away, or choose another name`,
        );
      }
    } else if (!this.#revocations().some((entry) => entry.serial === certificate.serial)) {
      throw new PkiError(
        "name taken",
        files.cert,
        `Cannot issue a certificate for ${name}: ${files.cert} exists; "fluxify-server cert revoke ${name}" first, or choose another name`,
      );
    }
  }

  async #requireClient(name: string): Promise<Certificate> {
    const { cert } = clientFiles(this.#tree, name);
    const certificate = await readCertificateIfPresent(cert);
    if (certificate !== null) return certificate;
    throw new PkiError(
      "no such client",
      cert,
      `Cannot find the client ${name}: there is no ${cert}; "fluxify-server cert list" shows the clients there are`,
    );
  }

  async #summarize(name: string, now: Date): Promise<ClientSummary> {
    try {
      const certificate = await this.#requireClient(name);
      const { serial, notAfter } = certificate;
      return { name, serial, notAfter, status: this.#statusOf(certificate, now) };
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
      return { name, serial: "", notAfter: null, status: "unreadable" };
    }
  }

  #statusOf(certificate: Certificate, now: Date): ClientStatus {
    if (this.#revocations().some((entry) => entry.serial === certificate.serial)) return "revoked";
    if (!isIssuedBy(certificate, this.#ca)) return "foreign";
    if (now > certificate.notAfter) return "expired";
    return now < certificate.notBefore ? "not yet valid" : "valid";
  }

  async #names(): Promise<string[]> {
    const names: string[] = [];
    try {
      for await (const entry of Deno.readDir(this.#tree.clients)) {
        const name = entry.name.replace(/\.pem$/, "");
        if (name !== entry.name && isStoredClientName(name)) names.push(name);
      }
    } catch (cause) {
      if (!(cause instanceof Deno.errors.NotFound)) throw readError(this.#tree.clients, cause);
    }
    return names.sort();
  }
}

/**
 * Opens the clients of an existing tree; writes nothing and does not look at the server's own
 * certificate.
 * @throws {PkiError} "not found" when there is no tree, and what reading the CA throws
 */
export async function openClientRegistry(directory: string): Promise<ClientRegistry> {
  const tree = serverTree(directory);
  if (!await exists(tree.ca)) {
    throw new PkiError(
      "not found",
      tree.ca,
      `Cannot find a CA in ${directory}: ${tree.ca} is missing; check the directory, or "fluxify-server cert new NAME" makes a CA and the first client`,
    );
  }
  const [ca] = await readCa(tree.ca);
  return new ClientRegistry(tree, ca, await openRevocations(tree));
}
